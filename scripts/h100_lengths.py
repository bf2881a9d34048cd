"""Which decode steps of the first H100 run met a key-value length for the first time, and which CUDA event they used.

    python -m scripts.h100_lengths          prints how many steps of each kind were slow

The order of generate calls in a process follows from the records and from the code that made them: LLM.int8()'s
outlier-count call, the warm-up, the timed call, then the timeline's and the energy windows' calls of the same Case, and
then the next Case. Events belonged to one Case: a call used the first ones again, and new ones from where an earlier
call of that Case had ended; torch creates an event when it is first recorded.
"""

from __future__ import annotations

import gzip
import json
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.record.schema import Case
from bench.workloads.lengths import Lengths, Visit

Document = Mapping[str, Any]
MEASURED = Path(__file__).parents[1] / "reports/runs/h100-starcoder2-3b-20261126/as-measured.jsonl.gz"
TIMED = ("generation", "intervention")
OBSERVED = ("kineto", "energy")
OUTLIER_STEPS = 4  # decode steps of the call that counts outlier columns
SLOW_S = 0.020  # more than the median of the call's first three steps


@dataclass(frozen=True)
class Step:
    """``seconds`` of a timed decode step; ``extra``: over the median of its call's first three."""

    scheme: str
    batch_size: int
    seconds: float
    extra: float
    new_length: bool
    new_event: bool

    @property
    def slow(self) -> bool:
        return self.extra > SLOW_S


def documents(path: Path = MEASURED) -> list[Document]:
    """The records of a packed file."""
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).decode().splitlines()]


def visits(records: Sequence[Document], *, count_outliers: bool = True) -> Iterator[tuple[Document, Visit]]:
    """Each timed record of generation and what its timed call met, in order. ``count_outliers``: whether the call that
    counts outlier columns met its lengths too."""
    met = Lengths()
    for record in records:
        if record["case"]["workload"] != "generation" or record["status"] != "ok":
            continue
        case, options = Case(**record["case"]), record["setup"].get("options", {})
        steps = (case.new_tokens or 1) - 1
        if record["instrument"] in TIMED:
            met = met if options.get("place_in_process") else Lengths()
            prompt = int(values(record, "prompt_length")[0])
            if count_outliers and values(record, "outlier_columns"):
                met.visit(case, prompt, OUTLIER_STEPS)
            for _ in range(options["warmup_calls"]):
                met.visit(case, prompt, warmup_tokens(record) - 1)
            yield record, met.visit(case, prompt, steps)
        elif record["instrument"] in OBSERVED:
            met.visit(case, case.prompt_tokens or 0, steps)


def steps(records: Sequence[Document], *, count_outliers: bool = True) -> list[Step]:
    """Every timed decode step."""
    found = []
    for record, visit in visits(records, count_outliers=count_outliers):
        seconds, case = values(record, "inter_token_latency"), record["case"]
        usual = statistics.median(seconds[:3])
        # The begin of a call takes event 0 and token n event n + 1: a call of n tokens has used n + 1 of them.
        used = warmup_tokens(record) + 1 if record["setup"]["options"]["warmup_calls"] else 0
        found += [
            Step(case["scheme"], case["batch_size"], one, one - usual, new, place + 2 >= used)
            for place, (one, new) in enumerate(zip(seconds, visit.new, strict=True))
        ]
    return found


def slow(found: Sequence[Step]) -> dict[tuple[bool, bool], tuple[int, int]]:
    """(new length, new event) → (slow steps, all steps)."""
    kinds = Counter((step.new_length, step.new_event) for step in found)
    late = Counter((step.new_length, step.new_event) for step in found if step.slow)
    return {kind: (late[kind], count) for kind, count in kinds.items()}


def warmup_tokens(record: Document) -> int:
    """New tokens of its warm-up call."""
    return min(record["setup"]["options"]["warmup_tokens"], record["case"]["new_tokens"])


def values(record: Document, name: str) -> Sequence[float]:
    """The values of one metric, or ()."""
    return next((metric["values"] for metric in record["metrics"] if metric["name"] == name), ())


if __name__ == "__main__":
    for (length, event), (late, count) in sorted(slow(steps(documents())).items(), reverse=True):
        print(f"{'new' if length else 'seen'} length, {'new' if event else 'old'} event: {late} of {count} slow")

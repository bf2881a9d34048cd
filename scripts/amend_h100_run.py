"""How reports/runs/h100-starcoder2-3b-20261126/records.jsonl.gz came from as-measured.jsonl.gz beside it.

    python -m scripts.amend_h100_run RUN_FOLDER

No value is changed. That run's warm-up calls were shorter than what was timed, so its timed calls hold steps at
key-value lengths that the process met for the first time beside steps at lengths seen before: they stand apart now
(scripts/h100_lengths.py finds them). CUPTI stayed attached after the timeline pass: what was timed in the same process
after it is left out, its joules are marked, and the ledger's lines are derived from the traces again, with only those
steps as unobserved ones that came before the window.
"""

from __future__ import annotations

import gzip
import json
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.analysis.ledger.plain import plain_times
from bench.analysis.ledger.read import STEP_RANGE
from bench.analysis.ledger.stored import with_lines
from bench.analysis.observer.costs import median_costs
from bench.analysis.timeline import Analysis
from bench.record.schema import from_json
from bench.workloads.lengths import Visit
from profiling.capture import ledger
from profiling.capture.timelines import attention_backends, operator_times
from profiling.summarize import read_timeline
from scripts.h100_lengths import documents, values, visits, warmup_tokens

Document = Mapping[str, Any]
CUPTI = {
    "code": "observer-attached",
    "severity": "warning",
    "message": "CUPTI was still attached from the timeline pass before, which cost 3 to 17 ms per decode step",
    "evidence": "decode steps of the observed call before and after its window, in the kineto record's plain_step_time",
    "remedy": "measured again, timelines come last (mended since); until then read these as upper bounds",
}
WITHOUT = "the first call was a warm-up of {tokens} tokens, of which only the wall time was kept"


def amended(record: Document, visit: Visit | None, folder: Path) -> Document | None:
    """The record as it may be used; None where an observer was attached while it was timed."""
    case, instrument = record["case"], record["instrument"]
    if case["workload"] != "generation" or record["status"] != "ok" or instrument == "prediction":
        return record
    if instrument == "kineto":
        return _derived_again(record, folder)
    if instrument == "energy":
        return {**record, "findings": [*record["findings"], CUPTI]}
    if case["new_tokens"] == 256 or case["batch_size"] > 1:  # after a timeline
        return None
    assert visit is not None, "every timed call met some lengths"
    return _told_apart(record, visit)


def _told_apart(record: Document, visit: Visit) -> Document:
    """Steps at new lengths and steps at seen ones as metrics of their own."""
    steps = values(record, "inter_token_latency")
    seen, first = visit.seen(steps), visit.first(steps)
    changed = {"inter_token_latency": seen, "decode_steps": [len(seen)]}
    metrics = [{**item, "values": changed.get(item["name"], item["values"])} for item in record["metrics"]]
    metrics += [
        {"name": "first_visit_latency", "unit": "s", "values": first},
        {"name": "first_visit_length", "unit": "1", "values": visit.first(visit.lengths)},
        {"name": "first_visit_steps", "unit": "1", "values": [len(first)]},
    ]
    absent = dict.fromkeys(
        ("first_generation_time", "first_time_to_first_token"), WITHOUT.format(tokens=warmup_tokens(record))
    )
    finding = {
        "code": "new-lengths",
        "severity": "warning",
        "message": "timed decode steps met key-value lengths for the first time: they count as first generation",
        "evidence": f"{len(first)} of {len(steps)} steps",
        "remedy": "measured again, warm-up calls meet every length that is timed (mended since)",
    }
    return {
        **record,
        "metrics": metrics,
        "not_collected": {**record["not_collected"], **absent},
        "findings": [*record["findings"], finding],
    }


def _derived_again(record: Document, folder: Path) -> Document:
    """The ledger's lines from the trace, by today's code."""
    known = from_json(dict(record))
    trace = next(folder / item.path for item in known.artifacts if item.path.endswith(".json.gz"))
    costs = median_costs({item.name: list(item.values) for item in known.metrics})
    plain = statistics.median(plain_times(known)) * 1e9
    version = str(known.setup["ledger"]["bitsandbytes"])
    timeline = read_timeline(trace)
    kept, _, _ = ledger.of_analysis(Analysis(timeline), {STEP_RANGE}, costs, plain, version)
    read = with_lines(replace(known, setup=kept, metrics=()))  # these records hold lines, and no rows
    found = {"ledger": {name: value for name, value in read.setup["ledger"].items() if name != "rules"}}
    found |= {"attention_backend": attention_backends(timeline), "operators": operator_times(timeline)}
    new = {item.name: {"name": item.name, "unit": item.unit, "values": list(item.values)} for item in read.metrics}
    metrics = [new.pop(item["name"], item) for item in record["metrics"]]
    return {**record, "setup": {**record["setup"], **found}, "metrics": [*metrics, *new.values()]}


def amend(records: Sequence[Document], folder: Path) -> Iterator[Document]:
    """All records of the run, in order."""
    met = {id(record): visit for record, visit in visits(records)}
    for record in records:
        if (made := amended(record, met.get(id(record)), folder)) is not None:
            yield made


def pack(records: Iterator[Document]) -> bytes:
    """The same bytes for the same records."""
    return gzip.compress("".join(json.dumps(record) + "\n" for record in records).encode(), mtime=0)


if __name__ == "__main__":
    run = Path(sys.argv[1])
    (run / "records.jsonl.gz").write_bytes(pack(amend(documents(run / "as-measured.jsonl.gz"), run)))

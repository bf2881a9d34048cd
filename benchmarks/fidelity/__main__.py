"""Judge the diagnosis and write the table: ``python -m benchmarks.fidelity``, or ``make fidelity``.

--no-real   made-up cases only (seconds; the real ones take about ten minutes, and stay on the page as they were)
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.instruments import environment
from bench.run.progress import StepProgress

from . import judge, planted, real, real_judge, stack_judge, stacks
from .judge import Judged
from .stack_judge import OTHER_STACKS

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "fidelity.json"
TABLE = ROOT / "docs" / "fidelity.md"


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 1 where a planted cause was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fidelity", description=__doc__)
    parser.add_argument("--no-real", action="store_true", help="made-up cases only; the real ones stay as they were")
    options = parser.parse_args(argv)
    rows = list(_judged(not options.no_real))
    wrong = [row for row in rows if not row.ok]
    for row in wrong:
        print(f"wrong: {row}", file=sys.stderr)
    print(f"{len(rows) - len(wrong)} of {len(rows)} cases as planted")
    known = json.loads(RESULTS.read_text()) if options.no_real else _machine()
    document = known | {
        "cases": [row.to_json() for row in rows] + [row for row in known.get("cases", ()) if row["where"] == real.WHERE]
    }
    RESULTS.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    TABLE.write_text(table(document))
    print(f"written: {RESULTS.relative_to(ROOT)}, {TABLE.relative_to(ROOT)}")
    return 1 if wrong else 0


def _judged(with_real: bool) -> Iterator[Judged]:
    made_up, of_stacks, on_machine = planted.cases(), stacks.cases(), real.cases() if with_real else ()
    count = len(made_up) + len(of_stacks)
    with StepProgress(count + len(on_machine), count + 300 * len(on_machine), Console()) as progress:
        with tempfile.TemporaryDirectory() as folder:
            for case in made_up:
                progress.start(f"{case.name}, {case.regime}")
                rows = judge.judge(case, Path(folder))
                yield from rows
                progress.advance(1)
                progress.end("ok" if all(row.ok for row in rows) else "wrong")
            for foreign in of_stacks:
                progress.start(f"{foreign.told}, {foreign.stack.told}")
                row = stack_judge.judge(foreign, Path(folder))
                yield row
                progress.advance(1)
                progress.end("ok" if row.ok else "wrong")
        for item in on_machine:
            progress.start(f"{item.name}, on this machine")
            row = real_judge.judge(item)
            yield row
            progress.advance(300)
            progress.end("ok" if row.ok else "wrong")


def _machine() -> dict[str, Any]:
    found = environment.capture(ROOT)
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": found.cpu.get("model"),
        "usable_cores": found.cpu.get("usable_cores"),
        "python": platform.python_version(),
        "torch": found.packages.get("torch"),
        "bitsandbytes": found.packages.get("bitsandbytes"),
    }


def table(document: dict[str, Any]) -> str:
    """The page of docs/fidelity.md."""
    rows = [Judged(**{**case, "false_causes": tuple(case["false_causes"])}) for case in document["cases"]]
    of_stacks = [row for row in rows if row.kind == OTHER_STACKS]
    made_up = [row for row in rows if row.where != real.WHERE and row.kind != OTHER_STACKS]
    on_machine = [row for row in rows if row.where == real.WHERE]
    right = sum(row.ok for row in rows)
    machine = f"{document['cpu']}, {document['usable_cores']} cores, torch {document['torch']}"
    return _PAGE.format(
        right=right,
        all=len(rows),
        made_up=len(made_up),
        made_up_rows="\n".join(map(_made_up, made_up)),
        stacks=len(of_stacks),
        stack_rows="\n".join(map(_of_stack, of_stacks)),
        real=len(on_machine),
        made=document["made"][:10],
        machine=f"{machine}, bitsandbytes {document['bitsandbytes']}",
        real_rows="\n".join(map(_real, on_machine)),
    )


_PAGE = """# Is the diagnosis right?

Causes of known size are planted, and the diagnosis must name each first, give its size within 10 %, and name nothing
else. `make fidelity` makes this page again; the raw figures are in
[benchmarks/results/fidelity.json](../benchmarks/results/fidelity.json).

{right} of {all} cases as planted.

## Made-up timelines

{made_up} cases: a simulated host and GPU (`benchmarks/fidelity/machine.py`, which shares no code with the replay)
decode with and without the cause; both readers read what a profiler would have recorded. *Predicted*: the candidate
replayed with the cause removed, over the reference (must be within 5 %). Sizes are in µs per step. *machine*:
everything changed alike, which is no cause of its own.

| Planted | Regime | Reader | Named first | Size | Found | Predicted ÷ reference | |
|---|---|---|---|---:|---:|---:|---|
{made_up_rows}

## Two traces of other stacks, without any option

{stacks} pairs of traces as vLLM, SGLang and a loop over transformers record them (`benchmarks/fidelity/stacks.py`):
steps named with their sizes in them, a prefill first, eager or as CUDA graphs, a host that runs ahead, one rank or two
in one file (of nsys, or Chrome traces that were merged), and without any ranges, so that steps have to be inferred.
Nothing is given but the two files, and no unprofiled time is known. The first reason of the answer must be the planted
cause, sure, and within 10 % of its size (in µs per step), and nothing else may be sure.

| Planted | Stack | Named first | Size | Found | |
|---|---|---|---:|---:|---|
{stack_rows}

## Real causes on this machine's CPU

{real} cases on {machine}, made on {made}:
the smoke model decodes, and the cause acts in every second step (the neighbour: in every second call). *Size*: what it
adds to an unprofiled step, µs; *found*: what the diagnosis says from recordings alone, scaled to the speed that the
machine had in the unprofiled steps.

| Planted | Scheme | Named first | Size | Found | Error | |
|---|---|---|---:|---:|---:|---|
{real_rows}
"""


def _made_up(row: Judged) -> str:
    predicted = "" if row.predicted is None else f"{row.predicted:.3f}"
    found = f"{row.found_us:.1f}" if row.cause not in ("none", judge.MACHINE) else ""
    return (
        f"| {row.case} | {row.kind} | {row.where} | {row.named} | {row.size_us:.1f} | {found} | {predicted} | "
        f"{_word(row)} |"
    )


def _of_stack(row: Judged) -> str:
    found = f"{row.found_us:.0f}" if row.cause != "none" else ""
    return f"| {row.case} | {row.where} | {row.named} | {row.size_us:.0f} | {found} | {_word(row)} |"


def _real(row: Judged) -> str:
    sized = row.cause not in ("none", judge.MACHINE)
    found = f"{row.found_us:.0f}" if sized else ""
    error = f"{row.found_us / row.size_us - 1:+.1%}" if sized else ""
    return f"| {row.case} | {row.kind} | {row.named} | {row.size_us:.0f} | {found} | {error} | {_word(row)} |"


def _word(row: Judged) -> str:
    if row.ok:
        return "as planted"
    return "wrong" + (f", also named: {', '.join(row.false_causes)}" if row.false_causes else "")


if __name__ == "__main__":
    sys.exit(main())

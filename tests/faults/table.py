"""docs/faults.md: one row for each fault, as it was seen when it was provoked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tests.faults.catalogue import CHAPTERS, FAULTS
from tests.faults.fault import Fault, Seen, exit_code

DOCUMENT = Path(__file__).parents[2] / "docs" / "faults.md"
HEAD = """| Fault | How it is provoked | What the user sees | Exit code | Completed | Lost | Afterwards |
|---|---|---|---|---:|---:|---|"""
INTRODUCTION = """# What goes wrong, and what is kept

Every row is made by doing this to the real program (`tests/faults`): command line, parent, fork server, child, pipe,
files, progress. Only the workload is another, which takes milliseconds and misbehaves as told; NVML and profilers are
stand-ins where they are what fails. `make test` provokes {quick} of them again, `make faults` all, and each fails where
its row differs from what it sees; `python -m tests.faults --write` makes this page again.

A Record is *completed* when it was measured and its line written and synced: the tests are told each by the event that
moves the progress. *Lost* is how many of those are not in the run folder afterwards. `RUN` is the run folder, `T` a
time, `…` a folder. Exit codes: 0 done, 1 some Cases failed, 2 one line says what to do, 128 + n ended by signal n.

{count} faults, {completed} completed Records, {lost} lost. {kills}
"""


def row(fault: Fault, seen: Seen) -> str:
    """The fault's line of the table."""
    code = exit_code(seen.code)
    cells = (fault.name, fault.provoked, _code(seen.message), code, seen.completed, seen.lost, seen.after)
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def _code(message: str) -> str:
    return message if message.startswith("(") else f"`{message}`"


def cells(line: str) -> list[str]:
    """The cells of a row."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def document(rows: Mapping[str, str], kills: str) -> str:
    """The whole page. ``rows``: by the fault's name; ``kills``: the result of the random moments, in words."""
    completed, lost = (sum(int(cells(line)[place]) for line in rows.values()) for place in (4, 5))
    quick = sum(not fault.slow for fault in FAULTS)
    parts: list[str] = [INTRODUCTION.format(quick=quick, count=len(rows), completed=completed, lost=lost, kills=kills)]
    for title, faults in CHAPTERS.items():
        parts.append("\n".join((f"## {title}\n", HEAD, *(rows[fault.name] for fault in faults), "")))
    return "\n".join(parts)


def written() -> dict[str, str]:
    """The rows of the committed page, by the fault's name."""
    lines = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    return {cells(line)[0]: line for line in lines if cells(line)[0] != "Fault"}


def names() -> list[str]:
    """The names of all faults."""
    return [fault.name for fault in FAULTS]

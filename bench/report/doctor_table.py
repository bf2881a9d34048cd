"""The doctor's answers for a terminal: one table, readable in 80 columns."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.doctor.check import Check

from .content import Cell, Column, Tone
from .short import MOST_LINES, SAME_WITH_V, Passage, print_passages
from .terminal import print_lines

_TONES: dict[str, Tone] = {"ok": "good", "limited": "unsure", "missing": "bad"}
_STYLES = {"ok": "green", "limited": "yellow", "missing": "red"}


def print_checks(checks: Sequence[Check], console: Console, *, verbose: bool = False) -> None:
    """A line that counts, then the table. The status is a word, so that it is readable without colours. Not
    ``verbose``: a line each, the remedy in place of what was found where there is one."""
    if verbose:
        console.print(_counts(checks), _table(checks), sep="\n")
        return
    console.print(_counts(checks))
    rest = f"What was found, and every remedy whole: {SAME_WITH_V}"
    print_passages([Passage(partial(_show_short, checks))], console, rest, MOST_LINES - 1)


def _counts(checks: Sequence[Check]) -> Text:
    counts = {status: sum(check.status == status for check in checks) for status in _STYLES}
    return Text(", ".join(f"{count} {status}" for status, count in counts.items() if count))


def _show_short(checks: Sequence[Check], console: Console) -> None:
    if not _print_short(checks, console):
        console.print(_table(checks))


def _print_short(checks: Sequence[Check], console: Console) -> bool:
    columns = (Column("check"), Column("status"), Column("found, or → what to do"))
    rows = [
        (
            Cell(check.name),
            Cell(check.status, _TONES[check.status]),
            Cell(f"→ {check.remedy}" if check.remedy else check.detail),
        )
        for check in checks
    ]
    return print_lines(columns, rows, console)


def _table(checks: Sequence[Check]) -> Table:
    table = Table(title="What this machine can measure", box=None, pad_edge=False, title_justify="left")
    table.add_column("check", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("found, and → what to do", ratio=1)
    for check in checks:
        found = Text(check.detail)
        if check.remedy:
            found.append(f"\n→ {check.remedy}", style="dim")
        table.add_row(Text(check.name), Text(check.status, style=_STYLES[check.status]), found)
    return table

"""The checks of a run folder and of the doctor for a terminal, readable in 80 columns: of a folder the verdict in one
line, one table, and what is amiss; of the doctor one table."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.doctor.check import Check
from bench.record.integrity import IntegrityCheck

from .content import Cell, Column, Tone, table
from .short import MOST_LINES, SAME_WITH_V, Passage, line, print_parts, print_passages
from .terminal import print_lines, print_table

_RESULT_TONES: dict[str, Tone] = {"ok": "good", "problem": "bad", "note": "unsure"}
_STATUS_TONES: dict[str, Tone] = {"ok": "good", "limited": "unsure", "missing": "bad"}
_STYLES = {"ok": "green", "limited": "yellow", "missing": "red"}


def print_verified(name: str, checks: Sequence[IntegrityCheck], good: bool, most: int | None, console: Console) -> None:
    """The verdict, then the checks. ``most``: examples that are shown of each; None for all, and for every check. The
    result is a word, readable without colours."""
    parts = [_verdict(checks, good), *_integrity_table(name, checks, most), *_all_examples(checks, most)]
    print_parts(parts, console, f"Every check, and all that is amiss: {SAME_WITH_V}", whole=most is None)


def _verdict(checks: Sequence[IntegrityCheck], good: bool) -> Passage:
    problems = sum(check.result == "problem" for check in checks)
    verdict = (
        "verified: all that was checked holds"
        if good
        else f"NOT verified: {problems} {'check does' if problems == 1 else 'checks do'} not hold"
    )
    return line(verdict, style="bold green" if good else "bold red")


def _integrity_table(name: str, checks: Sequence[IntegrityCheck], most: int | None) -> list[Passage]:
    """What is not ok, problems first; with all examples every check."""
    columns = (Column("Check"), Column("Result"), Column("Found"))
    shown = [check for check in checks if most is None or check.result != "ok"]
    shown.sort(key=lambda check: check.result != "problem")
    rows = [(check.name, Cell(check.result, _RESULT_TONES[check.result]), check.found) for check in shown]
    made = [Passage(partial(print_table, table(f"Run folder {name}", columns, rows)))] if rows else []
    ok = [check.name for check in checks if check.result == "ok"]
    return [*made, *([line(f"ok: {', '.join(ok)}", 2, style="dim")] if len(shown) < len(checks) else [])]


def _all_examples(checks: Sequence[IntegrityCheck], most: int | None) -> list[Passage]:
    """Of each check, problems first."""
    parts = []
    for check in sorted((one for one in checks if one.result != "ok"), key=lambda one: one.result != "problem"):
        rank = 3 if check.result == "problem" else 5
        for place, text in enumerate(check.examples[:most]):
            example = Text(f"{check.result}: {check.name}: {text}")
            # All of them are looked through by programs too: each stays one line.
            parts.append(_unbroken(example) if most is None else line(example, rank + (place > 0), "example"))
        if most is not None and len(check.examples) > most:
            parts.append(line(f"  and {len(check.examples) - most} more of {check.name}", rank, style="dim"))
    return parts


def _unbroken(text: Text) -> Passage:
    return Passage(lambda console: console.print(text, soft_wrap=True))


def print_checks(checks: Sequence[Check], console: Console, *, verbose: bool = False) -> None:
    """A line that counts, then the table. The status is a word, so that it is readable without colours. Not
    ``verbose``: a line each, the remedy in place of what was found where there is one."""
    if verbose:
        console.print(_status_counts(checks), _checks_table(checks), sep="\n")
        return
    console.print(_status_counts(checks))
    rest = f"What was found, and every remedy whole: {SAME_WITH_V}"
    print_passages([Passage(partial(_show_short, checks))], console, rest, MOST_LINES - 1)


def _status_counts(checks: Sequence[Check]) -> Text:
    counts = {status: sum(check.status == status for check in checks) for status in _STYLES}
    return Text(", ".join(f"{count} {status}" for status, count in counts.items() if count))


def _show_short(checks: Sequence[Check], console: Console) -> None:
    if not _print_short(checks, console):
        console.print(_checks_table(checks))


def _print_short(checks: Sequence[Check], console: Console) -> bool:
    columns = (Column("check"), Column("status"), Column("found, or → what to do"))
    rows = [
        (
            Cell(check.name),
            Cell(check.status, _STATUS_TONES[check.status]),
            Cell(f"→ {check.remedy}" if check.remedy else check.detail),
        )
        for check in checks
    ]
    return print_lines(columns, rows, console)


def _checks_table(checks: Sequence[Check]) -> Table:
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

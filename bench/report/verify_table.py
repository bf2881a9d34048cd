"""The checks of a run folder for a terminal: the verdict in one line, one table, and what is amiss."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from rich.console import Console
from rich.text import Text

from bench.record.integrity import IntegrityCheck

from .content import Cell, Column, Tone, table
from .short import SAME_WITH_V, Passage, line, print_parts
from .terminal import print_table

_TONES: dict[str, Tone] = {"ok": "good", "problem": "bad", "note": "unsure"}


def print_verified(name: str, checks: Sequence[IntegrityCheck], good: bool, most: int | None, console: Console) -> None:
    """The verdict, then the checks. ``most``: examples that are shown of each; None for all, and for every check. The
    result is a word, readable without colours."""
    parts = [_verdict(checks, good), *_table(name, checks, most), *_all_examples(checks, most)]
    print_parts(parts, console, f"Every check, and all that is amiss: {SAME_WITH_V}", whole=most is None)


def _verdict(checks: Sequence[IntegrityCheck], good: bool) -> Passage:
    problems = sum(check.result == "problem" for check in checks)
    verdict = (
        "verified: all that was checked holds"
        if good
        else f"NOT verified: {problems} {'check does' if problems == 1 else 'checks do'} not hold"
    )
    return line(verdict, style="bold green" if good else "bold red")


def _table(name: str, checks: Sequence[IntegrityCheck], most: int | None) -> list[Passage]:
    """What is not ok, problems first; with all examples every check."""
    columns = (Column("Check"), Column("Result"), Column("Found"))
    shown = [check for check in checks if most is None or check.result != "ok"]
    shown.sort(key=lambda check: check.result != "problem")
    rows = [(check.name, Cell(check.result, _TONES[check.result]), check.found) for check in shown]
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

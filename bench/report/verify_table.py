"""The checks of a run folder for a terminal: one table, what is amiss, and the verdict in one line."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from bench.record.integrity import IntegrityCheck

from .content import Cell, Column, Tone, table
from .terminal import print_table

_TONES: dict[str, Tone] = {"ok": "good", "problem": "bad", "note": "unsure"}


def print_verified(name: str, checks: Sequence[IntegrityCheck], good: bool, most: int | None, console: Console) -> None:
    """``most``: examples that are shown of each check; None for all. The result is a word, readable without colours."""
    columns = (Column("Check"), Column("Result"), Column("Found"))
    shown = [check for check in checks if most is None or check.result != "ok"]
    rows = [(check.name, Cell(check.result, _TONES[check.result]), check.found) for check in shown]
    if rows:
        print_table(table(f"Run folder {name}", columns, rows), console)
    if len(shown) < len(checks):
        ok = [check.name for check in checks if check.result == "ok"]
        console.print(Text(f"ok: {', '.join(ok)}", style="dim"))
    for check in checks:
        if check.result != "ok":
            _examples(check, most, console)
    problems = sum(check.result == "problem" for check in checks)
    verdict = (
        "verified: all that was checked holds"
        if good
        else f"NOT verified: {problems} {'check does' if problems == 1 else 'checks do'} not hold"
    )
    console.print(Text(verdict, style="bold green" if good else "bold red"))


def _examples(check: IntegrityCheck, most: int | None, console: Console) -> None:
    for text in check.examples[:most]:
        console.print(Text(f"{check.result}: {check.name}: {text}"), soft_wrap=True)
    if most is not None and len(check.examples) > most:
        console.print(Text(f"  and {len(check.examples) - most} more: --all shows them, --json too", style="dim"))

"""What a verb ends with in a terminal: the verdict, why, what to do, what may be wrong, and where the rest is.

At most 25 lines at 80 columns, but for a longer sentence; tables are for -v and for the report's files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.text import Text

from bench.record.schema import Finding

from .content import FIRST_TITLE, NOTHING, Answer, Headline, Point
from .terminal import STYLES, print_code

MOST_CAUSES, MOST_FIRST, MOST_ACTIONS, MOST_VERDICTS, MOST_ERRORS = 3, 1, 2, 8, 2
MOST_LINES = 25
# Code of the first action that is longer than this is left to -v and to the report.
MOST_CODE_LINES = 9


def print_brief(
    answer: Answer | None,
    headlines: Sequence[Headline],
    findings: Sequence[Finding],
    console: Console,
    rest: str,
    not_measured: Sequence[Headline] = (),
) -> None:
    """``headlines``: the verdicts, shown where there is no answer; ``not_measured``: shown beside one too. ``rest``:
    where everything else is."""
    if answer is None:
        _verdicts((*headlines, *not_measured), MOST_VERDICTS, console)
        if not headlines and not not_measured:
            console.print(Text(NOTHING))
    else:
        _answer(answer, console)
        _verdicts(not_measured, MOST_ERRORS, console)
    _findings(findings, console)
    console.print(Text(rest, style="dim"), soft_wrap=True)


def _verdicts(lines: Sequence[Headline], most: int, console: Console) -> None:
    for line in lines[:most]:
        console.print(Text(f"{line.verdict:<10}", style=STYLES.get(line.tone, "")) + Text(line.sentence))
    _more(len(lines) - most, "verdict", console)


def print_short(show: Callable[[Console], None], console: Console, rest: str) -> None:
    """What ``show`` prints; where that is too long, its first lines, how many more there are, and how to get them."""
    with console.capture() as captured:
        show(console)
    lines = captured.get().splitlines()
    shown = lines if len(lines) <= MOST_LINES else lines[: MOST_LINES - 1]
    for line in shown:
        console.print(Text.from_ansi(line), soft_wrap=True)
    if len(lines) > len(shown):
        console.print(Text(f"… and {len(lines) - len(shown)} more lines: {rest}", style="dim"))


def _answer(answer: Answer, console: Console) -> None:
    console.print(Text(answer.sentence, style=STYLES.get(answer.tone, "bold")))
    _points("Why", answer.causes, MOST_CAUSES, console)
    _points(FIRST_TITLE, answer.first, MOST_FIRST, console)
    _points("What to do", answer.actions, MOST_ACTIONS, console, coded=True)


def _points(title: str, points: Sequence[Point], most: int, console: Console, *, coded: bool = False) -> None:
    """The first points' titles; ``coded``: beneath the first of them its code."""
    if points:
        console.print(Text(title, style="bold"))
    for place, point in enumerate(points[:most], 1):
        console.print(Text(f" {place}. {point.title}.{'' if point.sure else ' Not sure.'}"))
        if coded and place == 1 and 0 < len(point.code.splitlines()) <= MOST_CODE_LINES:
            print_code(point.code, console)


def _findings(findings: Sequence[Finding], console: Console) -> None:
    errors = [finding for finding in findings if finding.severity == "error"]
    for finding in errors[:MOST_ERRORS]:
        console.print(Text("error", style="bold red") + Text(f": {finding.message}", style="default"))
    counts = Counter(finding.severity for finding in findings)
    if counts:
        told = ", ".join(
            f"{counts[name]} {name}{'s' * (counts[name] > 1)}" for name in ("error", "warning", "info") if counts[name]
        )
        console.print(
            Text(
                f"What may be wrong with it: {told}.", style="yellow" if counts["error"] + counts["warning"] else "dim"
            )
        )


def _more(left: int, what: str, console: Console) -> None:
    if left > 0:
        console.print(Text(f"… and {left} more {what}{'s' * (left > 1)}", style="dim"))

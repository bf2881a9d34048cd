"""What a verb ends with in a terminal: the verdict, why, what to do, what may be wrong, and where the rest is.

Tables are for -v and for the report's files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.text import Text

from bench.record.schema import Finding

from .content import FIRST_TITLE, NOTHING, Answer, Headline, Point
from .short import MOST_LINES, Passage, line, print_passages
from .terminal import STYLES, print_code, print_written
from .units import plural

MOST_CAUSES, MOST_FIRST, MOST_ACTIONS, MOST_VERDICTS, MOST_ERRORS = 3, 1, 2, 8, 2
# Code of the first action that is longer than this is left to -v and to the report.
MOST_CODE_LINES = 9
# Which goes first where not all has room: those of the first place and of the second.
_CAUSE, _ACTION = (2, 7), (1, 8)
_CODE, _ERROR, _NOT_MEASURED, _FIRST = 6, 3, 4, 5


def print_brief(
    answer: Answer | None,
    headlines: Sequence[Headline],
    findings: Sequence[Finding],
    console: Console,
    rest: str,
    not_measured: Sequence[Headline] = (),
    written: Sequence[Path] = (),
    before: Sequence[Passage] = (),
    most: int = MOST_LINES,
) -> None:
    """``headlines``: the verdicts, shown where there is no answer; ``not_measured``: shown beside one too. ``rest``:
    how everything else is had, in a sentence or by a command; ``written``: files to name; ``before``: what stands above
    it all; ``most``: so many lines."""
    if answer is None:
        parts = _verdicts((*headlines, *not_measured), MOST_VERDICTS) or [line(NOTHING)]
    else:
        parts = [*answer_passages(answer), *_verdicts(not_measured, MOST_ERRORS)]
    print_passages(
        [*before, *parts, *finding_passages(findings), Passage(partial(print_written, written))], console, rest, most
    )


def answer_passages(answer: Answer) -> list[Passage]:
    """The verdict, why, what to do."""
    return [
        line(answer.sentence, style=STYLES.get(answer.tone, "bold")),
        *_points("Why", answer.causes[:MOST_CAUSES], "cause", *_CAUSE),
        *_points(FIRST_TITLE, answer.first[:MOST_FIRST], "first generation", _FIRST, _FIRST),
        *_points("What to do", answer.actions[:MOST_ACTIONS], "remedy", *_ACTION, coded=True),
    ]


def finding_passages(findings: Sequence[Finding]) -> list[Passage]:
    """The errors, and how many of each kind there are."""
    errors = [finding for finding in findings if finding.severity == "error"]
    parts = [
        line(Text("error", style="bold red") + Text(f": {finding.message}", style="default"), _ERROR, "error")
        for finding in errors[:MOST_ERRORS]
    ]
    counts = Counter(finding.severity for finding in findings)
    if counts:
        told = ", ".join(plural(counts[name], name) for name in ("error", "warning", "info") if counts[name])
        style = "yellow" if counts["error"] + counts["warning"] else "dim"
        parts.append(line(f"What may be wrong with it: {told}.", style=style))
    return parts


def _verdicts(lines: Sequence[Headline], most: int) -> list[Passage]:
    parts = [
        line(
            Text(f"{each.verdict:<10}", style=STYLES.get(each.tone, "")) + Text(each.sentence),
            _NOT_MEASURED if place else 0,
            "verdict",
        )
        for place, each in enumerate(lines[:most])
    ]
    left = len(lines) - most
    return parts if left <= 0 else [*parts, line(f"… and {plural(left, 'more verdict')}", style="dim")]


def _points(
    title: str, points: Sequence[Point], name: str, first: int, second: int, *, coded: bool = False
) -> list[Passage]:
    """The first points' titles; ``coded``: beneath the first of them its code."""
    parts = []
    for place, point in enumerate(points, 1):
        shown = Text(f"{title}\n" if place == 1 else "", style="bold")
        shown += Text(f" {place}. {point.title}.{'' if point.sure else ' Not sure.'}", style="default")
        parts.append(line(shown, first if place == 1 else second + place - 2, name))
        if coded and place == 1 and 0 < len(point.code.splitlines()) <= MOST_CODE_LINES:
            parts.append(Passage(partial(print_code, point.code), _CODE, "code block"))
    return parts

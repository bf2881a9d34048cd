"""What a verb prints without -v: at most 25 lines. What does not fit is left out by rank, and named. Verbs that explain
end with the verdict, why, what to do, what may be wrong, and where the rest is: tables are for -v and for the report's
files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from bench.record.schema import Finding
from bench.record.suggested import broken, start

from .content import FIRST_TITLE, NOTHING, Answer, Headline, Point
from .terminal import STYLES, print_code, print_written
from .units import plural

MOST_LINES = 25
# How the whole is had, in the words of every verb.
SAME_WITH_V = "the same with -v"
MOST_CAUSES, MOST_FIRST, MOST_ACTIONS, MOST_VERDICTS, MOST_ERRORS = 3, 1, 2, 8, 2
# Code of the first action that is longer than this is left to -v and to the report.
MOST_CODE_LINES = 9
# Which goes first where not all has room: those of the first place and of the second.
_CAUSE, _ACTION = (2, 7), (1, 8)
_CODE, _ERROR, _NOT_MEASURED, _FIRST = 6, 3, 4, 5


@dataclass(frozen=True)
class Passage:
    """A few lines that belong together. ``rank``: 0 is always there, if not whole; of the others the highest is left
    out first. ``name``: what one such part is called then ("cause"), "" for one whose loss is not told."""

    show: Callable[[Console], None]
    rank: int = 0
    name: str = ""


def line(text: str | Text, rank: int = 0, name: str = "", *, style: str = "") -> Passage:
    """A part that is one text."""
    shown = text if isinstance(text, Text) else Text(text, style=style)
    return Passage(lambda console: console.print(shown), rank, name)


def print_parts(parts: Sequence[Passage], console: Console, rest: str, *, whole: bool) -> None:
    """Print all of the parts where the ``whole`` is asked for; else as ``print_passages``."""
    if not whole:
        print_passages(parts, console, rest)
        return
    for part in parts:
        part.show(console)


def print_passages(parts: Sequence[Passage], console: Console, rest: str, most: int = MOST_LINES) -> None:
    """Print the parts in their order. ``rest``: the last line, how the whole is had; ``most``: so many lines in all."""
    drawn = [_drawn(part.show, console) for part in parts]
    kept = list(range(len(parts)))
    while True:
        left = [part.name for place, part in enumerate(parts) if place not in kept and part.name]
        end = _drawn(partial(_print_end, left, rest), console)
        room = most - len(end)
        last = max(kept, key=lambda place: (parts[place].rank, place), default=None)
        if last is None or parts[last].rank == 0 or sum(len(drawn[place]) for place in kept) <= room:
            break
        kept.remove(last)
    _cut([drawn[place] for place in kept], room, console.width)
    for text in (*(text for place in kept for text in drawn[place]), *end):
        console.print(text, soft_wrap=True)


def _print_end(left: Sequence[str], rest: str, console: Console) -> None:
    if left:
        counts = ", ".join(plural(count, name) for name, count in Counter(left).items())
        console.print(Text(f"No room for {counts}.", style="dim"))
    if rest:
        print_rest(rest, console)


def print_rest(rest: str, console: Console) -> None:
    """How the whole is had: a sentence, or a command, which is told what it gives."""
    command = rest.startswith(" ".join(start()))
    text = f"All of it: {rest}" if command else rest
    if command and cell_len(text) > console.width:
        text = f"All of it:\n{broken(rest, console.width)}"
    console.print(Text(text, style="dim"), soft_wrap=command)


def _drawn(show: Callable[[Console], None], console: Console) -> list[Text]:
    with console.capture() as captured:
        show(console)
    lines = [Text.from_ansi(text) for text in captured.get().splitlines()]
    for text in lines:
        text.rstrip()
    return lines


def _cut(parts: Sequence[list[Text]], room: int, width: int) -> None:
    """Takes lines from the longest until all fit."""
    while sum(map(len, parts)) > room:
        longest = max(parts, key=len)
        if len(longest) < 2:
            return
        longest.pop()
        longest[-1].truncate(width - 2)
        longest[-1].append(" …")


def print_short(show: Callable[[Console], None], console: Console, rest: str) -> None:
    """What ``show`` prints; where that is too long, its first lines, how many more there are, and how to get them."""
    lines = _drawn(show, console)
    shown = lines if len(lines) <= MOST_LINES else lines[: MOST_LINES - 1]
    for text in shown:
        console.print(text, soft_wrap=True)
    if len(lines) > len(shown):
        console.print(Text(f"… and {len(lines) - len(shown)} more lines: {rest}", style="dim"))


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
        text = ", ".join(plural(counts[name], name) for name in ("error", "warning", "info") if counts[name])
        style = "yellow" if counts["error"] + counts["warning"] else "dim"
        parts.append(line(f"What may be wrong with it: {text}.", style=style))
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

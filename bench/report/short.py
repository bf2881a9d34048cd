"""What a verb prints without -v: at most 25 lines. What does not fit is left out by rank, and named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from bench.record.suggested import broken, start

from .units import plural

MOST_LINES = 25
# How the whole is had, in the words of every verb.
SAME_WITH_V = "the same with -v"


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
        told = ", ".join(plural(count, name) for name, count in Counter(left).items())
        console.print(Text(f"No room for {told}.", style="dim"))
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

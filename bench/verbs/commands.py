"""The next command that a report suggests: the user's own options again, as recorded with what was measured."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from bench.record.anonymous import ANONYMOUS
from bench.record.schema import Record
from bench.record.suggested import RECORDED, start
from bench.report.content import Commands

MORE = 5
_WIDE = 76
# Options that belong to the run that was, with how many words follow them.
_LEFT_OUT = {"--out": 1, "--repeats": 1, "--no-report": 0, "--debug": 0}
_ELSEWHERE = ("--resume", "--on", "--cancel")


def commands(
    folder: Path, records: Sequence[Record], preset: str | None = None, reference: str | None = None
) -> Commands:
    """For the run in ``folder``. ``preset``: the one that was planned, where the options left that to the program.
    ``reference``: what the reader compares with, where that was said now."""
    place = shown(folder)
    device = next((record.case.device for record in records if record.case.workload == "generation"), None)
    compared = ("--reference", reference) if reference else ()
    try_ = [*start(), "intervene", "--out", place, *(("--device", device) if device else ()), *compared]
    own = next((options for record in records if (options := own_options(record.argv)) is not None), None)
    if own is None:
        return Commands("", wrapped(try_))
    named = () if preset is None or "--preset" in own else ("--preset", preset)
    own = _words_less_option(own, "--reference") if reference else own
    repeats = max(MORE, 2 * (1 + max(record.repeat for record in records)))
    again = (*start(), "run", *named, *own, *compared, "--repeats", str(repeats), "--out", f"{place}-more")
    return Commands(wrapped(again), wrapped(try_))


def wrapped(words: Sequence[str]) -> str:
    """A command line for a shell, on as many lines as it needs to fit."""
    lines = [""]
    for word in map(shlex.quote, words):
        if lines[-1] and len(lines[-1]) + len(word) > _WIDE:
            lines.append("   ")
        lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return " \\\n".join(lines)


def shown(folder: Path) -> str:
    """The folder as one would type it here: relative where it lies below; of an anonymous run its name alone."""
    if (folder / ANONYMOUS).exists():
        return folder.resolve().name
    relative = os.path.relpath(folder)
    return str(folder) if relative.startswith("..") else relative


def own_options(argv: Sequence[str]) -> list[str] | None:
    """What a user asked ``bench run`` for, less what is about that one run; None for the words of anything else, and
    for those that only went on with a run or spread it over nodes."""
    words = list(_options_split(argv[len(RECORDED) :]))
    if words[:1] != ["run"] or set(_ELSEWHERE) & set(words):
        return None
    kept, skip = [], 0
    for word in words[1:]:
        if skip:
            skip -= 1
        elif word in _LEFT_OUT:
            skip = _LEFT_OUT[word]
        else:
            kept.append(word)
    return kept


def _words_less_option(words: Sequence[str], option: str) -> list[str]:
    """The words less an option and its value."""
    at = words.index(option) if option in words else len(words)
    return [*words[:at], *words[at + 2 :]]


def _options_split(words: Iterable[str]) -> Iterator[str]:
    """ "--name=value" as two words, and the names that matter here in full: a user may cut a name short."""
    for word in words:
        name, equals, value = word.partition("=")
        if not name.startswith("--"):
            yield word
            continue
        yield next((full for full in (*_LEFT_OUT, *_ELSEWHERE) if len(name) > 2 and full.startswith(name)), name)
        yield from (value,) if equals else ()

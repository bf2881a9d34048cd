"""What a report takes from a run's plan, and the next command that it suggests: the user's own options again, as
recorded with what was measured. A run without a plan is reported all the same."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import presets
from bench.record.anonymous import ANONYMOUS
from bench.record.chain import PLAN
from bench.record.errors import RecordError
from bench.record.integrity import omissions_in
from bench.record.schema import Finding, Record
from bench.record.suggested import RECORDED, quoted, start
from bench.record.typed import decode
from bench.report.content import Commands
from bench.run.planfile import read_planned
from bench.schemes import REFERENCE

_DAMAGED = (OSError, ValueError, KeyError, TypeError, AttributeError)
MORE = 5
UNFINISHED = "run-unfinished"
_WIDE = 76
# Options that belong to the run that was, with how many words follow them.
_LEFT_OUT = {"--out": 1, "--repeats": 1, "--no-report": 0, "--debug": 0}
_ELSEWHERE = ("--resume", "--on", "--cancel")


@dataclass(frozen=True)
class PlannedRun:
    """``preset``: its name, None where there is no plan. ``asked``: the coordinates of each setting, in the order in
    which the user and the preset name them (the blocks themselves are shuffled)."""

    reference: str = REFERENCE
    preset: str | None = None
    asked: tuple[Mapping[str, Any], ...] = ()


def plan_of(folder: Path) -> PlannedRun:
    """What the plan in ``folder`` says; of one that another version wrote, what can still be read. Raises RecordError
    for one that is damaged."""
    try:
        content = (folder / PLAN).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return PlannedRun()
    except OSError as error:
        raise RecordError(f"{folder / PLAN} cannot be read: {error}") from error
    try:
        document = decode(content)
        reference, name = document["preset"]["reference"], str(document["preset"]["name"])
        if not isinstance(reference, str):
            raise ValueError("the preset's reference is no name")
    except _DAMAGED as error:
        why = f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else error
        raise RecordError(f"{folder / PLAN} is damaged ({why}): restore the file, or remove it") from error
    try:
        models = [str(one["name"]) for one in (document["model"], *document.get("beside", ()))]
        return PlannedRun(
            reference, name, tuple(_generation_coordinates(presets.from_json(document["preset"]), models))
        )
    except _DAMAGED:
        return PlannedRun(reference, name)


def unfinished(folder: Path, records: Sequence[Record], called: Path | None = None) -> tuple[Finding, ...]:
    """A finding where planned Records are missing that were not left out on purpose; none where that cannot be told.
    ``called``: the folder as its reader knows it."""
    try:
        planned, left_out = read_planned(folder), omissions_in(folder)
    except RecordError:
        return ()
    wanted = set(planned.keys) if planned else set()
    missing = wanted - {record.key for record in records} - {key for entry in left_out for key in entry.records}
    if not missing:
        return ()
    message = f"this run is not finished: {len(missing)} of {len(wanted)} planned records are missing"
    remedy = f"finish it with {quoted('run --resume --out', shown(called or folder))}"
    return (Finding(UNFINISHED, "warning", message, remedy=remedy),)


def _generation_coordinates(preset: presets.Preset, models: Sequence[str]) -> list[Mapping[str, Any]]:
    return [
        {"model": model, "new_tokens": sweep.new_tokens, "batch_size": batch, "cache": cache, "stop": sweep.stop}
        | ({"prompt_tokens": length} if length else {})
        | ({"dropped_layers": dropped} if dropped else {})
        for sweep in preset.sweeps
        if sweep.timed
        for model in models
        for dropped in sweep.dropped_layers
        for batch in sweep.batch_sizes
        for cache in sweep.caches
        for length in sweep.prompt_lengths or (None,)
    ]


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

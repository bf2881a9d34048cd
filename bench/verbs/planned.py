"""What a report takes from a run's plan; a run without a plan is reported all the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import presets
from bench.record.chain import PLAN
from bench.record.errors import RecordError
from bench.record.typed import decode
from bench.schemes import REFERENCE

_DAMAGED = (OSError, ValueError, KeyError, TypeError, AttributeError)


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
        told = f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else error
        raise RecordError(f"{folder / PLAN} is damaged ({told}): restore the file, or remove it") from error
    try:
        models = [str(one["name"]) for one in (document["model"], *document.get("beside", ()))]
        return PlannedRun(
            reference, name, tuple(_generation_coordinates(presets.from_json(document["preset"]), models))
        )
    except _DAMAGED:
        return PlannedRun(reference, name)


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

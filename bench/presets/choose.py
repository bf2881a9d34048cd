"""Chooses a preset by its name, with what a user changes of it; and with variants of its schemes: an adapter beside the
weights and merged into them, or compiled steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bench import hooks
from bench.interventions.table import refuse_unknown
from bench.record.errors import UsageError
from bench.record.typed import typed
from bench.schemes import AS_SAVED, arm, family
from bench.schemes.variants import ADAPTER, COMPILE, MERGED, compiles, has_adapter, named, parts
from bench.workloads import pruning
from bench.workloads.prompts import AS_IS, STYLES

from .everyday import PEERS, QUICK, SMOKE, STUDIES
from .forms import LAST, EndToEnd, Preset, judged

PRESETS = {preset.name: preset for preset in (SMOKE, QUICK, PEERS, *STUDIES, *hooks.presets())}
# Compiling takes minutes before the first token.
_COMPILE_S = 1800.0
# The sweep of compiled arms.
COMPILED = "compiled"


def preset(name: str, changes: Mapping[str, Any] | None = None) -> Preset:
    """The preset of that name with the given changes to its own or its sweeps' fields; None means unchanged.

    Raises UsageError for an unknown preset or scheme, or a value out of range.
    """
    if name not in PRESETS:
        raise UsageError(f"unknown preset {name!r}: choose from {', '.join(PRESETS)}")
    return changed(PRESETS[name], changes or {})


def changed(chosen: Preset, changes: Mapping[str, Any]) -> Preset:
    """A preset with the given changes to its own or its sweeps' fields; None means unchanged.

    Raises UsageError for an unknown scheme, or a value out of range.
    """
    wanted = {key: value for key, value in changes.items() if value is not None}
    if "schemes" in wanted:
        chosen = _with_schemes(chosen, tuple(wanted.pop("schemes")))
    own = {key: value for key, value in wanted.items() if key in Preset.__dataclass_fields__}
    of_sweep = {key: value for key, value in wanted.items() if key in EndToEnd.__dataclass_fields__}
    tasks = of_sweep.pop("tasks", None)
    sweeps = [replace(sweep, **of_sweep) for sweep in chosen.sweeps if sweep.timed]
    if tasks != 0:
        given: dict[str, Any] = {key: of_sweep[key] for key in ("energy_seconds", "prompt_style") if key in of_sweep}
        given |= {} if tasks is None else {"tasks": tasks}
        sweeps += [replace(sweep, **given) for sweep in chosen.sweeps if not sweep.timed]
    chosen = replace(chosen, **own, sweeps=tuple(sweeps))
    _check(chosen)
    if "reference" in own and not any(chosen.reference in sweep.schemes for sweep in chosen.sweeps if sweep.timed):
        raise UsageError(f"the reference {chosen.reference!r} is not measured: name it among the schemes, too")
    return chosen


def for_layers(chosen: Preset, layers: int) -> Preset:
    """The preset with "last:N" of its dropped layers said as numbers, for a model of so many decoder layers.

    Raises UsageError for layers that the model has not. More of the last ones than it has are left out.
    """

    def numbered(text: str) -> str | None:
        if text.startswith(LAST):
            count = int(text.removeprefix(LAST))
            return pruning.last(count, layers) if count < layers else None
        dropped = pruning.parse(text)
        pruning.check(dropped, layers)
        return pruning.text(dropped)

    def of(sweep: EndToEnd) -> EndToEnd:
        named = [name for text in sweep.dropped_layers if (name := numbered(text)) is not None]
        return replace(sweep, dropped_layers=tuple(dict.fromkeys(named)))

    return replace(chosen, sweeps=tuple(of(sweep) for sweep in chosen.sweeps))


def _with_schemes(chosen: Preset, schemes: tuple[str, ...]) -> Preset:
    if not schemes:
        raise UsageError("nothing to measure: give at least one scheme")
    for name in schemes:
        arm(name)
    first = chosen.sweeps[0]
    widened = {name: (schemes, repeats) for name, (_, repeats) in first.observers.items()}
    plain = tuple(name for name in schemes if not parts(name)[1])
    quantised = tuple(name for name in plain if family(arm(name)).quantises)
    first = replace(
        first, schemes=schemes, observers=widened, tried_on=quantised if first.tries or first.tried_on else ()
    )
    sweeps = (first, *chosen.sweeps[1:])
    sweeps = tuple(sweep if sweep.timed else judged(sweep, _quality_schemes(sweep, schemes)) for sweep in sweeps)
    kept = tuple(replace(sweep, schemes=tuple(s for s in sweep.schemes if s in schemes)) for sweep in sweeps)
    matmul = plain if chosen.matmul_schemes else ()
    reference = chosen.reference if chosen.reference in schemes else schemes[0]
    return replace(chosen, sweeps=kept, matmul_schemes=matmul, reference=reference)


def _quality_schemes(sweep: EndToEnd, schemes: tuple[str, ...]) -> tuple[str, ...]:
    """The schemes for a quality sweep where a user chose some: all of them, but for pruning only the sweep's own."""
    schemes = tuple(name for name in schemes if not compiles(name))
    return schemes if sweep.dropped_layers == ("",) else tuple(name for name in sweep.schemes if name in schemes)


def _check(chosen: Preset) -> None:
    if not any(sweep.schemes for sweep in chosen.sweeps):
        raise UsageError("nothing to measure: give at least one scheme")
    for sweep in chosen.sweeps:
        least = {
            "batch size": (min(sweep.batch_sizes, default=0), 1),
            "new tokens": (sweep.new_tokens, 2),
            "calls": (sweep.calls, 1),
            "repeats": (sweep.repeats, 1),
            "prompt tokens": (min(sweep.prompt_lengths, default=sweep.prompt_tokens), 1),
            "warm-up calls": (sweep.warmup_calls, 0),
            "energy windows": (sweep.energy_windows, 1),
            "annotation pairs": (sweep.annotation_pairs, 0),
            "timeline steps": (sweep.timeline_steps, 0),
            "tasks": (0 if sweep.tasks is None else sweep.tasks, 0),
            "number of caches": (len(sweep.caches), 1),
        }
        for what, (value, at_least) in least.items():
            if value < at_least:
                raise UsageError(f"{what} must be larger: at least {at_least}")
        _check_seconds(energy_seconds=sweep.energy_seconds, limit_s=sweep.limit_s)
        _check_caches(sweep)
        refuse_unknown(sweep.tries)
        if sweep.prompt_style not in STYLES:
            raise UsageError(f"unknown prompt style {sweep.prompt_style!r}: choose from {', '.join(STYLES)}")
    if chosen.threads is not None and chosen.threads < 1:
        raise UsageError("--threads must be at least 1")
    if any(m < 1 for m in chosen.matmul_m) or chosen.max_copies < 1:
        raise UsageError("matmul rows (M) and copies must be at least 1")
    _check_seconds(matmul_seconds=chosen.matmul_seconds, relative_standard_error=chosen.relative_standard_error)


def _check_caches(sweep: EndToEnd) -> None:
    for cache in sweep.caches:
        if cache not in ("dynamic", "static"):
            raise UsageError(f"unknown cache {cache!r}: choose dynamic or static")
    compiled = next(filter(compiles, sweep.schemes), "")
    if compiled and sweep.caches != ("static",):
        raise UsageError(f"{compiled}: a step is compiled over a static cache only: add --caches static")


def _check_seconds(**values: float) -> None:
    for what, value in values.items():
        if not 0 < value < math.inf:
            raise UsageError(f"{what.replace('_', ' ')} must be more than 0, not {value:g}")


# What plans of earlier versions hold and nothing reads any more.
_RETIRED = ("warmup_tokens",)


def from_json(document: Any) -> Preset:
    """The preset in a run's plan. Raises ValueError where it is not one, or holds a value out of range."""
    found: Preset = typed(Preset, _of_today(document))
    try:
        _check(found)
    except UsageError as error:
        raise ValueError(str(error)) from error
    return found


def _of_today(document: Any) -> Any:
    """Plans of before name no prompt style, and their prompts were given as they are."""
    if not (isinstance(document, Mapping) and isinstance(document.get("sweeps"), list | tuple)):
        return document
    return {**document, "sweeps": [_sweep_of_today(sweep) for sweep in document["sweeps"]]}


def _sweep_of_today(document: Any) -> Any:
    if not isinstance(document, Mapping):
        return document
    given = {name: value for name, value in document.items() if name not in _RETIRED}
    return {"prompt_style": AS_IS, **given}


def varied_schemes(chosen: Preset) -> tuple[str, ...]:
    """The schemes that get a variant where nobody named any: the reference, and what remedies are tried on, or all
    where none are."""
    first = next(sweep for sweep in chosen.sweeps if sweep.timed)
    tried = [name for sweep in chosen.sweeps for name in sweep.tried_on] or first.schemes
    return tuple(dict.fromkeys((chosen.reference, *tried)))


def with_adapter(chosen: Preset) -> Preset:
    """Each scheme is followed by the arm with the adapter, and by the one that it was merged into. Pruning is left
    out."""
    sweeps = tuple(_adapted(sweep) for sweep in chosen.sweeps if sweep.timed or sweep.dropped_layers == ("",))
    return replace(chosen, sweeps=sweeps)


def _adapted(sweep: EndToEnd) -> EndToEnd:
    return replace(sweep.with_schemes(_with), tried_on=sweep.tried_on)


def _with(schemes: Sequence[str]) -> tuple[str, ...]:
    """Into a checkpoint that was saved quantised nothing can be merged."""
    return tuple(
        name
        for scheme in schemes
        for name in (scheme, named(scheme, ADAPTER), *([named(scheme, MERGED)] if scheme != AS_SAVED else []))
    )


def with_compiled(chosen: Preset, schemes: Sequence[str]) -> Preset:
    """A sweep more: ``schemes`` with a static cache, each also with its steps compiled."""
    first = next(sweep for sweep in chosen.sweeps if sweep.timed)
    both = tuple(name for scheme in schemes for name in (scheme, named(scheme, COMPILE)))
    compiled = replace(
        first, name=COMPILED, schemes=both, caches=("static",), observers={}, tries=(), tried_on=(), process="",
        limit_s=max(first.limit_s, _COMPILE_S),
    )  # fmt: skip
    return replace(chosen, sweeps=(*chosen.sweeps, compiled))


def without_variants(chosen: Preset) -> Preset:
    """The preset less what ``with_adapter`` and ``with_compiled`` add; as it is where nothing else is in it."""
    sweeps = tuple(sweep.with_schemes(_without) for sweep in chosen.sweeps if sweep.name != COMPILED)
    return replace(chosen, sweeps=sweeps) if any(sweep.schemes for sweep in sweeps) else chosen


def _without(schemes: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in schemes if not has_adapter(name))

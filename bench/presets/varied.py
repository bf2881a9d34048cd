"""A preset with variants of its schemes: an adapter beside the weights and merged into them, or compiled steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bench.schemes import AS_SAVED
from bench.schemes.variants import ADAPTER, COMPILE, MERGED, has_adapter, named

from .forms import EndToEnd, Preset

# Compiling takes minutes before the first token.
_COMPILE_S = 1800.0
# The sweep of compiled arms.
COMPILED = "compiled"


def core(chosen: Preset) -> tuple[str, ...]:
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


def plain(chosen: Preset) -> Preset:
    """The preset less what ``with_adapter`` and ``with_compiled`` add; as it is where nothing else is in it."""
    sweeps = tuple(sweep.with_schemes(_without) for sweep in chosen.sweeps if sweep.name != COMPILED)
    return replace(chosen, sweeps=sweeps) if any(sweep.schemes for sweep in sweeps) else chosen


def _without(schemes: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in schemes if not has_adapter(name))

"""What a sweep of batch sizes judges: whether 4-bit products fall off a cliff between two of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import pairwise

from ..grouping import Coordinates
from ..statistics import Estimate
from .evidence import Evidence, Found, not_tested

# Scheme → batch size → seconds of a step.
_Steps = dict[str, dict[int, Estimate]]
JUMP = 1.3


def cliff(e: Evidence) -> Found:
    """H10: a jump of the step's time between two batch sizes in a 4-bit scheme where the reference has none."""
    for steps in (_intervened(e), *_swept(e)):
        base = steps.get("fp16", {})
        four = {scheme: sizes for scheme, sizes in steps.items() if "4" in scheme and len(set(sizes) & set(base)) >= 3}
        if four:
            return _jumps(four, base)
    return not_tested("batch sizes were not swept: run 'python -m bench intervene --batch-sizes 2,4,6,8,16'")


def _intervened(e: Evidence) -> _Steps:
    """From the interventions that change the batch size."""
    steps: _Steps = {}
    for row in e.interventions:
        if row.name.startswith("batch-"):
            size = int(row.name.removeprefix("batch-"))
            steps.setdefault(row.scheme, {1: row.before})[size] = _times(row.after, size)
    return steps


def _swept(e: Evidence) -> Iterable[_Steps]:
    """From timed runs, for each setting that differs in nothing but the batch size."""
    found: dict[Coordinates, _Steps] = {}
    for group in e.generation:
        size = int(dict(group.setting).get("batch_size") or 1)
        steps = found.setdefault(tuple(item for item in group.setting if item[0] != "batch_size"), {})
        for row in group.rows:
            if row.time_per_token:
                steps.setdefault(row.scheme, {})[size] = _times(row.time_per_token, size)
    return found.values()


def _times(one: Estimate, factor: int) -> Estimate:
    low, high = (None if bound is None else bound * factor for bound in (one.low, one.high))
    return replace(one, value=one.value * factor, low=low, high=high)


def _jumps(four: _Steps, base: Mapping[int, Estimate]) -> Found:
    """Supported where the intervals leave no other reading than a jump; refuted where they allow none."""
    told: list[str] = []
    steps: list[bool | None] = []
    for scheme, sizes in four.items():
        ordered = sorted(set(sizes) & set(base))
        ratio = {size: sizes[size].value / base[size].value for size in ordered}
        told.append(f"{scheme} ÷ fp16, by batch: " + ", ".join(f"{size}: ×{ratio[size]:.2f}" for size in ordered))
        bounds = [_bounds(sizes[size], base[size]) for size in ordered]
        steps += [_apart_by(JUMP, *pair) for pair in pairwise(bounds)]
        if any(sizes[size].assumed or base[size].assumed for size in ordered):
            told.append(f"{scheme}: with few processes for each size, their spread is assumed")
    if any(steps):
        return Found("supported", tuple(told))
    return Found("ambiguous" if None in steps else "refuted", tuple(told))


_Bounds = tuple[float, float] | None


def _bounds(one: Estimate, other: Estimate) -> _Bounds:
    """Of their ratio, at its widest."""
    if one.low is None or one.high is None or not other.low or not other.high:
        return None
    return one.low / other.high, one.high / other.low


def _apart_by(factor: float, before: _Bounds, after: _Bounds) -> bool | None:
    """Whether ``after`` is more than ``factor`` times ``before``; None where the intervals allow both, or miss."""
    if before is None or after is None:
        return None
    return True if after[0] > factor * before[1] else False if after[1] <= factor * before[0] else None

"""What a sweep of batch sizes judges: whether 4-bit products fall off a cliff between two of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import pairwise

from bench.record.suggested import quoted

from ..grouping import Coordinates, reference_of
from ..statistics import Estimate
from .evidence import Evidence, Found, not_tested
from .rules import apart_by, bounds_of

# Scheme → batch size → seconds of a step.
_Steps = dict[str, dict[int, Estimate]]
JUMP = 1.3


def cliff(e: Evidence) -> Found:
    """H10: a jump of the step's time between two batch sizes in a 4-bit scheme where the reference has none."""
    for steps in (*_intervened(e), *_swept(e)):
        reference = reference_of(steps, e.reference)
        base = steps.get(reference or "", {})
        four = {
            scheme: sizes
            for scheme, sizes in steps.items()
            if "4" in scheme and scheme != reference and len(set(sizes) & set(base)) >= 3
        }
        if reference and four:
            return _jumps(four, base, reference)
    return not_tested(f"batch sizes were not swept: run {quoted('intervene --batch-sizes 2,4,6,8,16')}")


def _intervened(e: Evidence) -> Iterable[_Steps]:
    """From the interventions that change the batch size, for each setting of the unchanged arms."""
    found: dict[Coordinates, _Steps] = {}
    for row in e.interventions:
        if row.name.startswith("batch-"):
            own, size = int(dict(row.setting).get("batch_size") or 1), row.batch_size
            sizes = found.setdefault(row.setting, {}).setdefault(row.scheme, {own: _times(row.before, own)})
            sizes[size] = _times(row.after, size)
    return found.values()


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


def _jumps(four: _Steps, base: Mapping[int, Estimate], reference: str) -> Found:
    """Supported where the intervals leave no other reading than a jump; refuted where they allow none."""
    told: list[str] = []
    steps: list[bool | None] = []
    for scheme, sizes in four.items():
        ordered = sorted(set(sizes) & set(base))
        ratio = {size: sizes[size].value / base[size].value for size in ordered}
        told.append(
            f"{scheme} ÷ {reference}, by batch: " + ", ".join(f"{size}: ×{ratio[size]:.2f}" for size in ordered)
        )
        bounds = [bounds_of(sizes[size], base[size]) for size in ordered]
        steps += [apart_by(JUMP, *pair) for pair in pairwise(bounds)]
        if any(sizes[size].assumed or base[size].assumed for size in ordered):
            told.append(f"{scheme}: with few processes for each size, their spread is assumed")
    if any(steps):
        return Found("supported", tuple(told))
    return Found("ambiguous" if None in steps else "refuted", tuple(told))

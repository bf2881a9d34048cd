"""What the SM clock under load judges: whether a scheme ran at a lower one than the reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bench.record.schema import Record

from ..grouping import groups, pooled, reference_of
from ..statistics import Estimate
from ..statistics.pairing import ratio_between, taking
from ..statistics.several import faster_among
from .rules import Evidence, Found, Judgement, chance_of_seen, not_tested

# NVML's clock event reasons that slow a GPU down: power cap, hardware slowdown, thermal (nvml.h).
_SLOWING = 0x4 | 0x8 | 0x20 | 0x40 | 0x80
# A clock under this share of the reference's is lower by more than the margin.
_CLOCK, _LOWER = "gpu_clock_sm", 0.98


@dataclass(frozen=True)
class _Clocks:
    """A scheme beside the reference in one setting; Hz of each sample. ``ratio``: over the reference's, by process."""

    scheme: str
    reference: str
    own: tuple[float, ...]
    base: tuple[float, ...]
    slowed: int
    base_slowed: int
    ratio: Estimate

    @property
    def text(self) -> str:
        mhz, against = (float(np.mean(values)) * 1e-6 for values in (self.own, self.base))
        clocks = f"SM clock {mhz:.0f} MHz, {self.reference}'s {against:.0f} MHz"
        return f"{self.scheme}: {clocks}; {self.slowed} samples throttled, {self.base_slowed} of {self.reference}'s"

    def lower(self, sure: bool) -> bool:
        """``sure``: lower than the reference's, of all schemes together. Where processes are too few to show how they
        differ, only if every sample is lower and most of them were held back, none of the reference's."""
        if self.ratio.assumed:
            held = 2 * self.slowed >= len(self.own) and not self.base_slowed
            return held and max(self.own) < _LOWER * min(self.base)
        return sure and self.ratio.value < _LOWER and self.ratio.high is not None and self.ratio.high < 1.0

    @property
    def as_high(self) -> bool:
        """Nowhere lower by more than the margin."""
        surely = not self.ratio.assumed and self.ratio.low is not None and self.ratio.low >= _LOWER
        return surely or min(self.own) >= _LOWER * max(self.base)


def clocks(e: Evidence) -> Found:
    """H12: the SM clock under load, and how often something slowed it."""
    if not e.on_gpu:
        return not_tested("clocks, power and temperature are the GPU's")
    found = list(_clocks(e))
    if not found:
        return not_tested("clocks were not sampled for the reference and a scheme")
    evidence = tuple(one.text for one in found)
    together = faster_among([one.ratio for one in found])
    lower = any(one.lower(sure) for one, sure in zip(found, together, strict=True))
    verdict: Judgement = "supported" if lower else "refuted" if all(one.as_high for one in found) else "ambiguous"
    return Found(verdict, evidence, chance_of_seen([one.ratio.inverse() for one in found]))


def _clocks(e: Evidence) -> Iterator[_Clocks]:
    for group in groups(e.records, "energy"):
        having = {name: own for name, own in group.schemes.items() if pooled(own, _CLOCK)}
        reference = reference_of(having, e.reference) or ""
        base = having.pop(reference, ())
        for scheme, own in having.items():
            between = ratio_between(own, base, taking(_CLOCK))
            if between is not None:
                values = pooled(own, _CLOCK), pooled(base, _CLOCK)
                yield _Clocks(scheme, reference, *values, _slowed(own), _slowed(base), between)


def _slowed(records: Sequence[Record]) -> int:
    return sum(int(mask) & _SLOWING != 0 for mask in pooled(records, "gpu_throttle_reasons"))

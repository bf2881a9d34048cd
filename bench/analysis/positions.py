"""Whether a decode step takes longer the more tokens stand before it: a call's last quarter of steps over its first.

Both quarters are of one call, so that what differs between calls and processes cancels. Only calls without a step at a
new key-value length say where each of their steps was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bench.record.schema import Record

from .grouping import Coordinates, groups
from .statistics import Estimate
from .statistics.pairing import estimate_of

# Of fewer steps the quarters lie too near each other to show anything.
LEAST_STEPS = 64


@dataclass(frozen=True)
class PositionRow:
    """One scheme in one setting. ``tokens``: before the first and the last step; ``first``, ``last``: the median step
    of each quarter, s; ``growth``: last over first, call by call."""

    setting: Coordinates
    scheme: str
    tokens: tuple[int, int]
    first: Estimate
    last: Estimate
    growth: Estimate


def step_positions(records: Sequence[Record]) -> tuple[PositionRow, ...]:
    """Every scheme of every setting whose calls are long enough."""
    found = []
    for group in groups(records, "generation"):
        for scheme, own in group.schemes.items():
            estimates = [estimate_of(own, take) for take in (_firsts, _lasts, _growths)]
            first, last, growth = estimates
            if first and last and growth:
                found.append(PositionRow(group.setting, scheme, _ends(own), first, last, growth))
    return tuple(found)


def _ends(records: Sequence[Record]) -> tuple[int, int]:
    calls = [(start, start + len(steps) - 1) for record in records for start, steps in _calls(record)]
    return min(first for first, _ in calls), max(last for _, last in calls)


def _calls(record: Record) -> Iterator[tuple[int, Sequence[float]]]:
    """(tokens before its first decode step, s of each step) of every call whose steps all are there."""
    steps = record.values("inter_token_latency")
    counts = [int(count) for count in record.values("decode_steps")]
    prompts = record.values("prompt_length")
    if sum(counts) != len(steps) or len(prompts) != len(counts):
        return
    place = 0
    for count, prompt in zip(counts, prompts, strict=True):
        if count == (record.case.new_tokens or 0) - 1 and count >= LEAST_STEPS:
            yield int(prompt) + 1, steps[place : place + count]
        place += count


def _quarters(record: Record) -> list[tuple[float, float]]:
    """(first, last) of every call."""
    return [
        (float(np.median(steps[: len(steps) // 4])), float(np.median(steps[-(len(steps) // 4) :])))
        for _, steps in _calls(record)
    ]


def _firsts(record: Record) -> list[float]:
    return [first for first, _ in _quarters(record)]


def _lasts(record: Record) -> list[float]:
    return [last for _, last in _quarters(record)]


def _growths(record: Record) -> list[float]:
    return [last / first for first, last in _quarters(record) if first > 0]

"""Sizes in the names of steps: which numbers are a batch or a length, which count steps, which count parts of a step.

Serving engines write all three into the names of their ranges (``execute_32_context_0(sq0sk0)…``, ``ProfilerStep#7``,
``layers.3``). Steps of unlike sizes are not one thing, neither in one trace nor in two.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.record.codes import distinct
from bench.record.timeline import Timeline

Rows = NDArray[np.int64]
_NUMBER = re.compile(r"\d+")
_NUMBER_OR_STAR = re.compile(r"\d+|\*")
# So many steps of a size must be in both traces to be set against each other.
_LEAST = 3
# Two sizes may take turns; what counts up to three or more again and again does not size anything.
_PARTS = 3
_DIGITS = 18  # of a number that fits into 64 bits


@dataclass(frozen=True, eq=False)
class SizeGroup:
    """Steps of one size. ``label``: a name or pattern that finds them; ``rows`` of Timeline.ranges, by start;
    ``total``: ns that they cover."""

    label: str
    rows: Rows
    total: int


def template(name: str) -> str:
    """What names that differ in numbers only have in common."""
    return _NUMBER.sub("#", name)


def pattern_of(names: Sequence[str]) -> str:
    """Names that differ in numbers only, as one pattern: stars where they differ."""
    texts, numbers = _NUMBER.split(names[0]), [_NUMBER.findall(name) for name in names]
    told = [values[0] if len(set(values)) == 1 else "*" for values in zip(*numbers, strict=True)]
    return texts[0] + "".join(number + text for number, text in zip(told, texts[1:], strict=True))


def names_of(timeline: Timeline, rows: Rows) -> list[str]:
    """The different names of some ranges."""
    return [timeline.strings[name] for name in distinct(timeline.ranges.name[rows]).tolist()]


def by_size(timeline: Timeline, rows: Rows) -> list[SizeGroup]:
    """The steps (``rows`` by start) in groups of equal sizes, the group with the largest total time first."""
    numbers = [_NUMBER.findall(name) for name in _names(timeline, rows)]
    same = len({len(values) for values in numbers}) == 1
    sizes = [column for column in zip(*numbers, strict=True) if not _counts(column)] if same else []
    places: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for place, key in enumerate(zip(*sizes, strict=True) if sizes else [()] * len(rows)):
        places[key].append(place)
    length = timeline.ranges.end - timeline.ranges.start
    groups = [
        SizeGroup(_pattern(names_of(timeline, mine)), mine, int(length[mine].sum()))
        for mine in (rows[found] for found in places.values())
    ]
    return sorted(groups, key=lambda group: -group.total)


def _names(timeline: Timeline, rows: Rows) -> list[str]:
    return [timeline.strings[name] for name in timeline.ranges.name[rows].tolist()]


def _pattern(names: Sequence[str]) -> str:
    """As ``pattern_of``; the first name where they differ in more than numbers."""
    return pattern_of(names) if len({template(name) for name in names}) == 1 else names[0]


def _counts(values: Sequence[str]) -> bool:
    """Whether a number in the name is a counter (of steps, or of tokens so far) and no size: it changes all the time.
    One that takes few values, each of them often, is a size."""
    seen = Counter(values)
    return len(seen) > 2 and 2 * len(seen) >= len(values)


def are_parts(timeline: Timeline, rows: Rows) -> bool:
    """Whether the names count up and start again, as layers do: then each range (``rows`` by start) is a part of a
    step, and no size of one."""
    numbers = [_NUMBER.findall(name) for name in _names(timeline, rows)]
    if len({len(values) for values in numbers}) != 1:
        return False
    varying = [column for column in zip(*numbers, strict=True) if len(set(column)) > 1]
    if len(varying) != 1 or len(set(varying[0])) < _PARTS or max(map(len, varying[0])) > _DIGITS:
        return False
    values = np.array([int(value) for value in varying[0]], np.int64)
    steps, back = np.diff(values), int(values.min() - values.max())
    return bool((steps == back).any() and ((steps == 1) | (steps == back)).all())


def same_size(one: str, other: str) -> bool:
    """Whether two names or patterns agree in all numbers that are not stars in either."""
    if _NUMBER_OR_STAR.sub("#", one) != _NUMBER_OR_STAR.sub("#", other):
        return False
    pairs = zip(_NUMBER_OR_STAR.findall(one), _NUMBER_OR_STAR.findall(other), strict=True)
    return all(mine == theirs or "*" in (mine, theirs) for mine, theirs in pairs)


def common_size(one: Sequence[SizeGroup], other: Sequence[SizeGroup]) -> tuple[str, str] | None:
    """The labels of the size that most of the time of both is of; None where no size has enough steps in both, or
    where the first groups are of one size already."""
    if not one or not other or same_size(one[0].label, other[0].label):
        return None
    pairs = [
        (min(mine.total, theirs.total), mine.label, theirs.label)
        for mine in one
        for theirs in other
        if min(len(mine.rows), len(theirs.rows)) >= _LEAST and same_size(mine.label, theirs.label)
    ]
    best = max(pairs, default=None)
    return best[1:] if best is not None else None

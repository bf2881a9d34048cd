"""How much of a trace's work has operators and ranges around its launch: what the table of classes knows it by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .gpu import Work

# A trace has operators, or ranges, where so much of its work lies in some; and lacks them where less does.
_HAS, _LACKS = 0.3, 0.1


def parts_around(work: Work) -> tuple[float, float]:
    """The parts of the work that have an operator, and a range beside the step's, around their launch."""
    counts = np.bincount(work.kind, minlength=len(work.kinds))
    total = max(int(counts.sum()), 1)
    operators = sum(n for n, each in zip(counts.tolist(), work.kinds, strict=True) if each.operators)
    ranges = sum(n for n, each in zip(counts.tolist(), work.kinds, strict=True) if each.ranges)
    return operators / total, ranges / total


def known_in_one(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether much of the work of one of two traces has what hardly any of the other's has."""
    return any(max(both) >= _HAS and min(both) < _LACKS for both in zip(one, other, strict=True))

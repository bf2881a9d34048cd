"""Whether the steps of two traces hold as much of the model: a range around a whole call of generate holds many passes.

Kernels that both traces have, norms or the choice of a token, run as often in a step of the one as of the other,
whatever the weights are. Where most of them run so many times more often, a step of that trace is another thing.
"""

from __future__ import annotations

from statistics import median

import numpy as np

from bench.record.codes import encode

from ..ledger.costs import step_rows
from ..ledger.gpu import AskedWork, step_windows
from ..timeline import Analysis
from ..timeline.intervals import Cover

# So many kernels must be in both, this share of them must agree, and that is agreement.
_LEAST_NAMES, _MOST, _AGREE = 3, 0.6, 0.15
_UNLIKE = 1.5


def passes(reference: Analysis, candidate: Analysis, steps: tuple[str, str]) -> float | None:
    """How many times as often the kernels of both run in a step of the candidate; None where that is about once, or
    where too few are in both or agree. Raises RecordError where there are no such steps."""
    one, other = (_counts(*each) for each in zip((reference, candidate), steps, strict=True))
    ratios = [other[name] / one[name] for name in one if name in other]
    if len(ratios) < _LEAST_NAMES:
        return None
    usual = float(median(ratios))
    agreeing = sum(abs(ratio / usual - 1.0) <= _AGREE for ratio in ratios)
    if agreeing < _MOST * len(ratios) or 1 / _UNLIKE < usual < _UNLIKE:
        return None
    return usual


def _counts(analysis: Analysis, step_range: str) -> dict[str, float]:
    """Kernels per step by name."""
    timeline = analysis.timeline
    start, end = step_windows(timeline, step_rows(timeline, step_range), AskedWork.of(analysis))
    inside = timeline.kernels.where(Cover.union(start, end).holds(timeline.kernels.start))
    names, place = encode(inside.name)
    counts = np.bincount(place, minlength=len(names)) / len(start)
    return {timeline.strings[name]: count for name, count in zip(names.tolist(), counts.tolist(), strict=True)}

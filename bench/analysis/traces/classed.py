"""Kernels of one name that are in different lines of two traces.

Some are known by the operator or the range around their launch alone. A trace without these (of nsys, of CUDA graphs,
or recorded without the CPU's activities) puts them elsewhere, and the difference of two lines is no difference of work.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from bench.record import causes as c
from bench.record.schema import Finding

from ..ledger.classes import classes_of
from ..ledger.gpu import work_of
from ..timeline import Analysis

# Less of the GPU's work than this is not worth a word.
_LEAST = 0.02
_NAMED, _LETTERS = 3, 60
# A trace has operators, or ranges, where so much of its work lies in some; and lacks them where less does.
_HAS, _LACKS = 0.3, 0.1
CLASSED = "classed-apart"


def classed_apart(analyses: Sequence[Analysis], steps: Sequence[str]) -> list[Finding]:
    """A finding where much of the work of both is in other lines of the one than of the other."""
    if not all(analysis.devices for analysis in analyses):
        return []
    if not _known_in_one(*(_around(*each) for each in zip(analyses, steps, strict=True))):
        return []
    one, other = (_lines(*each) for each in zip(analyses, steps, strict=True))
    total = min(sum(ns for _, ns in lines.values()) for lines in (one, other))
    apart = [name for name in one if name in other and one[name][0] != other[name][0]]
    apart.sort(key=lambda name: -max(one[name][1], other[name][1]))
    share = sum(max(one[name][1], other[name][1]) for name in apart) / max(total, 1)
    if share <= _LEAST:
        return []
    told = "; ".join(
        f"{name[:_LETTERS]}: {c.LABELS[one[name][0]]} and {c.LABELS[other[name][0]]}" for name in apart[:_NAMED]
    )
    message = f"kernels of the same name, {min(share, 1.0):.0%} of the work, are in different lines of the two: {told}"
    evidence = "in one of the traces no operators or ranges lie around their launches, by which they are known"
    remedy = "record both alike (CPU and CUDA activities, eager or graphs), or name their line in --classes FILE"
    return [Finding(CLASSED, "warning", message, evidence, remedy)]


def _around(analysis: Analysis, step_range: str) -> tuple[float, float]:
    """The parts of the launched work that have an operator, and a range beside the step's, around their launch."""
    work = work_of(analysis, step_range)
    counts = np.bincount(work.kind, minlength=len(work.kinds))
    total = max(int(counts.sum()), 1)
    operators = sum(n for n, each in zip(counts.tolist(), work.kinds, strict=True) if each.operators)
    ranges = sum(n for n, each in zip(counts.tolist(), work.kinds, strict=True) if each.ranges)
    return operators / total, ranges / total


def _known_in_one(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return any(max(both) >= _HAS and min(both) < _LACKS for both in zip(one, other, strict=True))


def _lines(analysis: Analysis, step_range: str) -> dict[str, tuple[str, float]]:
    """Name → (the line that most of it is in, ns of it), of all launched work of a trace."""
    work, classes = work_of(analysis, step_range), classes_of(analysis, None)
    lengths = np.bincount(work.kind, weights=work.end - work.start, minlength=len(work.kinds))
    found: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for launched, ns in zip(work.kinds, lengths.tolist(), strict=True):
        if launched.name is not None:
            found[launched.name][launched.cause(classes)] += ns
    return {name: (max(causes, key=lambda each: causes[each]), sum(causes.values())) for name, causes in found.items()}

"""Kernels of one name that are in different lines of two traces.

Some are known by the operator or the range around their launch alone. A trace without these (of nsys, of CUDA graphs,
or recorded without the CPU's activities) puts them elsewhere, and the difference of two lines is no difference of work.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.record import causes as c
from bench.record.schema import Finding

from ..ledger.around import known_in_one, parts_around
from ..ledger.classes import classes_of
from ..ledger.gpu import work_of
from ..timeline import Analysis

# Less of the GPU's work than this is not worth a word.
_LEAST_WORK = 0.02
_NAMED, _LETTERS = 3, 60
CLASSED = "classed-apart"


@dataclass(frozen=True)
class ClassedApart:
    """``shares``: line → the part of the GPU's work that is in it in one trace only, though both do it. ``findings``:
    where that is worth a word."""

    shares: Mapping[str, float] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


def classed_apart(analyses: Sequence[Analysis], steps: Sequence[str]) -> ClassedApart:
    """What of the work of both is in other lines of the one than of the other."""
    if not all(analysis.devices for analysis in analyses):
        return ClassedApart()
    if not known_in_one(*(parts_around(work_of(*each)) for each in zip(analyses, steps, strict=True))):
        return ClassedApart()
    one, other = (_lines_of(*each) for each in zip(analyses, steps, strict=True))
    total = max(min(sum(sum(lines.values()) for lines in each.values()) for each in (one, other)), 1.0)
    names = [name for name in one if name in other]
    moved = {name: _moved(one[name], other[name]) for name in names}
    shares: dict[str, float] = defaultdict(float)
    for lines in moved.values():
        for line, ns in lines.items():
            shares[line] += abs(ns) / total
    apart = {name: sum(map(abs, lines.values())) / 2 / total for name, lines in moved.items()}
    share = sum(apart.values())
    if share <= _LEAST_WORK:
        return ClassedApart(dict(shares))
    ranked = sorted((name for name in names if apart[name]), key=lambda name: -apart[name])
    told = "; ".join(f"{name[:_LETTERS]}: {_said(moved[name])}" for name in ranked[:_NAMED])
    message = f"kernels of the same name, {min(share, 1.0):.0%} of the work, are in different lines of the two: {told}"
    evidence = "in one of the traces no operators or ranges lie around their launches, by which they are known"
    remedy = "record both alike (CPU and CUDA activities, eager or graphs), or name their line in --classes FILE"
    return ClassedApart(dict(shares), (Finding(CLASSED, "warning", message, evidence, remedy),))


def _lines_of(analysis: Analysis, step_range: str) -> dict[str, dict[str, float]]:
    """Name → line → ns of it, of all launched work of a trace."""
    work, classes = work_of(analysis, step_range), classes_of(analysis, None)
    lengths = np.bincount(work.kind, weights=work.end - work.start, minlength=len(work.kinds))
    found: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for launched, ns in zip(work.kinds, lengths.tolist(), strict=True):
        if launched.name is not None:
            found[launched.name][launched.cause(classes)] += ns
    return found


def _moved(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    """Line → ns of one name that are more in it (less: under 0) in the one trace than in the other. Some of a name may
    be known by the range around it, as products of the output layer."""
    totals = [sum(lines.values()) or 1.0 for lines in (one, other)]
    size = max(totals)
    parts = {line: one.get(line, 0.0) / totals[0] - other.get(line, 0.0) / totals[1] for line in (*one, *other)}
    return {line: part * size for line, part in parts.items() if abs(part) > 1e-9}


def _said(moved: Mapping[str, float]) -> str:
    """The line that more of a name is in in the one trace, and that of the other."""
    ranked = sorted(moved, key=lambda line: -moved[line])
    return f"{c.LABELS[ranked[0]]} and {c.LABELS[ranked[-1]]}"

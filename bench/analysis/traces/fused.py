"""Kernels that quantise what they have just made: a norm or an activation that writes int8 or fp8 for the next product.

Without quantising they would run too, and move nearly as much, so they are norms and elementwise work. What quantising
adds inside them no trace tells; where one of two has them, that is said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from bench.record import causes as c
from bench.record.schema import Finding

from ..ledger.classes import classes_of
from ..ledger.gpu import work_of
from ..timeline import Analysis

_QUANTISES = re.compile(r"(?i)^(?!.*(de|no)quant).*(quant|cvt_fp16_to_fp4)|^triton_(red|per)_\w*rsqrt\w*_(round|clamp)")
# Less of the work than this is not worth a word.
_LEAST = 0.02
_NAMED, _LETTERS = 2, 60
FUSED = "fused-quantise"


def quantised_in_passing(analyses: Sequence[Analysis], steps: Sequence[str]) -> list[Finding]:
    """A finding where such kernels do much more of the work of one trace than of the other. Raises RecordError where
    there are no such steps."""
    shares = [_shares(*each) for each in zip(analyses, steps, strict=True)]
    totals = [sum(each.values()) for each in shares]
    if abs(totals[0] - totals[1]) <= _LEAST:
        return []
    place = int(totals[1] > totals[0])
    names = sorted(shares[place], key=lambda name: -shares[place][name])[:_NAMED]
    message = (
        f"kernels that also quantise are in norms and elementwise work: {totals[place]:.0%} of the GPU's work of the "
        f"{('reference', 'candidate')[place]}, {totals[1 - place]:.0%} of the other's"
    )
    evidence = "; ".join(name[:_LETTERS] for name in names)
    remedy = "what quantising takes inside them cannot be told; --classes FILE puts them in another line"
    return [Finding(FUSED, "info", message, evidence, remedy)]


def _shares(analysis: Analysis, step_range: str) -> dict[str, float]:
    """Name of such a kernel → its share of the work of a trace."""
    work, classes = work_of(analysis, step_range), classes_of(analysis)
    lengths = np.bincount(work.kind, weights=work.end - work.start, minlength=len(work.kinds))
    found: dict[str, float] = {}
    for launched, ns in zip(work.kinds, lengths.tolist(), strict=True):
        if launched.name is not None and _QUANTISES.search(launched.name) and launched.cause(classes) == c.NORM:
            found[launched.name] = found.get(launched.name, 0.0) + ns / lengths.sum()
    return found

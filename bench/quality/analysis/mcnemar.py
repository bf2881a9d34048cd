"""Do two arms pass different tasks? The exact test on paired outcomes."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bench.analysis.statistics.several import small_among

LEVEL = 0.05


@dataclass(frozen=True)
class McNemar:
    """``lost``: tasks that the reference passed and the arm did not (b); ``won``: the other way round (c)."""

    lost: int
    won: int
    p: float
    verdict: Literal["differs", "cannot tell"]


def exact_p(b: int, c: int) -> float:
    """Two-sided p of b against c discordant pairs: min(1, 2·P(X ≤ min(b, c))), X binomial of b + c trials at 1/2.

    McNemar 1947 (Psychometrika 12) with the binomial in place of χ², because discordant tasks are few. 1 where no
    pair is discordant. Computed in whole numbers, so that it is exact up to the last rounding.
    """
    n = b + c
    tail = sum(math.comb(n, i) for i in range(min(b, c) + 1))
    # Never 0, which no p is: many hundred pairs that all go one way are beyond what a float can tell.
    return min(1.0, max(2 * tail / (1 << n), sys.float_info.min))


def mcnemar(reference: Mapping[str, bool], arm: Mapping[str, bool]) -> McNemar | None:
    """The test on the tasks that both have; None where there is none. Of one arm by itself: see ``together``."""
    common = [task for task in reference if task in arm]
    if not common:
        return None
    lost = sum(reference[task] and not arm[task] for task in common)
    won = sum(arm[task] and not reference[task] for task in common)
    p = exact_p(lost, won)
    return McNemar(lost, won, p, "differs" if p < LEVEL else "cannot tell")


def together(tests: Sequence[McNemar]) -> tuple[McNemar, ...]:
    """With the verdicts of all arms beside one reference: of eight without a difference one "differs" by chance in a
    quarter of runs, each by itself."""
    sure = small_among([test.p for test in tests])
    return tuple(
        replace(test, verdict="differs" if test.verdict == "differs" and one else "cannot tell")
        for test, one in zip(tests, sure, strict=True)
    )

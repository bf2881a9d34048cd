"""FASTER, SLOWER, SAME or AMBIGUOUS: what an interval allows one to say."""

from __future__ import annotations

from typing import Literal

from ..statistics import Estimate

Verdict = Literal["FASTER", "SLOWER", "SAME", "AMBIGUOUS"]
MARGIN = 0.02


def verdict(time_ratio: Estimate, margin: float = MARGIN) -> Verdict:
    """What the interval of a ratio of times allows one to say.

    SAME: wholly within [1/(1 + margin), 1 + margin], the two one-sided tests of equivalence (Schuirmann 1987,
    J. Pharmacokinet. Biopharm. 15). FASTER or SLOWER: 1 is excluded. Else AMBIGUOUS: neither is shown. The margin
    is symmetric on the logarithm, so that exchanging the arms exchanges FASTER and SLOWER and nothing else.
    """
    low, high = time_ratio.low, time_ratio.high
    if low is None or high is None:
        return "AMBIGUOUS"
    if low >= 1.0 / (1.0 + margin) and high <= 1.0 + margin:
        return "SAME"
    if low > 1.0:
        return "SLOWER"
    return "FASTER" if high < 1.0 else "AMBIGUOUS"

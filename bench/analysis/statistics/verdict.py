"""FASTER, SLOWER, SAME or AMBIGUOUS: what an interval allows one to say; and how many processes would tell, where a run
cannot: an estimate, from how the processes that it had differ."""

from __future__ import annotations

import math
from typing import Literal

from ..statistics import Estimate
from .student import t_quantile

Verdict = Literal["FASTER", "SLOWER", "SAME", "AMBIGUOUS"]
MARGIN = 0.02
# The share of such runs that then can tell.
_POWER = 0.8
# More than anyone would measure.
MOST = 50


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


def processes_needed(ratio: Estimate) -> int | None:
    """Of each arm, for a verdict in four of five such runs, if the ratio is what it seems to be and processes go on to
    differ as they did: SLOWER or FASTER where it is far enough from 1, else SAME. MOST + 1 where more than MOST would
    be; None where the run does not show how processes differ, or arms were measured in pairs."""
    if ratio.assumed or ratio.basis != "between processes" or not ratio.low or not ratio.high or not ratio.freedom:
        return None
    error = 0.5 * math.log(ratio.high / ratio.low) / t_quantile(0.975, ratio.freedom)
    each = error * math.sqrt(0.5 * ratio.repeats)  # of one process, both arms alike
    away = abs(math.log(ratio.value))
    apart = max(away, math.log1p(MARGIN) - away)
    enough = (n for n in range(ratio.repeats + 1, MOST + 1) if _reach(n) * each * math.sqrt(2.0 / n) < apart)
    return next(enough, MOST + 1)


def _reach(processes: int) -> float:
    freedom = 2.0 * (processes - 1)
    return t_quantile(0.975, freedom) + t_quantile(_POWER, freedom)

"""Which values stand apart from the others: the modified z-score.

z = 0.6745·(x − median) / MAD (Iglewicz & Hoaglin 1993, "How to detect and handle outliers", ASQC Basic References in
Quality Control 16). Median and MAD, because one far value moves a mean and a standard deviation so much that it hides
itself. Where more than half of the values are equal the MAD is 0; then the mean absolute deviation stands in for it.

Their limit of 3.5 is for one value among some dozen: of three values, of which two may lie near each other by chance,
one is beyond it in 29 % of all draws, of five in 21 %, of 500 in 24 %. So the limit is that of the farthest of so many
alike values, which in 5 % of all draws of normal ones is beyond it. Few values then must be very clear.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

# Where more than half of the values are equal, as whole degrees are: theirs, since the others do not differ by chance.
_EQUAL = 3.5
# Of all draws of so many alike values, the share in which one is called far.
LEVEL = 0.05
# Number of values → |z| of the farthest that LEVEL of all draws exceed; an odd and an even number differ, because the
# median is a value or lies between two. Simulated; tests/cluster/test_outlying.py draws them again.
_FARTHEST = (
    {4: 6.91, 6: 5.54, 8: 4.93, 10: 4.58, 12: 4.36, 14: 4.23, 20: 3.99, 30: 3.84, 50: 3.75, 100: 3.74, 200: 3.82},
    {3: 21.95, 5: 7.96, 7: 5.83, 9: 5.07, 11: 4.68, 13: 4.43, 15: 4.27, 21: 4.02, 31: 3.86, 51: 3.76, 101: 3.74},
)
# Of two values neither is the odd one out.
LEAST = 3
_MAD_TO_SD = 0.6745
_MEAN_TO_SD = 0.797885


def limit(count: int) -> float:
    """The |z| beyond which a value stands apart from the others, of ``count`` values in all (at least LEAST)."""
    known = _FARTHEST[count % 2]
    if count <= max(known):
        return float(np.interp(count, list(known), list(known.values())))
    # Of very many the farthest of normal ones, by its own probability; the median and MAD of many add little to that.
    return NormalDist().inv_cdf(1.0 - 0.5 * LEVEL / count) * (1.0 + 10.0 / count)


def far(values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each value stands apart from the others, in order; none of fewer than LEAST does."""
    data = np.asarray(values, dtype=np.float64)
    if data.size < LEAST:
        return np.zeros(data.size, np.bool_)
    equal = float(np.median(np.abs(data - np.median(data)))) == 0.0
    return np.asarray(np.abs(modified_z(data)) > (_EQUAL if equal else limit(data.size)))


def modified_z(values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """The modified z-score of each value, in order; all 0 where the values are equal."""
    data = np.asarray(values, dtype=np.float64)
    if not data.size:
        return data
    apart = data - np.median(data)
    distances = np.abs(apart)
    spread = float(np.median(distances)) / _MAD_TO_SD
    if spread == 0.0:
        spread = float(distances.mean()) / _MEAN_TO_SD
    return apart / spread if spread > 0.0 else np.zeros_like(data)

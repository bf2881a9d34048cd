"""Which values stand apart from the others: the modified z-score.

z = 0.6745·(x − median) / MAD, and beyond ± 3.5 a value is an outlier (Iglewicz & Hoaglin 1993, "How to detect and
handle outliers", ASQC Basic References in Quality Control 16). Median and MAD, because one far value moves
a mean and a standard deviation so much that it hides itself. Where more than half of the values are equal the MAD is 0;
then the mean absolute deviation stands in for it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LIMIT = 3.5
# Of two values neither is the odd one out.
LEAST = 3
_MAD_TO_SD = 0.6745
_MEAN_TO_SD = 0.797885


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

"""How much another process would differ, where one recording per arm cannot show it: assumed, and always called so.

A fresh process of the same code on the same machine draws another memory layout, other clocks and other neighbours, so
two recordings without any difference differ. With one process of each arm that spread cannot be seen. It is taken for
one factor on all of the host's work and another on all of the GPU's, each with a relative standard deviation that is
assumed, and carried into a figure by what the figure does when a recording's host, or GPU, is that much slower.

ASSUMED.host is that of the verdicts. ASSUMED.gpu is generous: over the eight processes of the committed H100 run the
kernels of the output layer, the same in all arms, differ by 0.3 % (tests/analysis/test_spread.py), but clocks of
another day are not in that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Spread:
    """Relative standard deviation between processes: of the host's work (on a CPU: of everything), of the GPU's."""

    host: float
    gpu: float


ASSUMED = Spread(host=0.10, gpu=0.02)
# For two recordings of one process: nothing but the steps' own variation is between them.
NOTHING = Spread(0.0, 0.0)


def reach(within: float | None, effects: Iterable[float], missed: float = 0.0) -> float | None:
    """Half a 95 % interval: ``within``, that half of the variation between steps (None: one step, and no interval),
    with ``effects``, a figure's change where a recording is one standard deviation slower, and what a model ``missed``.
    """
    if within is None:
        return None
    return math.hypot(within, Z * math.hypot(*effects), missed)

"""How much another process would differ, where one recording of each arm cannot show it: assumed, and always called so.

A fresh process of the same code on the same machine draws another memory layout, other clocks and other neighbours, so
two recordings without any difference differ. With one process of each arm that spread cannot be seen. It is taken for
one factor on all of the host's work and another on all of the GPU's, each with a relative standard deviation that is
assumed, and carried into a figure by what the figure does when a recording's host, or GPU, is that much slower. Since
machines differ in this spread too, it counts as known with FREEDOM degrees of freedom only.

ASSUMED.host and FREEDOM are those of the verdicts (assumed.py). ASSUMED.gpu is generous: over the eight processes of
the committed H100 run the kernels of the output layer, the same in all arms, have a standard deviation of 0.7 %
(tests/analysis/test_spread.py), but clocks of another day are not in that.

An interval is point ± t·sqrt(Σ variances), t as in assumed.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from .assumed import FREEDOM, PROCESS, Part, freedom, quantile
from .statistics import CONFIDENCE, Basis, Estimate

__all__ = ["ASSUMED", "FREEDOM", "NOTHING", "Part", "Spread", "apart", "assumed_ratio", "half_width", "seen"]

_MANY = 1e3


@dataclass(frozen=True)
class Spread:
    """Relative standard deviation between processes: of the host's work (on a CPU: of everything), of the GPU's."""

    host: float
    gpu: float


ASSUMED = Spread(host=PROCESS, gpu=0.02)
# For two recordings of one process: nothing but the steps' own variation is between them.
NOTHING = Spread(0.0, 0.0)


def half_width(seen: Sequence[Part], processes: Iterable[float] = (), model: Iterable[float] = ()) -> float | None:
    """Half a 95 % interval: ``seen``, the variances between steps; ``processes``, a figure's change where a recording
    is of a process that is one assumed standard deviation slower; ``model``, the same where what a model takes off is
    one standard deviation away. None where a recording has one step, which shows no variation."""
    if any(df < 1.0 for _, df in seen):
        return None
    assumed = math.fsum(effect * effect for effect in processes)
    parts = [*seen, (assumed, FREEDOM), (math.fsum(effect * effect for effect in model), _MANY)]
    total = math.fsum(variance for variance, _ in parts)
    return quantile(freedom(parts), CONFIDENCE) * math.sqrt(total) if total > 0.0 else 0.0


def seen(basis: Basis) -> bool:
    """Whether more than one process is behind a figure, so that its interval says itself what of their spread it
    assumes."""
    return basis not in ("one value", "within one process")


def apart(spread: Spread) -> float:
    """The factor by which two times of one process each must differ so that chance is no explanation."""
    return math.exp(half_width((), (spread.host, spread.host)) or 0.0)


def assumed_ratio(found: Estimate, spread: Spread) -> Estimate:
    """A ratio of times of single processes with this spread between processes; of several it is as it is.

    The variation within one process is not in it: it is small beside, and single times have none."""
    if seen(found.basis):
        return found
    factor = apart(spread)
    return replace(found, low=found.value / factor, high=found.value * factor)

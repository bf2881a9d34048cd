"""What the share of a cause is a share of: of all the time lost, or of all that is won.

Causes that pull in opposite directions cancel. Shares of what is left of them would pass 100 % and fall below 0: one
cause of nf4 on an H100 would have 172 %. So losses and gains are told apart, and each of the two is 100 % of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .closure import Line

Way = Literal["lost", "won"]
# Where all that pulls the other way is less than this part, a share of one side is one of the difference too.
NOTICED = 0.005


@dataclass(frozen=True)
class Balance:
    """ms that the causes above 0 add and that those below take away, both at least 0; ``lost_ms`` − ``won_ms`` is the
    difference, exactly."""

    lost_ms: float
    won_ms: float

    @property
    def cancels(self) -> bool:
        """Whether the causes cancel each other in part."""
        small, large = sorted((self.lost_ms, self.won_ms))
        return small > NOTICED * large

    @property
    def main(self) -> Way:
        """The side that decides the sign of the difference."""
        return "won" if self.won_ms > self.lost_ms else "lost"

    def of(self, way: Way) -> float:
        """ms of one side."""
        return self.lost_ms if way == "lost" else self.won_ms


def balance(causes: Sequence[Line]) -> Balance:
    """What the causes of a difference add and take away."""
    lost = sum(cause.delta_ms for cause in causes if cause.delta_ms > 0)
    return Balance(lost, -sum(cause.delta_ms for cause in causes if cause.delta_ms < 0))


def way(cause: Line) -> Way:
    """On which side a cause is."""
    return "won" if cause.delta_ms < 0 else "lost"


def shares(causes: Sequence[Line]) -> tuple[int, ...]:
    """Each cause's share of its side in whole per cent; those of a side are 100 together (largest remainders)."""
    found = [0] * len(causes)
    for side in ("lost", "won"):
        places = [place for place, cause in enumerate(causes) if cause.delta_ms and way(cause) == side]
        for place, share in zip(
            places, _whole_percents([abs(causes[place].delta_ms) for place in places]), strict=True
        ):
            found[place] = share
    return tuple(found)


def _whole_percents(parts: Sequence[float]) -> list[int]:
    """Parts of their sum in whole per cent."""
    total = math.fsum(parts)
    exact = [100.0 * (part / total) for part in parts]
    whole = [math.floor(value) for value in exact]
    fullest = sorted(range(len(exact)), key=lambda place: whole[place] - exact[place])
    for place in fullest[: 100 - sum(whole)] if parts else []:
        whole[place] += 1
    return whole

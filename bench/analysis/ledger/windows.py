"""Whether the observed windows of a setting's arms are alike: an observer that slows one arm down more than the others
would put its own time into that arm's lines.

Two measures of a window. *Scale*: by how much recording an event cost more in the model than in a short loop (on a GPU,
where it is chosen per arm; on a CPU the model is one for all arms). *Time per same operator*: an operator that two arms
call takes the host as long in both, so the median over the operators that they share of one's time per call over the
other's is 1 but for the machine and the observer.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.record.instruments import TIMELINE
from bench.record.schema import Finding, Record

from ..grouping import Coordinates, setting_of

MOST_SCALE, MOST_OPERATOR = 1.5, 1.25
_FEWEST_CALLS, _FEWEST_SHARED = 4, 5


@dataclass(frozen=True)
class Observed:
    """One window. ``scale``: None where it is not known; ``operators``: name → (calls, ns of its own), all steps."""

    scheme: str
    scale: float | None
    operators: Mapping[str, Sequence[float]]
    taken: int = 1

    def per_call(self) -> dict[str, float]:
        """ns per call of the operators that were called often enough."""
        return {
            name: own / calls for name, (calls, own) in self.operators.items() if calls >= _FEWEST_CALLS and own > 0
        }


@dataclass(frozen=True)
class OverOthers:
    """One window over the median of others; None where it cannot be told."""

    scale: float | None
    operator: float | None

    @property
    def slower(self) -> bool:
        """Slower than the others allow."""
        return (self.scale or 0.0) > MOST_SCALE or (self.operator or 0.0) > MOST_OPERATOR

    @property
    def unlike(self) -> bool:
        """Slower, or quicker."""
        quicker = (self.scale or 1.0) < 1 / MOST_SCALE or (self.operator or 1.0) < 1 / MOST_OPERATOR
        return self.slower or quicker

    @property
    def size(self) -> float:
        """How much slower, for choosing the better of two windows of one arm."""
        return (self.scale or 1.0) * (self.operator or 1.0)


def of_setup(scheme: str, setup: Mapping[str, Any]) -> Observed:
    """The window of a timeline's record, from its ``setup``."""
    scale, taken = setup.get("ledger", {}).get("observer_scale"), setup.get("observed", {}).get("windows", 1)
    return Observed(scheme, scale or None, setup.get("operators", {}), int(taken))


def against(one: Observed, others: Iterable[Observed]) -> OverOthers:
    """How a window stands to others of its setting."""
    others = list(others)
    scales = [other.scale for other in others if other.scale]
    factors = [factor for other in others if (factor := _factor(one, other)) is not None]
    return OverOthers(
        one.scale / statistics.median(scales) if one.scale and scales else None,
        statistics.median(factors) if factors else None,
    )


def _factor(one: Observed, other: Observed) -> float | None:
    own, theirs = one.per_call(), other.per_call()
    shared = [own[name] / theirs[name] for name in own if name in theirs]
    return statistics.median(shared) if len(shared) >= _FEWEST_SHARED else None


def unlike_windows(records: Sequence[Record]) -> tuple[Finding, ...]:
    """A finding for each arm whose observed window was not like the other arms'."""
    settings: dict[Coordinates, list[Observed]] = {}
    for record in records:
        if record.instrument == TIMELINE and record.status == "ok":
            settings.setdefault(setting_of(record.case), []).append(of_setup(record.case.scheme, record.setup))
    return tuple(finding for windows in settings.values() for finding in _findings(windows))


def _findings(windows: Sequence[Observed]) -> Iterable[Finding]:
    for one in windows:
        found = against(one, windows)  # itself among them: of three arms one that differs is found, and not two
        if found.unlike:
            yield Finding(
                "observer-unlike", "warning",
                f"{one.scheme}: its observed steps ran {'slower' if found.slower else 'quicker'} than the other arms'",
                _evidence(found, one.taken),
                "the host's part of its lines is off by about as much: observe it again on a quiet machine",
            )  # fmt: skip


def _evidence(found: OverOthers, taken: int) -> str:
    parts = [
        f"{what} ×{value:.2f} of the others'"
        for what, value in (("time per same operator", found.operator), ("observer scale", found.scale))
        if value is not None
    ]
    times = "once" if taken == 1 else f"{taken} times, the better one is kept"
    return f"{', '.join(parts)}; its window was taken {times}"

"""One RAPL domain followed over its wrap-arounds, and only as far as its readings prove what happened between them.

A domain counts in µJ up to ``max_energy_range_uj`` and begins again (kernel documentation, power/powercap). Between two
readings it can have gone on by no more than the most that such a part draws times the time. A reading that no single
wrap within that bound explains is a counter that was reset or stepped; a bound of a whole range or more means that a
wrap may have passed unseen. Both raise MachineError: joules that may be wrong by 262 kJ are none.
"""

from __future__ import annotations

from bench.record.errors import MachineError

# No CPU package, nor its memory, draws more. Assumed; sockets of 2026 are rated up to 500 W.
MOST_WATTS = 1000.0
_LONGEST_PERIOD_S, _SHORTEST_PERIOD_S = 2.0, 0.05


class Domain:
    """``label``: its name for messages. ``range_uj``: where it begins again. ``joules``: counted since construction.

    Raises MachineError for a range of 0: such a counter cannot be followed.
    """

    def __init__(self, label: str, range_uj: int, raw: int, moment: float) -> None:
        if range_uj <= 0:
            raise MachineError(f"{label}: its max_energy_range_uj is {range_uj}: where it begins again is not known")
        self.label, self.range_uj, self.raw = label, range_uj, raw
        self._total = 0
        self.restart(raw, moment)

    @property
    def joules(self) -> float:
        return self._total * 1e-6

    @property
    def moved(self) -> bool:
        """Whether it has gone on at all since construction."""
        return self._total > 0

    @property
    def period(self) -> float:
        """Seconds within which it must be read again: four times at least in the shortest time it can wrap in."""
        return min(_LONGEST_PERIOD_S, max(_SHORTEST_PERIOD_S, self.range_uj * 1e-6 / MOST_WATTS / 4))

    def restart(self, raw: int, moment: float) -> None:
        """Read anew at ``moment`` of another clock: what was between is not counted. When it moved last is not known:
        a period ago, which is far more than the millisecond that is usual."""
        self.raw, self.read_at, self._since = raw, moment, moment - self.period

    def take(self, raw: int, moment: float) -> None:
        """Count on to ``raw`` µJ, read at ``moment``. Raises MachineError where that cannot be believed."""
        if raw != self.raw:
            self._total += self._step(raw, moment)
            # What it showed until now it had reached after the reading before this one at the earliest.
            self.raw, self._since = raw, self.read_at
        self.read_at = moment

    def _step(self, raw: int, moment: float) -> int:
        most = MOST_WATTS * (moment - self._since) * 1e6
        if most >= self.range_uj:
            raise MachineError(self._unproven(moment))
        step = (raw - self.raw) % self.range_uj
        if step <= most:
            return step
        what = "stepped backwards or was reset" if raw < self.raw else "jumped ahead"
        raise MachineError(
            f"{self.label} {what}, from {self.raw * 1e-6:.6g} J to {raw * 1e-6:.6g} J: neither {MOST_WATTS:.0f} W for "
            f"{moment - self._since:.3g} s nor its wrap at {self.range_uj * 1e-6:.6g} J explains that"
        )

    def _unproven(self, moment: float) -> str:
        full, unread, still = self.range_uj * 1e-6, moment - self.read_at, moment - self._since
        what = f"was not read for {unread:.3g} s" if unread > still / 2 else f"stood still for {still:.3g} s"
        return (
            f"{self.label} {what}, and its {full:.6g} J can pass unseen in {full / MOST_WATTS:.3g} s "
            f"(at {MOST_WATTS:.0f} W, assumed)"
        )

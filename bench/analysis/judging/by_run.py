"""What is said of a whole run: clocks and joules."""

from __future__ import annotations

import numpy as np

from ..energy.sources import PARTS, is_own
from ..grouping import reference_of
from .evidence import Evidence, Found, not_tested

# NVML's clock event reasons that slow a GPU down: power cap, hardware slowdown, thermal (nvml.h).
_SLOWING = 0x4 | 0x8 | 0x20 | 0x40 | 0x80
_NO_JOULES = "joules were not measured, at most estimated, on this machine"


def clocks(e: Evidence) -> Found:
    """H12: the SM clock under load, and how often something slowed it."""
    if not e.on_gpu:
        return not_tested("clocks, power and temperature are the GPU's")
    clocks: dict[str, list[float]] = {}
    slowed: dict[str, int] = {}
    for record in e.records:
        clocks.setdefault(record.case.scheme, []).extend(record.values("gpu_clock_sm"))
        bits = sum(int(mask) & _SLOWING != 0 for mask in record.values("gpu_throttle_reasons"))
        slowed[record.case.scheme] = slowed.get(record.case.scheme, 0) + bits
    means = {scheme: float(np.mean(values)) for scheme, values in clocks.items() if values}
    reference = reference_of(means, e.reference)
    if reference is None or len(means) < 2:
        return not_tested("clocks were not sampled for the reference and a scheme")
    told = [f"{s}: SM clock {m * 1e-6:.0f} MHz, {slowed.get(s, 0)} samples throttled" for s, m in means.items()]
    lower = [m < 0.98 * means[reference] for s, m in means.items() if s != reference]
    return Found("supported" if any(lower) else "refuted", tuple(told))


def joules(e: Evidence) -> Found:
    """H14: longer time costs more joules than lower power saves, in gross joules that were measured: those of the
    device that worked, where it has a counter."""
    whole = [pair for pair in e.energy if not pair.estimated and pair.gross and pair.source not in PARTS]
    measured = [pair for pair in whole if not pair.doubt]
    if not measured:
        doubts = tuple(dict.fromkeys(f"{pair.source}: {pair.doubt}" for pair in whole if pair.doubt))
        parts = any(pair.source in PARTS for pair in e.energy)
        none = "only a part of the machine had its joules measured" if parts else _NO_JOULES
        return not_tested(*(doubts or (none,)))
    told, holds, fails = [], [], []
    for pair in [pair for pair in measured if is_own(pair.source, e.on_gpu)] or measured:
        split = pair.gross
        assert split is not None
        told.append(
            f"{pair.scheme}, {pair.source}: {split.delta.value:+.3g} J/token = {split.longer:+.3g} for longer time "
            f"{split.power:+.3g} for other power"
        )
        # The table's own verdict, so that the two cannot say different things of the same windows.
        holds.append(pair.verdict == "SLOWER" and split.power < 0 < split.longer)
        fails.append(pair.verdict in ("FASTER", "SAME") or split.power >= 0)
    return Found("supported" if any(holds) else "refuted" if all(fails) else "ambiguous", tuple(told))

"""Why a token costs more joules: longer time against other power.

ΔE = P_ref·Δt + t_scheme·ΔP, exactly: E = t·P per token on both sides, with E and t of ``work_joules`` and P = E ÷ t.
Gross counts everything that the machine draws while it works; net takes off a baseline's power × t, so that the same
split is made of what the work itself draws. Windows hold whole generate calls, prefill included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.record.schema import Record

from ..energy import estimated
from ..grouping import REFERENCE, Coordinates, groups, reference_of
from ..statistics import Estimate
from ..statistics.several import judged_together
from ..statistics.verdict import Verdict, verdict
from . import work_joules
from .baselines import NAMES, Baselines, Kind, baselines
from .sources import SOURCES, EnergySource
from .work_joules import SchemeJoules


@dataclass(frozen=True)
class Split:
    """J per token. ``reference`` + ``longer`` + ``power`` = ``scheme``; the last two are P_ref·Δt and t_scheme·ΔP.
    ``delta``: the whole difference with its interval."""

    reference: float
    scheme: float
    longer: float
    power: float
    delta: Estimate


@dataclass(frozen=True)
class EnergyPair:
    """``gross`` is None where no time was recorded; ``nets``: one per baseline that both sides know, and ``missing``
    says why there is no ``net``. ``ratio`` and ``verdict``: of the gross joules, as in the table of energy; None where
    ``doubt`` says why no comparison may rest on them. ``estimated``:
    what is guessed rather than measured, or "". Powers in W, times in s of work per token, of reference and scheme, and
    what they are over the reference's: ``power_ratio``, ``time_ratio``."""

    setting: Coordinates
    reference: str
    scheme: str
    source: str
    estimated: str
    ratio: Estimate
    verdict: Verdict | None
    gross: Split | None
    nets: dict[Kind, Split]
    power: tuple[float, float] | None
    time: tuple[float, float] | None
    missing: str = ""
    doubt: str = ""
    time_ratio: Estimate | None = None
    power_ratio: Estimate | None = None

    @property
    def net(self) -> Split | None:
        """Above the machine with the model loaded and nothing to do."""
        return self.nets.get("held")


def energy_pairs(records: Sequence[Record], reference: str = REFERENCE) -> tuple[EnergyPair, ...]:
    """One per setting, scheme and source of joules that both sides have."""
    found: list[EnergyPair] = []
    known = baselines(records)
    for source in SOURCES:
        for group in groups(records, source.instrument):
            base = reference_of(group.schemes, reference)
            if base is None:
                continue
            others = [item for item in group.schemes.items() if item[0] != base]
            made = [_pair(group.setting, (base, group.schemes[base]), other, source, known) for other in others]
            found += judged_together([pair for pair in made if pair is not None], lambda pair: pair.ratio)
    return tuple(found)


def _pair(
    setting: Coordinates,
    before: tuple[str, Sequence[Record]],
    after: tuple[str, Sequence[Record]],
    source: EnergySource,
    known: Baselines,
) -> EnergyPair | None:
    base, one = (work_joules.arm(records, source, known) for _, records in (before, after))
    if base is None or one is None or (between := work_joules.ratio(one, base)) is None:
        return None
    doubt = one.doubt(source) or base.doubt(source)
    one, base = work_joules.in_pairs(one, base)
    levels = work_joules.level(base, "gross"), work_joules.level(base, "time")
    times = work_joules.ratio(one, base, "time")
    assert levels[0] is not None
    gross = levels[0].value, levels[0].value * between.value
    time = (levels[1].value, levels[1].value * times.value) if levels[1] and times else None
    delta = work_joules.in_joules(between, gross[0])
    nets = _nets(one, base, time) if time else {}
    missing = "" if "held" in nets else _missing({before[0]: base, after[0]: one}, time)
    return EnergyPair(
        setting, before[0], after[0], source.name, estimated(after[1]), between, None if doubt else verdict(between),
        _split(gross[0], delta, time) if time else None, nets,
        (gross[0] / time[0], gross[1] / time[1]) if time else None, time, missing, doubt,
        times, work_joules.ratio(one, base, "power"),
    )  # fmt: skip


def _missing(arms: dict[str, SchemeJoules], time: tuple[float, float] | None) -> str:
    if time is None:
        return "no time was recorded"
    without = [name for name, arm in arms.items() if arm.baseline("held") is None]
    return "no idle baseline was measured" + (f" of {without[0]}" if len(without) == 1 else "")


def _nets(one: SchemeJoules, base: SchemeJoules, time: tuple[float, float]) -> dict[Kind, Split]:
    found: dict[Kind, Split] = {}
    for kind in NAMES:
        level, delta = work_joules.level(base, kind), work_joules.difference(one, base, kind)
        if level is not None and delta is not None:
            found[kind] = _split(level.value, delta, time)
    return found


def _split(reference: float, delta: Estimate, time: tuple[float, float]) -> Split:
    power = reference / time[0]
    longer = power * (time[1] - time[0])
    other = delta.value - longer
    # The sum as it is added up, so that the parts close on it exactly.
    return Split(reference, reference + longer + other, longer, other, replace(delta, value=longer + other))

"""Why a token costs more joules: longer time against other power.

ΔE = P_ref·Δt + t_scheme·ΔP, exactly: E = t·P per token on both sides, with t = window time ÷ tokens and P = joules ÷
window time over all windows. Gross counts everything that the machine draws; net takes off its idle power × t, so that
the same split is made of what the work itself draws. Windows hold whole generate calls, prefill included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.record.schema import Record

from .energy import SOURCES, Source, gross_per_token, idle_power, net_per_token
from .grouping import REFERENCE, Coordinates, groups, reference_of
from .pairing import Located, difference_between, located, partners
from .statistics import Estimate


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
    """``gross`` and ``net`` are None where joules, or an idle baseline, were not collected: ``missing`` says why.
    ``estimated``: what is guessed rather than measured, or "". Powers in W, times in s per token."""

    setting: Coordinates
    reference: str
    scheme: str
    source: str
    estimated: str
    gross: Split | None
    net: Split | None
    power: tuple[float, float] | None
    time: tuple[float, float] | None
    missing: str = ""


@dataclass(frozen=True)
class _Totals:
    time: float
    power: float


def energy_pairs(records: Sequence[Record], reference: str = REFERENCE) -> tuple[EnergyPair, ...]:
    """One per setting, scheme and source of joules that both sides have."""
    found = []
    for source in SOURCES:
        for group in groups(records, source.instrument):
            base = reference_of(group.schemes, reference)
            if base is None or _totals(group.schemes[base], source, 0.0) is None:
                continue
            for scheme, items in group.schemes.items():
                if scheme != base and _totals(items, source, 0.0) is not None:
                    sides = partners(group.schemes[base], items)
                    found.append(_pair(group.setting, base, scheme, *sides, source))
    return tuple(found)


def _pair(
    setting: Coordinates, base: str, scheme: str, before: Sequence[Record], after: Sequence[Record], source: Source
) -> EnergyPair:
    gross = _split(before, after, source, (0.0, 0.0), _gross(before, source), _gross(after, source))
    idle = _idle(before, source), _idle(after, source)
    net = None
    missing = "no idle baseline was measured" if source.idle is None or None in idle else ""
    if not missing:
        idles = float(idle[0] or 0.0), float(idle[1] or 0.0)
        net = _split(before, after, source, idles, _net(before, source), _net(after, source))
    totals = _totals(before, source, 0.0), _totals(after, source, 0.0)
    known = totals[0] is not None and totals[1] is not None
    return EnergyPair(
        setting, base, scheme, source.name, _estimated(after), gross, net,
        (totals[0].power, totals[1].power) if known and totals[0] and totals[1] else None,
        (totals[0].time, totals[1].time) if known and totals[0] and totals[1] else None,
        missing,
    )  # fmt: skip


def _totals(records: Sequence[Record], source: Source, idle: float) -> _Totals | None:
    """Seconds per token and mean power over all windows, less ``idle`` W."""
    joules = sum(sum(record.values(source.energy)) for record in records)
    used = [record for record in records if record.values(source.energy)]
    seconds = sum(sum(record.values("window_time")) for record in used)
    tokens = sum(sum(record.values("window_tokens")) for record in used)
    if joules <= 0 or seconds <= 0 or tokens <= 0:
        return None
    return _Totals(seconds / tokens, joules / seconds - idle)


def _split(
    before: Sequence[Record],
    after: Sequence[Record],
    source: Source,
    idle: tuple[float, float],
    samples_before: Located,
    samples_after: Located,
) -> Split | None:
    one, other = _totals(before, source, idle[0]), _totals(after, source, idle[1])
    if one is None or other is None or not samples_before.samples or not samples_after.samples:
        return None
    reference, longer = one.time * one.power, one.power * (other.time - one.time)
    power = other.time * (other.power - one.power)
    spread = difference_between(samples_after, samples_before, "mean")
    # The sum as it is added up, so that the parts close on it exactly.
    return Split(reference, reference + longer + power, longer, power, _moved(spread, longer + power))


def _moved(spread: Estimate, delta: float) -> Estimate:
    shift = delta - spread.value
    low = None if spread.low is None else spread.low + shift
    high = None if spread.high is None else spread.high + shift
    return replace(spread, value=delta, low=low, high=high)


def _gross(records: Sequence[Record], source: Source) -> Located:
    return located(records, lambda record: gross_per_token(record, source.energy))


def _net(records: Sequence[Record], source: Source) -> Located:
    idle = source.idle or ""
    return located(records, lambda record: net_per_token(record, source.energy, idle))


def _idle(records: Sequence[Record], source: Source) -> float | None:
    found = [watts for record in records if source.idle and (watts := idle_power(record, source.idle)) is not None]
    return sum(found) / len(found) if found else None


def _estimated(records: Sequence[Record]) -> str:
    told = (str(r.setup.get("estimated_why") or "estimated") for r in records if r.setup.get("estimated"))
    return next(told, "")

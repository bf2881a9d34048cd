"""Ledgers of the first generation: from a scheme's seen lengths to its new ones, and between schemes at new ones.

Steps at new lengths are observed in records of their own. ``attention_plans`` is there what the host spends inside the
attention call over what it spends in it at seen lengths (the median of the observed steps). It is taken out of the line
in which a trace has it: host_gap, on a CPU attention too. All else at a new length stays where it is and is named. The
observed new lengths are longer than the seen ones, and attention's own work grows with the length: on a CPU as much as
that can explain is left in the line attention.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.record import causes as c
from bench.record.instruments import FIRST_VISITS, TIMELINE
from bench.record.schema import Record

from ..first_generation import first_times
from ..generation import call_times
from ..grouping import REFERENCE, Coordinates, Group, groups, reference_of, setting_of
from ..observer.fitted import ObserverModel, Seconds, middle, observer_model
from ..statistics.pairing import located, partners, spots
from .attention import is_call
from .closure import Closed, Side, close
from .pairs import SourceLine, line_steps, source_lines
from .plain import plain_times
from .stored import with_lines

SEEN, NEW = "seen lengths", "new lengths"
UNSEEN = "no decode step at a new length was observed: what its time goes into is not known"


@dataclass(frozen=True)
class FirstVisits:
    """One ledger. ``before`` and ``after`` say what it leads from and to; ``scheme``: that of ``after``; ``within``:
    both are of that scheme. ``observed``: whether it has lines; ``steps``: how many observed steps they are from;
    ``cudnn``: whether cuDNN computed attention in the scheme's observed steps, at whatever lengths."""

    setting: Coordinates
    device: str
    scheme: str
    before: str
    after: str
    within: bool
    closed: Closed
    sources: tuple[SourceLine, ...] = ()
    observed: bool = False
    steps: tuple[int, int] = (0, 0)
    cudnn: bool = False

    @property
    def plans_ms(self) -> float | None:
        """What attention plans add, ms per token; None where nothing was observed."""
        line = self.closed.line(c.ATTENTION_PLANS)
        return (line.delta_ms if line else 0.0) if self.observed else None


@dataclass(frozen=True)
class _ArmRecords:
    """One scheme of a setting: its timed records and both kinds of observed ones."""

    scheme: str
    timed: Sequence[Record]
    seen: Sequence[Record]
    new: Sequence[Record]


def first_visits(records: Sequence[Record], reference: str = REFERENCE) -> tuple[FirstVisits, ...]:
    """For every setting and scheme with a first generation: within it, and from the reference's to it."""
    observed = {kind: _observed(records, kind) for kind in (TIMELINE, FIRST_VISITS)}
    model = {device: observer_model(_on_device(observed[TIMELINE], device)) for device in ("cpu", "cuda")}
    found: list[FirstVisits] = []
    for group in groups(records, "generation"):
        arms = {scheme: _arm(group, scheme, observed) for scheme, own in group.schemes.items() if _met(own)}
        base = arms.get(reference_of(group.schemes, reference) or "")
        for arm in arms.values():
            told = model[arm.timed[0].case.device]
            if any(call_times(record) for record in arm.timed):
                found.append(_within_arm(group.setting, arm, told))
            if base is not None and base is not arm:
                found.append(_between_arms(group.setting, base, arm, told))
    return tuple(found)


_Observed = Mapping[tuple[Coordinates, str], Sequence[Record]]


def _observed(records: Sequence[Record], kind: str) -> _Observed:
    found: dict[tuple[Coordinates, str], list[Record]] = {}
    for record in records:
        if record.instrument == kind and record.status == "ok" and "ledger" in record.setup:
            found.setdefault((setting_of(record.case), record.case.scheme), []).append(with_lines(record))
    return {key: sorted(items, key=lambda record: record.repeat) for key, items in found.items()}


def _on_device(observed: _Observed, device: str) -> list[Record]:
    return [record for items in observed.values() for record in items if record.case.device == device]


def _met(records: Sequence[Record]) -> bool:
    return any(first_times(record) for record in records)


def _arm(group: Group, scheme: str, observed: Mapping[str, _Observed]) -> _ArmRecords:
    seen, new = (observed[kind].get((group.setting, scheme), ()) for kind in (TIMELINE, FIRST_VISITS))
    return _ArmRecords(scheme, group.schemes[scheme], seen, new)


def _within_arm(setting: Coordinates, arm: _ArmRecords, model: ObserverModel) -> FirstVisits:
    seen, new = (arm.seen, arm.new) if arm.seen and arm.new else ((), ())
    before, after = _seen_side(arm, seen, model), _new_side(arm, new, model)
    names = f"{arm.scheme}, {SEEN}", f"{arm.scheme}, {NEW}"
    return _first_visits(setting, arm, arm, names, (before, after), (seen, new), model, within=True)


def _between_arms(setting: Coordinates, base: _ArmRecords, arm: _ArmRecords, model: ObserverModel) -> FirstVisits:
    known = bool(base.seen and base.new and arm.seen and arm.new)
    observed = partners(base.new, arm.new) if known else ((), ())
    sides = _new_side(base, observed[0], model), _new_side(arm, observed[1], model)
    names = f"{base.scheme}, {NEW}", f"{arm.scheme}, {NEW}"
    return _first_visits(setting, base, arm, names, sides, observed, model, within=False)


def _first_visits(
    setting: Coordinates,
    base: _ArmRecords,
    arm: _ArmRecords,
    names: tuple[str, str],
    sides: tuple[Side, Side],
    observed: tuple[Sequence[Record], Sequence[Record]],
    model: ObserverModel,
    *,
    within: bool,
) -> FirstVisits:
    closed = close(*sides)
    case = arm.timed[0].case
    told = (setting, case.device, arm.scheme, *names, within, closed)
    cudnn = any(_cudnn(record) for record in (*arm.seen, *arm.new))
    if not observed[0] or not observed[1]:
        return FirstVisits(*told, cudnn=cudnn)
    one = observed[0] if within else _less_plans(observed[0], base.seen)
    told_apart = one, _less_plans(observed[1], arm.seen)
    sources = source_lines(told_apart, closed, case.batch_size or 1, model)
    counts = [sum(len(middle(record)) for record in side) for side in observed]
    return FirstVisits(*told, sources, True, (counts[0], counts[1]), cudnn)


def _seen_side(arm: _ArmRecords, observed: Sequence[Record], model: ObserverModel) -> Side:
    wall = located(arm.timed, call_times)
    lines = _lines(observed, model)
    return Side(wall.samples, lines, _plain(observed), wall_spots=wall.spots, line_spots=spots(observed))


def _new_side(arm: _ArmRecords, observed: Sequence[Record], model: ObserverModel) -> Side:
    wall = located(arm.timed, first_times)
    lines = _with_plans(_lines(observed, model), observed, arm.seen)
    return Side(wall.samples, lines, _plain(observed), wall_spots=wall.spots, line_spots=spots(observed))


_Lines = dict[str, tuple[tuple[float, ...], ...]]


def _lines(observed: Sequence[Record], model: ObserverModel) -> _Lines:
    return {
        cause: tuple(tuple(line_steps(record, cause, model) / _batch(record)) for record in observed)
        for cause in c.OBSERVED
        if any(record.values(f"observed_{cause}_per_step") for record in observed)
    }


def _with_plans(lines: _Lines, observed: Sequence[Record], seen: Sequence[Record]) -> _Lines:
    """The lines of first visits, with what the attention call takes more than at seen lengths as a line of its own."""
    extra = {cause: [_middle_extra(record, seen, cause) for record in observed] for cause in lines}
    known = {cause: parts for cause, parts in extra.items() if any(part is not None for part in parts)}
    if not known:
        return lines
    plans = [np.zeros(len(middle(record))) for record in observed]
    for cause, parts in known.items():
        more = [np.zeros(len(plan)) if part is None else part for plan, part in zip(plans, parts, strict=True)]
        plans = [plan + part for plan, part in zip(plans, more, strict=True)]
        left = zip(lines[cause], more, strict=True)
        lines[cause] = tuple(tuple(np.asarray(values) - part) for values, part in left)
    return {**lines, c.ATTENTION_PLANS: tuple(map(tuple, plans))}


def _middle_extra(record: Record, seen: Sequence[Record], cause: str) -> Seconds | None:
    """[middle steps] s per token."""
    extra = _extra(record, seen, cause)
    return None if extra is None else extra[middle(record)] / _batch(record)


def _extra(record: Record, seen: Sequence[Record], cause: str) -> Seconds | None:
    """[steps] s of a line inside the attention call over the median at seen lengths; None where the records do not
    tell."""
    own = _inside(record, cause)
    usual = [value for other in seen if (part := _inside(other, cause)) is not None for value in part]
    if own is None or not usual:
        return None
    least = float(np.median(usual))
    grown = _longer(record, seen) if cause == c.ATTENTION else 1.0
    extra: Seconds = own - np.clip(own, least, grown * least)
    return extra


def _longer(record: Record, seen: Sequence[Record]) -> float:
    """How many times longer the new lengths are: work over a length grows with it at most."""
    new, old = _lengths(record), [length for other in seen for length in _lengths(other)]
    return max(float(np.mean(new) / np.mean(old)), 1.0) if new and old else 1.0


def _lengths(record: Record) -> list[int]:
    told = record.setup.get("observed")
    return list(told.get("lengths", ())) if isinstance(told, dict) else []


def _inside(record: Record, cause: str) -> Seconds | None:
    """[steps] s of a line inside the attention call."""
    told = record.setup["ledger"].get("attention_call", {}).get(cause)
    return None if told is None else np.asarray(told, np.float64)


def _less_plans(observed: Sequence[Record], seen: Sequence[Record]) -> list[Record]:
    """The records with the plans' time taken out of the idle sources that lead to the attention call."""
    extra = [_extra(record, seen, c.HOST_GAP) for record in observed]
    return [r if more is None else _smaller(r, more) for r, more in zip(observed, extra, strict=True)]


def _smaller(record: Record, extra: Seconds) -> Record:
    ledger = record.setup["ledger"]
    ours = [item["cause"] == c.HOST_GAP and is_call(item["range"], item["operator"]) for item in ledger["sources"]]
    seconds = [np.asarray(item["seconds"], np.float64) for item in ledger["sources"]]
    total = sum((own for own, mine in zip(seconds, ours, strict=True) if mine), np.zeros(len(extra)))
    share = np.divide(extra, total, out=np.zeros(len(extra)), where=total > 0)
    sources = [
        {**item, "seconds": (own * (1 - share)).tolist()} if mine else item
        for item, own, mine in zip(ledger["sources"], seconds, ours, strict=True)
    ]
    return replace(record, setup={**record.setup, "ledger": {**ledger, "sources": sources}})


def _plain(observed: Sequence[Record]) -> tuple[tuple[float, ...], ...]:
    plain = [
        (float(np.median(values)) / _batch(record),) if (values := plain_times(record)) else () for record in observed
    ]
    return tuple(plain) if all(plain) else ()


def _cudnn(record: Record) -> bool:
    told = record.setup.get("attention_backend")
    return isinstance(told, dict) and bool(told.get("decode_step", {}).get("cudnn"))


def _batch(record: Record) -> int:
    return record.case.batch_size or 1

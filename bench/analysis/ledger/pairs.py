"""A run's ledgers: for every setting the reference against each scheme, from timed records and observed steps.

The wall time is the one that the report shows: the unprofiled decode time per token, or for prefill the time to first
token per prompt. The lines come from the steps that Kineto or nsys observed, less the modelled cost of observing (see
observer.py). Of an observed call's steps only the middle half by length is used: a step in which the machine did
something else would be in one line or another by chance.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.record import causes as c
from bench.record.metrics import MS_PER_S
from bench.record.schema import Record

from ..grouping import REFERENCE, Coordinates, Group, groups, reference_of, setting_of
from ..observer.fitted import NOTHING, ObserverModel, Seconds, middle, observer_model
from ..statistics import Estimate, Samples
from ..statistics.pairing import located, partners, spots
from .accounting import Cause, account
from .closure import Closed, Line, Side, close, on_grid, share_of
from .phases import DECODE, Phase
from .plain import at_new_lengths, plain_times
from .stored import with_lines

_MOST_SOURCES = 12
REST = "(other)"


@dataclass(frozen=True)
class SourceLine:
    """Part of an idle line, ms per token: what was to start next (see costs.Source). The parts of a line add up to it
    exactly; the last one is the rest."""

    cause: str
    range: str
    operator: str
    work: str
    reference_ms: float
    scheme_ms: float

    @property
    def delta_ms(self) -> float:
        return self.scheme_ms - self.reference_ms


@dataclass(frozen=True)
class Pair:
    """One ledger; its figures are per ``phase.unit``. ``instrument``: of the lines, "" where no steps were observed,
    and then ``missing`` says why. ``causes``: the one accounting of the difference (see accounting.py). ``unknown``:
    names in ``other`` with their share of it. ``head``: the share of the scheme's time that the output layer takes,
    None where no range tells it."""

    setting: Coordinates
    model: str
    device: str
    reference: str
    scheme: str
    closed: Closed
    causes: tuple[Cause, ...] = ()
    sources: tuple[SourceLine, ...] = ()
    unknown: tuple[tuple[str, float], ...] = ()
    instrument: str = ""
    missing: str = ""
    observed_steps: tuple[int, int] = (0, 0)
    phase: Phase = DECODE
    head: Estimate | None = None

    @property
    def explained(self) -> float | None:
        """Share of the difference that the lines account for, None where there is no difference to explain."""
        delta = self.closed.delta.delta_ms
        return 1.0 - abs(self.closed.unexplained_ms) / abs(delta) if delta else None


Observed = Mapping[tuple[Coordinates, str, str], list[Record]]
Models = Mapping[tuple[str, str], ObserverModel]


def pairs(records: Sequence[Record], reference: str = REFERENCE, phase: Phase = DECODE) -> tuple[Pair, ...]:
    """A Pair per setting and scheme but the reference. Settings without a reference have none."""
    observed = observed_records(records, phase)
    models = observer_models(observed)
    found: list[Pair] = []
    for group in groups(records, "generation"):
        base = reference_of(group.schemes, reference)
        if base is None:
            continue
        timed = [scheme for scheme in group.schemes if scheme != base and _both_timed(group, base, scheme, phase)]
        found += [_pair(group, base, scheme, observed, models, phase) for scheme in timed]
    return tuple(found)


def _both_timed(group: Group, base: str, scheme: str, phase: Phase) -> bool:
    """Whether the records that are set against each other tell the times of the phase: those of a newer or
    older program, or of one new token, have none."""
    both = partners(group.schemes[base], group.schemes[scheme])
    return all(any(phase.times(record) for record in records) for records in both)


def observed_records(records: Sequence[Record], phase: Phase = DECODE) -> Observed:
    """(setting, scheme, instrument) → its records with a ledger, in order of repeat."""
    found: dict[tuple[Coordinates, str, str], list[Record]] = defaultdict(list)
    for record in map(with_lines, records):
        known = record.instrument in phase.instruments and record.status == "ok" and "ledger" in record.setup
        known = known and any(record.values(f"observed_{cause}_per_step") for cause in c.CAUSES)
        if known and not at_new_lengths(record):
            found[setting_of(record.case), record.case.scheme, record.instrument].append(record)
    return {key: sorted(items, key=lambda record: record.repeat) for key, items in found.items()}


def observer_models(observed: Observed) -> Models:
    """By instrument and device: the model of what observing cost."""
    alike: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for (_, _, instrument), records in observed.items():
        alike[instrument, records[0].case.device] += records
    return {key: observer_model(records) for key, records in alike.items()}


def _pair(group: Group, base: str, scheme: str, observed: Observed, models: Models, phase: Phase) -> Pair:
    instrument, sides = _common(group.setting, (base, scheme), observed, phase)
    known = dict(group.setting)
    model = models.get((instrument, str(known.get("device"))), NOTHING)
    timed = partners(group.schemes[base], group.schemes[scheme])
    before, after = (_side(*side, model, phase) for side in zip(timed, sides, strict=True))
    closed = close(before, after)
    causes = account(before, after, closed)
    told = (group.setting, str(known.get("model")), str(known.get("device")), base, scheme, closed, causes)
    if not instrument:
        return Pair(*told, missing=_why_no_pair(group, (base, scheme), observed, phase), phase=phase)
    sources = source_lines(sides, closed, int(known.get("batch_size") or 1), model)
    steps = sum(len(middle(record)) for record in sides[0]), sum(len(middle(record)) for record in sides[1])
    return Pair(*told, sources, _unknown(sides[1]), instrument, "", steps, phase, share_of(after, c.LM_HEAD))


def _common(
    setting: Coordinates, schemes: tuple[str, str], observed: Observed, phase: Phase
) -> tuple[str, tuple[Sequence[Record], Sequence[Record]]]:
    """The first instrument that observed both, and its records; never one instrument against another."""
    for instrument in phase.instruments:
        one, other = (observed.get((setting, scheme, instrument), []) for scheme in schemes)
        if one and other:
            return instrument, partners(one, other)
    return "", ((), ())


def _why_no_pair(group: Group, schemes: tuple[str, str], observed: Observed, phase: Phase) -> str:
    without = [s for s in schemes if not any((group.setting, s, name) in observed for name in phase.instruments)]
    named = " and ".join(without) or "both by one observer"
    return f"no {phase.observed} of {named} were observed: {phase.remedy}"


def _side(timed: Sequence[Record], observed: Sequence[Record], model: ObserverModel, phase: Phase) -> Side:
    batch = timed[0].case.batch_size or 1
    lines = {
        cause: tuple(tuple(line_steps(record, cause, model) / batch) for record in observed)
        for cause in c.CAUSES
        if any(record.values(f"observed_{cause}_per_step") for record in observed)
    }
    plain = [(float(np.median(values)) / batch,) if (values := plain_times(record)) else () for record in observed]
    wall = located(timed, phase.times)
    known = tuple(plain) if all(plain) else ()
    leading = _leading(observed, batch, model)
    return Side(wall.samples, lines, known, wall_spots=wall.spots, line_spots=spots(observed), leading=leading)


def line_steps(record: Record, cause: str, model: ObserverModel) -> Seconds:
    """[middle steps] s of one line without the observer."""
    rows = middle(record)
    undisturbed = record.values(f"ledger_{cause}_per_step")
    values = np.asarray(undisturbed or record.values(f"observed_{cause}_per_step"), np.float64)
    if not len(values):
        return np.zeros(len(rows))
    if not undisturbed:
        values = values - model.cost(record.setup["ledger"]["events"].get(cause))
    return values[rows]


def _leading(records: Sequence[Record], batch: int, model: ObserverModel) -> dict[tuple[str, str], Samples]:
    """(idle cause, work) → s per token of that idle line after which that work was to start, as in the lines."""
    keys = dict.fromkeys(
        (item["cause"], item["work"]) for record in records for item in record.setup["ledger"]["sources"]
    )
    return {key: tuple(tuple(_leading_to(record, *key, model) / batch) for record in records) for key in keys}


def _leading_to(record: Record, idle: str, work: str, model: ObserverModel) -> Seconds:
    """[middle steps] s of one idle cause that led to work of one kind."""
    rows = middle(record)
    total = np.zeros(len(rows))
    for item in record.setup["ledger"]["sources"]:
        if (item["cause"], item["work"]) == (idle, work):
            total += (np.asarray(item["seconds"], np.float64) - model.cost(item))[rows]
    return total


_Key = tuple[str, str, str, str]


def source_lines(
    sides: tuple[Sequence[Record], Sequence[Record]], closed: Closed, batch: int, model: ObserverModel
) -> tuple[SourceLine, ...]:
    """The idle lines by source, the largest differences of each one by one and the rest together."""
    before, after = (_source_means(side, batch, model) for side in sides)
    made: list[SourceLine] = []
    for cause in c.IDLE:
        line = closed.line(cause)
        if line is None or cause in c.DERIVED:
            continue
        keys = [key for key in dict.fromkeys((*before, *after)) if key[0] == cause]
        parts = [SourceLine(*key, on_grid(before.get(key, 0.0)), on_grid(after.get(key, 0.0))) for key in keys]
        made += with_rest(line, parts)
    return tuple(made)


def with_rest(line: Line, parts: Sequence[SourceLine]) -> list[SourceLine]:
    """The parts of an idle line with the largest differences, and what is left of it as the last one."""
    shown = sorted(parts, key=lambda part: -abs(part.delta_ms))[:_MOST_SOURCES]
    before = line.reference_ms - sum(part.reference_ms for part in shown)
    after = line.scheme_ms - sum(part.scheme_ms for part in shown)
    return [*shown, SourceLine(line.cause, REST, "", "", before, after)]


def _source_means(records: Sequence[Record], batch: int, model: ObserverModel) -> dict[_Key, float]:
    """(cause, range, operator, work) → ms per token, the mean over repeats."""
    sums: dict[_Key, float] = defaultdict(float)
    for record in records:
        rows = middle(record)
        for item in record.setup["ledger"]["sources"]:
            seconds = (np.asarray(item["seconds"], np.float64) - model.cost(item))[rows]
            key = (item["cause"], item["range"], item["operator"], item["work"])
            sums[key] += float(seconds.mean()) * MS_PER_S / batch / len(records)
    return dict(sums)


def _unknown(records: Sequence[Record]) -> tuple[tuple[str, float], ...]:
    """Names in ``other`` and their share of it, the largest first."""
    sums: dict[str, float] = defaultdict(float)
    for record in records:
        for name, ns in record.setup["ledger"]["unknown"].items():
            sums[name] += float(ns)
    total = sum(sums.values())
    ranked = sorted(sums.items(), key=lambda item: -item[1])
    return tuple((name, ns / total) for name, ns in ranked[:5]) if total else ()

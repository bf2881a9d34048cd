"""What each intervention gained, against what the replay had said, and what it changed in the output.

A gain is the time per token without the intervention less the time with it: above 0 it helped. Every intervention was
measured in the same interleaved repeats as the unchanged arm, or in turns with it in one process. One that broke its
claim of the same output has none (claims.py).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bench.record.instruments import TRY
from bench.record.schema import Case, Record

from .claims import CHANGED, INSTRUMENT, INSTRUMENTS, NONE, unbroken
from .first_generation import first_times
from .generation import call_times
from .grouping import REFERENCE, Coordinates, pooled, reference_of, scheme_rank, setting_of
from .statistics import Estimate, Samples, difference, estimate, ratio
from .statistics.turns import ratio_of_rounds
from .statistics.verdict import Verdict, verdict

PREDICTION = "prediction"


@dataclass(frozen=True)
class OutputChange:
    """What it did to the output. ``agreement``: share of new tokens before the first that differs; ``error``: relative
    error of the first prompt's logits. None: the prompts were not the same."""

    agreement: float | None
    error: float | None

    @property
    def same(self) -> bool:
        return self.agreement == 1.0


@dataclass(frozen=True)
class InterventionRow:
    """Times in s per token, memory in B. ``gain`` above 0: faster. ``predicted``: the replay's gain, stated before;
    None where none was stated, and ``why_not`` says so. ``time_ratio`` is with over without. All of these are of seen
    key-value lengths; ``first_gain`` is the gain at new ones, None where either side met none. ``setting``: that of the
    unchanged arm; ``arm`` and ``batch_size``: as changed.
    """

    setting: Coordinates
    model: str
    device: str
    scheme: str
    name: str
    sense: str
    cause: str
    before: Estimate
    after: Estimate
    gain: Estimate
    time_ratio: Estimate
    verdict: Verdict
    predicted: float | None
    why_not: str
    output: OutputChange
    footprint: tuple[float, float]
    arm: Any
    batch_size: int
    first_gain: Estimate | None = None

    @property
    def agrees(self) -> bool | None:
        """Whether the prediction lies in the gain's interval; None without either."""
        low, high = self.gain.low, self.gain.high
        if self.predicted is None or low is None or high is None:
            return None
        return low <= self.predicted <= high


@dataclass(frozen=True)
class Removals:
    """Several causes of one arm removed together. s per token. ``one``: name → gain of removing it alone; ``added``:
    name → cost of adding it to the arm without all; ``interaction``: gain of all less the sum of the single gains;
    ``rest``: what is left over the reference with all removed (None without a reference)."""

    scheme: str
    together: str
    all: float
    one: Mapping[str, float]
    added: Mapping[str, float]
    interaction: float
    rest: float | None


_Key = tuple[tuple[tuple[str, Any], ...], str]
_Named = Mapping[str, list[Record]]


def summarise(records: Sequence[Record]) -> tuple[InterventionRow, ...]:
    """A row per setting, scheme and intervention that was measured beside its unchanged arm."""
    predictions = {r.case_id: r for r in records if r.instrument == PREDICTION}
    usable = unbroken(records)
    rows: dict[tuple[_Key, str], InterventionRow] = {}
    for instrument in INSTRUMENTS:
        for key, named in _by_setting(usable, instrument).items():
            for name, base, items in _pairs(named):
                stated = predictions.get(items[0].case_id)
                rows.setdefault((key, name), _row(key[1], name, base, items, stated))
    return tuple(sorted(rows.values(), key=lambda row: (row.model, scheme_rank(row.scheme), -row.gain.value)))


def _pairs(named: _Named) -> Iterator[tuple[str, list[Record], list[Record]]]:
    """(name, the unchanged arm's records, its own) of each intervention that was timed."""
    base = named.get(NONE, [])
    for name, items in named.items():
        if name != NONE and _walls(items) and _walls(base):
            yield name, base, items


def _by_setting(records: Sequence[Record], instrument: str) -> dict[_Key, dict[str, list[Record]]]:
    """(setting less what interventions change, scheme) → intervention → its records, in order of repeat."""
    found: dict[_Key, dict[str, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        if record.instrument == instrument and record.status == "ok":
            found[_less_changes(record.case), record.case.scheme][str(record.case.intervention)].append(record)
    return {
        key: {n: sorted(items, key=lambda r: r.repeat) for n, items in named.items()} for key, named in found.items()
    }


def _walls(records: Sequence[Record]) -> Samples:
    return tuple(times for record in records if (times := call_times(record)))


def _row(
    scheme: str,
    name: str,
    base: Sequence[Record],
    items: Sequence[Record],
    prediction: Record | None,
) -> InterventionRow:
    before, after = _walls(base), _walls(items)
    gain, between = _gain(base, items)
    told = items[0].setup["interventions"]
    return InterventionRow(
        setting=unchanged(base[0].case),
        model=items[0].case.model,
        device=items[0].case.device,
        scheme=scheme,
        name=name,
        sense=told[0]["sense"] if len(told) == 1 else "removes",
        cause="; ".join(item["cause"] for item in told),
        before=estimate(before),
        after=estimate(after),
        gain=gain,
        time_ratio=between,
        verdict=_verdict(gain, between),
        predicted=_predicted(prediction, items[0]),
        why_not=_why_not(prediction),
        output=_output(base[0], items[0]),
        footprint=(_footprint(base), _footprint(items)),
        arm=items[0].setup.get("arm"),
        batch_size=items[0].case.batch_size or 1,
        first_gain=_first_gain(base, items),
    )


def _gain(base: Sequence[Record], items: Sequence[Record]) -> tuple[Estimate, Estimate]:
    """(s per token less, time with over without)."""
    before, after = _walls(base), _walls(items)
    turns = ratio_of_rounds(items[0], base[0], call_times) if items[0].instrument == TRY else None
    if turns is None or len(base) > 1 or len(items) > 1:
        return difference(before, after), ratio(after, before)
    level = float(np.median(before[0]))
    low, high = (None if bound is None else level * (1.0 - bound) for bound in (turns.high, turns.low))
    return replace(turns, value=level * (1.0 - turns.value), low=low, high=high, relative_error=None), turns


def _first_gain(base: Sequence[Record], items: Sequence[Record]) -> Estimate | None:
    before, after = (tuple(times for r in side if (times := first_times(r))) for side in (base, items))
    return difference(before, after) if before and after else None


def unchanged(case: Case) -> Coordinates:
    """The setting in which the unchanged arm is timed, from its Case among the interventions."""
    return tuple(item for item in setting_of(case) if item[0] != "intervention")


@dataclass(frozen=True)
class Predicted:
    """A gain, s per token, that the replay predicts of an intervention which was not measured. ``arm``: as changed."""

    setting: Coordinates
    scheme: str
    name: str
    gain: float
    arm: Any
    batch_size: int


def predicted_only(records: Sequence[Record]) -> tuple[Predicted, ...]:
    """The predictions without a measurement. Where the measurement failed or was skipped there is none either: what
    cannot be done on this machine is no advice."""
    tried = {record.case_id for record in records if record.instrument in INSTRUMENTS}
    stated = [record for record in records if record.instrument == PREDICTION and record.case_id not in tried]
    return tuple(_stated(record, gain) for record in stated if (gain := _predicted(record, record)) is not None)


def _stated(record: Record, gain: float) -> Predicted:
    case = record.case
    base = dict(unchanged(case)) | dict(record.setup.get("unchanged", {}))
    arm = record.setup.get("changed_arm")
    return Predicted(
        setting_of(Case(scheme="", **base)), case.scheme, str(case.intervention), gain, arm, case.batch_size or 1
    )


def _less_changes(case: Case) -> Coordinates:
    return tuple(item for item in case.coordinates().items() if item[0] not in CHANGED)


def _verdict(gain: Estimate, time_ratio: Estimate) -> Verdict:
    """The ratio's verdict; AMBIGUOUS where the gain's own interval, which is shown beside it, holds 0."""
    told = verdict(time_ratio)
    open_ = gain.low is None or gain.high is None or gain.low <= 0.0 <= gain.high
    return "AMBIGUOUS" if open_ and told in ("FASTER", "SLOWER") else told


def _predicted(prediction: Record | None, item: Record) -> float | None:
    if prediction is None or prediction.status != "ok":
        return None
    batch = item.case.batch_size or 1
    replayed, predicted = prediction.values("replayed_step_time"), prediction.values("predicted_step_time")
    return (float(np.mean(replayed)) - float(np.mean(predicted))) / batch if replayed and predicted else None


def _why_not(prediction: Record | None) -> str:
    if prediction is None:
        return "the replay has nothing to remove for it"
    return prediction.reason


def _footprint(records: Sequence[Record]) -> float:
    values = pooled(records, "model_footprint")
    return max(values) if values else math.nan


def _output(base: Record, item: Record) -> OutputChange:
    before, after = base.setup["output"], item.setup["output"]
    if (base.case.batch_size or 1) != (item.case.batch_size or 1):
        return OutputChange(None, None)
    one, other = np.asarray(before["logits"]), np.asarray(after["logits"])
    error = float(np.linalg.norm(other - one) / np.linalg.norm(one)) if one.shape == other.shape else None
    return OutputChange(agreement(before["tokens"], after["tokens"]), error)


def agreement(one: Sequence[Sequence[Sequence[int]]], other: Sequence[Sequence[Sequence[int]]]) -> float | None:
    """Share of new tokens before the first that differs, over all sequences ([call][row][token]); None for none."""
    pairs = [pair for a, b in zip(one, other, strict=False) for pair in zip(a, b, strict=False)]
    total = sum(len(a) for a, _ in pairs)
    return sum(_until_different(a, b) for a, b in pairs) / total if total else None


def _until_different(one: Sequence[int], other: Sequence[int]) -> int:
    differs = (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(differs, min(len(one), len(other)))


def removals(records: Sequence[Record], reference: str = REFERENCE) -> tuple[Removals, ...]:
    """For each arm whose causes were removed together: alone, together, and added one by one to the clean arm."""
    found = _by_setting(unbroken(records), INSTRUMENT)
    made = []
    for (setting, scheme), named in found.items():
        times = {name: estimate(walls).value for name, items in named.items() if (walls := _walls(items))}
        combined = [name for name in times if "+" in name]
        if not combined or NONE not in times:
            continue
        together = max(combined, key=lambda name: name.count("+"))
        base = _reference_time(found, setting, reference)
        made.append(_removals(scheme, together, times, base))
    return tuple(made)


def _reference_time(
    found: Mapping[_Key, Mapping[str, Sequence[Record]]], setting: tuple[tuple[str, Any], ...], reference: str
) -> float | None:
    schemes = [scheme for other, scheme in found if other == setting]
    base = reference_of(schemes, reference)
    items = found[setting, base].get(NONE, ()) if base else ()
    walls = _walls(items)
    return estimate(walls).value if walls else None


def _removals(scheme: str, together: str, times: Mapping[str, float], base: float | None) -> Removals:
    names = together.split("+")
    one = {name: times[NONE] - times[name] for name in names if name in times}
    total = times[NONE] - times[together]
    without = {left: "+".join(name for name in names if name != left) for left in names}
    added = {left: times[rest] - times[together] for left, rest in without.items() if rest in times}
    rest = times[together] - base if base is not None else None
    return Removals(scheme, together, total, one, added, total - sum(one.values()), rest)

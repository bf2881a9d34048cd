"""What the observers found, per Case: the decode step on GPU and host, the caches, and the host's stacks.

Each Case shows its latest record of an instrument that is ok, or else why there is none. Figures here carry the
observer's disturbance; none of them is a timing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bench.record.schema import Artifact, Case, Record
from bench.schemes.floating import unquantised

from .grouping import Coordinates, pooled, scheme_rank, setting_of
from .matmul import has_bias
from .traffic import traffic

TIMELINES = ("nsys", "kineto")
COUNTERS = ("ncu-cold", "ncu-warm")
HOST = ("py-spy-python", "py-spy-everything")
INSTRUMENTS = (*TIMELINES, *COUNTERS, *HOST)

STEP_METRICS = (
    "launches_per_step", "syncs_per_step", "copies_per_step", "kernels_per_step", "gpu_busy_per_step",
    "gpu_idle_per_step", "sync_stall_per_step", "host_busy_per_step", "gpu_tail_per_step", "operators_per_step",
    "operators_busy_per_step", "observed_step_time",
)  # fmt: skip
EventKind = Literal["operator", "range", "call"]
_EVENT_METRICS: dict[EventKind, str] = {
    "operator": "operator_event_cost", "range": "range_event_cost", "call": "call_event_cost"
}  # fmt: skip
HOST_CLASSES = ("python", "bitsandbytes", "dispatcher", "driver", "kernels", "waiting", "other")


def latest(records: Iterable[Record], instruments: Sequence[str] = INSTRUMENTS) -> tuple[Record, ...]:
    """One record per Case and instrument: the last that is ok, else the last. By setting, scheme, instrument."""
    found: dict[tuple[str, str], Record] = {}
    for record in records:
        key = (record.case_id, record.instrument)
        if record.instrument in instruments and (record.status == "ok" or found.get(key, record).status != "ok"):
            found[key] = record
    settings = {
        setting: place for place, setting in enumerate(dict.fromkeys(setting_of(r.case) for r in found.values()))
    }

    def order(record: Record) -> tuple[Any, ...]:
        return settings[setting_of(record.case)], scheme_rank(record.case.scheme), instruments.index(record.instrument)

    return tuple(sorted(found.values(), key=order))


@dataclass(frozen=True)
class EvidenceRow:
    """What every row tells: where it comes from, and why it is empty."""

    setting: Coordinates
    scheme: str
    instrument: str
    reason: str


def _counter_values(record: Record) -> dict[str, Any]:
    reason = "" if record.status == "ok" else record.reason
    case = record.case
    return {"setting": setting_of(case), "scheme": case.scheme, "instrument": record.instrument, "reason": reason}


@dataclass(frozen=True)
class StepRow(EvidenceRow):
    """``medians``: metric → median over the observed steps; ``not_collected``: metric → why it is not among them."""

    steps: int
    medians: Mapping[str, float]
    not_collected: Mapping[str, str]


def steps(records: Iterable[Record]) -> tuple[StepRow, ...]:
    """A row per Case and timeline."""
    return tuple(_step(record) for record in latest(records, TIMELINES))


def _step(record: Record) -> StepRow:
    medians = {name: float(np.median(values)) for name in STEP_METRICS if (values := record.values(name))}
    count = len(record.values("observed_step_time"))
    return StepRow(**_counter_values(record), steps=count, medians=medians, not_collected=record.not_collected)


@dataclass(frozen=True)
class CounterRow(EvidenceRow):
    """One decode step's counters. Rates are hits / (hits + misses) over all launches; None: not collected.

    ``modelled``: (low, high) bytes that the Linears of the step should move, from the traffic model; None where the
    layers were not measured in the same run.
    """

    caches: str
    launches: float | None
    l1_hit_rate: float | None
    l2_hit_rate: float | None
    dram_read: float | None
    dram_written: float | None
    kernel_time: float | None
    modelled: tuple[float, float] | None


def counters(records: Sequence[Record]) -> tuple[CounterRow, ...]:
    """A row per Case and state of the caches."""
    return tuple(_counter(record, records) for record in latest(records, COUNTERS))


def _counter(record: Record, records: Sequence[Record]) -> CounterRow:
    def one(name: str) -> float | None:
        return next(iter(record.values(name)), None)

    return CounterRow(
        **_counter_values(record),
        caches=record.instrument.removeprefix("ncu-"),
        launches=one("profiled_launches"),
        l1_hit_rate=_rate(one("l1_hits"), one("l1_misses")),
        l2_hit_rate=_rate(one("l2_hits"), one("l2_misses")),
        dram_read=one("dram_read"),
        dram_written=one("dram_written"),
        kernel_time=one("kernel_time"),
        modelled=modelled_bytes(record, records) if record.status == "ok" else None,
    )


def _rate(hits: float | None, misses: float | None) -> float | None:
    if hits is None or misses is None or hits + misses == 0:
        return None
    return hits / (hits + misses)


def modelled_bytes(of: Record, records: Iterable[Record]) -> tuple[float, float] | None:
    """(low, high) bytes of all Linears of one decode step, from the layer shapes that the run measured.

    A layer that quantisers leave alone (the output layer) counts in the model's own dtype.
    """
    case, arm = of.case, of.setup.get("arm")
    shapes: dict[tuple[str, int, int], int] = {}
    biased: dict[tuple[str, int, int], bool] = {}
    converted: set[tuple[str, int, int]] = set()
    for record in records:
        if not _same_model(record.case, case):
            continue
        shape = (str(record.case.layer), int(record.case.n or 0), int(record.case.k or 0))
        shapes[shape] = int(record.setup.get("count_in_model") or 0)
        biased[shape] = has_bias(record)
        if record.case.scheme == case.scheme:
            converted.add(shape)
    if not isinstance(arm, Mapping) or not converted or not all(shapes.values()):
        return None
    plain = unquantised(arm.get("dtype"))
    low = high = 0.0
    for shape, count in shapes.items():
        own = arm if shape in converted else plain
        moved = traffic(own, case.batch_size or 1, *shape[1:], device=case.device, bias=biased[shape])
        if moved is None:
            return None
        low, high = low + count * moved.low, high + count * moved.high
    return low, high


def _same_model(layer: Case, case: Case) -> bool:
    mine = (case.model, case.revision, case.device)
    return layer.workload == "matmul" and (layer.model, layer.revision, layer.device) == mine


@dataclass(frozen=True)
class HostRow(EvidenceRow):
    """``shares``: class → share of the ``samples`` inside the decode loop. ``behind``: seconds that py-spy lagged."""

    samples: int
    rate: float | None
    shares: Mapping[str, float]
    under_bitsandbytes: float | None
    behind: float


def host(records: Iterable[Record]) -> tuple[HostRow, ...]:
    """A row per Case and look."""
    return tuple(_host(record) for record in latest(records, HOST))


def _host(record: Record) -> HostRow:
    counts = {name: sum(record.values(f"host_samples_{name}")) for name in HOST_CLASSES}
    total = sum(counts.values())
    under = sum(record.values("host_samples_under_bitsandbytes"))
    return HostRow(
        **_counter_values(record),
        samples=int(total),
        rate=record.setup.get("rate_hz"),
        shares={name: count / total for name, count in counts.items()} if total else {},
        under_bitsandbytes=under / total if total else None,
        behind=float(record.setup.get("behind_s") or 0.0),
    )


@dataclass(frozen=True)
class TopRow(EvidenceRow):
    """One kernel or operator of a timeline: calls and seconds per observed step (an operator's own time)."""

    name: str
    of: str
    calls: float
    seconds: float


def top(records: Iterable[Record], most: int = 5) -> tuple[TopRow, ...]:
    """The ``most`` kernels (operators on a CPU) that take longest, per Case; from one timeline each."""
    rows: list[TopRow] = []
    done: set[str] = set()
    for record in latest(records, TIMELINES):
        found = record.setup.get("top")
        if record.status == "ok" and found and record.case_id not in done:
            done.add(record.case_id)
            rows += [_top(record, item) for item in found[:most]]
    return tuple(rows)


def _top(record: Record, item: Mapping[str, Any]) -> TopRow:
    count = len(record.values("observed_step_time")) or 1
    seconds = float(item.get("self_ns", item["total_ns"])) * 1e-9 / count
    of = str(record.setup.get("top_of", "kernels"))
    return TopRow(
        **_counter_values(record), name=str(item["name"]), of=of, calls=item["count"] / count, seconds=seconds
    )


@dataclass(frozen=True)
class Drawn:
    """A drawing that an observer of the host made; ``artifact`` is relative to the run folder."""

    case: Case
    artifact: Artifact


def drawn(records: Iterable[Record]) -> tuple[Drawn, ...]:
    """Those of the decode loop with native frames, one Case after the other; where there is none, Python's own."""
    chosen: dict[str, Record] = {}
    for record in latest(records, HOST):
        if record.status == "ok":
            chosen[record.case_id] = record  # "everything" is the later of the two
    return tuple(Drawn(record.case, artifact) for record in chosen.values() for artifact in record.artifacts)


@dataclass(frozen=True)
class RecordingCost:
    """What recording one event of a kind costs the host, in s, by the loops beside each timeline."""

    kind: EventKind
    seconds: float
    samples: int


def recording_costs(records: Sequence[Record]) -> tuple[RecordingCost, ...]:
    """The median of each kind that was timed."""
    timed = ((kind, pooled(records, name)) for kind, name in _EVENT_METRICS.items())
    return tuple(RecordingCost(kind, float(np.median(values)), len(values)) for kind, values in timed if values)


@dataclass(frozen=True)
class Observations:
    """All that observers found. ``any``: whether one ran at all."""

    any: bool
    steps: tuple[StepRow, ...]
    counters: tuple[CounterRow, ...]
    host: tuple[HostRow, ...]
    top: tuple[TopRow, ...]
    drawn: tuple[Drawn, ...]
    event_costs: tuple[RecordingCost, ...]


def observations(records: Sequence[Record]) -> Observations:
    """What the observers of a run found."""
    return Observations(
        any(record.instrument in INSTRUMENTS for record in records),
        steps(records), counters(records), host(records), top(records), drawn(records), recording_costs(records),
    )  # fmt: skip

"""How a node was while it measured (clocks, heat, throttling, others' work), and what of it is unlike the others.

Read from what every Record holds already: the state after its Case and, where energy was measured, samples under load.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.analysis.conditions import HARMLESS
from bench.record.schema import Record

from .outlying import LEAST, far


@dataclass(frozen=True)
class Reading:
    """One figure of a node's state. A node is unusual in it only where it is also ``relative`` (a share) and
    ``absolute`` (in ``unit``) away from the median node, because tiny spreads make any difference look large."""

    name: str
    unit: str
    read: Callable[[Record], Iterable[Any]]
    relative: float
    absolute: float


@dataclass(frozen=True)
class NodeState:
    """``figures``: name of a reading → median over the node's Records. ``throttled``: reason → share of the Records
    after which the GPU gave it; None where no Record tells."""

    figures: Mapping[str, float]
    throttled: Mapping[str, float] | None


def _state_after(name: str) -> Callable[[Record], Iterable[Any]]:
    return lambda record: (gpu.get(name) for gpu in _gpus(record))


def _metric(name: str) -> Callable[[Record], Iterable[Any]]:
    return lambda record: record.values(name)


def _other_processes(record: Record) -> Iterable[Any]:
    return (state.get("busy_others_cores") for state in (record.environment.before, record.environment.after))


def _gpus(record: Record) -> Iterable[Mapping[str, Any]]:
    found = record.environment.after.get("gpus") if record.case.device != "cpu" else None
    return [gpu for gpu in found if isinstance(gpu, Mapping)] if isinstance(found, list | tuple) else []


READINGS = (
    Reading("SM clock under load", "Hz", _metric("gpu_clock_sm"), 0.02, 0.0),
    Reading("SM clock after a Case", "Hz", _state_after("clock_sm_hz"), 0.02, 0.0),
    Reading("GPU temperature under load", "degC", _metric("gpu_temperature"), 0.0, 5.0),
    Reading("GPU temperature after a Case", "degC", _state_after("temperature_degc"), 0.0, 5.0),
    Reading("GPU power under load", "W", _metric("gpu_power"), 0.05, 0.0),
    Reading("CPU clock", "Hz", lambda record: (record.environment.after.get("cpu_clock_hz"),), 0.02, 0.0),
    Reading("cores busy with other work", "cores", _other_processes, 0.0, 0.25),
    Reading("other processes on the GPU", "", _state_after("other_processes"), 0.0, 1.0),
)


def states(own: Mapping[str, Sequence[Record]]) -> dict[str, NodeState]:
    """Node → its state, from the node's Records."""
    return {name: NodeState(_figures(records), _throttled(records)) for name, records in own.items()}


def _figures(records: Sequence[Record]) -> dict[str, float]:
    found = {}
    for reading in READINGS:
        values = [float(value) for record in records for value in reading.read(record) if _is_number(value)]
        if values:
            found[reading.name] = float(np.median(values))
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _throttled(records: Sequence[Record]) -> dict[str, float] | None:
    recorded = [gpus for record in records if (gpus := [gpu for gpu in _gpus(record) if "throttle_reasons" in gpu])]
    if not recorded:
        return None
    each = [{str(reason) for gpu in gpus for reason in gpu["throttle_reasons"] or ()} - HARMLESS for gpus in recorded]
    return {name: sum(name in found for found in each) / len(each) for name in sorted(set().union(*each))}


def unusual(known: Mapping[str, NodeState]) -> dict[str, tuple[str, ...]]:
    """Node → what of its state is unlike the other nodes', each as a text; () for most."""
    found: dict[str, list[str]] = {name: [] for name in known}
    for reading in READINGS:
        for name, text in _readings_apart(reading, known):
            found[name].append(text)
    for name, text in _slowed(known):
        found[name].append(text)
    return {name: tuple(texts) for name, texts in found.items()}


def _readings_apart(reading: Reading, known: Mapping[str, NodeState]) -> Iterable[tuple[str, str]]:
    values = {name: state.figures[reading.name] for name, state in known.items() if reading.name in state.figures}
    if len(values) < LEAST:
        return
    middle = float(np.median(list(values.values())))
    least = max(reading.relative * abs(middle), reading.absolute)
    for (name, value), apart in zip(values.items(), far(list(values.values())), strict=True):
        if apart and abs(value - middle) >= least:
            yield name, f"{reading.name} {_text(value, reading.unit)}, others {_text(middle, reading.unit)}"


def _slowed(known: Mapping[str, NodeState]) -> Iterable[tuple[str, str]]:
    """Reasons given after most of a node's Cases and by less than half of the nodes."""
    throttled = {name: state.throttled for name, state in known.items() if state.throttled is not None}
    often = {name: [reason for reason, share in shares.items() if share >= 0.5] for name, shares in throttled.items()}
    for name, reasons in often.items():
        for reason in reasons:
            if 2 * sum(reason in other for other in often.values()) < len(often):
                yield name, f"held back by {reason}"


def _text(value: float, unit: str) -> str:
    if unit == "Hz":
        return f"{value / 1e9:.3g} GHz"
    return f"{value:.3g} {'°C' if unit == 'degC' else unit}".rstrip()

"""What joules are set above: the machine with the model loaded and nothing to do, or the card that nobody uses.

*Context held, clocks up*: idle windows of the measuring process itself, whose CUDA context keeps the clocks up
(``idle_power``). *Card unused*: no context at all. The two may lie far apart (on an H100 72 and 119 to 125 W), and the
sign of a net difference hangs on which is meant: someone who keeps a model loaded all day has the first anyway, someone
who starts it for a job pays for the second. So both are told where both are known.

The unused card is measured by each process before it makes its context; for records of before there is the state of the
GPU that a run noted before its first process made one, W at one moment.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from bench.record.origin import node_of
from bench.record.schema import Record

from ..statistics.assumed import ENOUGH
from .idle_power import DRIFT
from .sources import EnergySource

Kind = Literal["held", "unused"]
NAMES: Mapping[Kind, str] = {"held": "context held, clocks up", "unused": "card unused, no context"}
# A run, and one of its nodes.
Where = tuple[str, str]


@dataclass(frozen=True)
class Unused:
    """``power`` in W; ``error``: its standard deviation, W. ``alike``: one reading for all processes of a run, so that
    they share its error."""

    power: float
    error: float
    alike: bool


@dataclass(frozen=True)
class Baselines:
    """``first``: of a run on a node, what its first state of the GPU says of the unused card."""

    first: Mapping[Where, Unused] = field(default_factory=dict)

    def unused(self, record: Record, source: EnergySource) -> Unused | None:
        """The unused card's power for this record; None where it is not known, or the source is no GPU's."""
        if source.counter != "gpu" or record.case.device == "cpu":
            return None
        seconds, joules = sum(record.values("unused_time")), sum(record.values("unused_energy_gpu"))
        if seconds > 0 and joules > 0:
            alone = not any(record.values("unused_gpu_other_processes"))
            return Unused(joules / seconds, DRIFT * joules / seconds, alike=False) if alone else None
        return self.first.get(_place_of(record))


def baselines(records: Iterable[Record]) -> Baselines:
    """Those of all runs among the records."""
    runs: dict[Where, list[Record]] = {}
    for record in records:
        runs.setdefault(_place_of(record), []).append(record)
    return Baselines({where: found for where, items in runs.items() if (found := _first(items))})


def _place_of(record: Record) -> Where:
    return record.run_id, node_of(record.environment)


def _first(records: Sequence[Record]) -> Unused | None:
    """The earliest state of a run, if the GPU was unused; how far the unused states of its processes lie apart is its
    error, DRIFT where there are fewer than three."""
    ordered = sorted(records, key=lambda record: record.started_at)
    states = [_unused_watts(record) for record in ordered]
    if not states or states[0] is None:
        return None
    power = states[0]
    known = list(dict.fromkeys(watts for watts in states if watts is not None))
    error = statistics.stdev(known) if len(known) >= ENOUGH else DRIFT * power
    return Unused(power, error, alike=True)


def _unused_watts(record: Record) -> float | None:
    """W of the one GPU of the machine before the record's work, if nobody used it."""
    states = record.environment.before.get("gpus")
    if not isinstance(states, Sequence) or len(states) != 1 or not isinstance(states[0], Mapping):
        return None
    state: Mapping[str, Any] = states[0]
    idle = "gpu_idle" in (state.get("throttle_reasons") or ())
    used = state.get("utilisation") or state.get("other_processes")
    watts = state.get("power_w")
    return float(watts) if idle and not used and isinstance(watts, int | float) and watts > 0 else None

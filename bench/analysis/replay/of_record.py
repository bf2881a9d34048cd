"""The replay of a run's own trace, without its observer as the run's ledger took it off."""

from __future__ import annotations

from bench.record.schema import Record

from ..ledger.pairs import Models
from ..ledger.read import STEP_RANGE
from ..observer.costs import recorded_costs
from ..timeline import Analysis
from .undisturb import Undisturbed
from .whatif import Replay


def replay_of(record: Record, analysis: Analysis, models: Models) -> Replay:
    """``analysis``: of the trace that ``record`` names; ``models``: of the run's observers on a CPU. Raises RecordError
    where the trace has no steps."""
    bitsandbytes = record.setup["ledger"]["bitsandbytes"]
    if analysis.devices:
        trace = Undisturbed(analysis, STEP_RANGE, bitsandbytes)
        return Replay.of(trace.recording(trace.plan(recorded_costs(record))))
    replay = Replay(analysis, bitsandbytes=bitsandbytes)
    model = models.get((record.instrument, record.case.device))
    return replay.less_observer(model) if model is not None else replay

"""What a timeline's Record keeps for the ledger: its steps by all that a rule looks at, as recorded and, of a GPU's,
without the observer. The lines are made of these when the Record is read (bench/analysis/ledger/stored.py)."""

from __future__ import annotations

from collections.abc import Container
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from bench.analysis.ledger.classes import rules_said
from bench.analysis.ledger.cpu import cpu_rows
from bench.analysis.ledger.gpu import gpu_rows, work_of
from bench.analysis.ledger.read import STEP_RANGE
from bench.analysis.ledger.stored import packed_rows
from bench.analysis.observer.costs import EventCosts
from bench.analysis.observer.replayed import without_observer
from bench.analysis.timeline import Analysis
from bench.record import causes as c
from bench.record.schema import Metric

Found = tuple[dict[str, Any], tuple[Metric, ...], dict[str, str]]


def of_analysis(
    analysis: Analysis,
    ranges: Container[str],
    costs: EventCosts,
    plain: float | None,
    bitsandbytes: str | None = None,
    step_range: str = STEP_RANGE,
) -> Found:
    """(setup, metrics, not collected). ``ranges``: the names of those in the trace; ``plain``: ns of a step of the
    observed call that was not observed, None where there is none; ``bitsandbytes``: the version that was traced (None:
    the installed one); ``step_range``: what an observed step is called."""
    if step_range not in ranges:
        return _nothing(f"the trace holds no range {step_range}")
    if not analysis.devices and not len(analysis.timeline.operators):
        return _nothing("the trace holds neither GPU work nor operators")
    bitsandbytes = bitsandbytes or _version("bitsandbytes")
    told: dict[str, Any] = {"bitsandbytes": bitsandbytes, "rules": rules_said()}
    if not analysis.devices:
        return {"ledger": {"device": "cpu", **told, **packed_rows(cpu_rows(analysis.timeline, step_range))}}, (), {}
    rows, undisturbed = gpu_rows(analysis, work_of(analysis, step_range), step_range), None
    if plain:
        found = without_observer(analysis, costs, plain, step_range, bitsandbytes)
        told["observer_scale"], undisturbed = found.scale, found.rows
    return {"ledger": {"device": "cuda", **told, **packed_rows(rows, undisturbed)}}, (), {}


def _nothing(reason: str) -> Found:
    return {}, (), {f"observed_{name}_per_step": reason for name in c.OBSERVED}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None

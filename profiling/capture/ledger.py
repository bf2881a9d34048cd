"""What a timeline's Record says for the ledger: every line per observed step, as recorded and without the observer."""

from __future__ import annotations

from collections.abc import Container
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from bench.analysis.ledger.costs import EventCosts, IdleSource, StepCosts
from bench.analysis.ledger.read import STEP_RANGE, step_costs
from bench.analysis.observer import without_observer
from bench.analysis.timeline import Analysis
from bench.record import causes as c
from bench.record.schema import Metric, metric

_NS = 1e-9
_MOST_SOURCES = 120
_MOST_UNKNOWN = 20


Found = tuple[dict[str, Any], tuple[Metric, ...], dict[str, str]]


def of_analysis(
    analysis: Analysis,
    ranges: Container[str],
    costs: EventCosts,
    plain: float | None,
    bitsandbytes: str | None = None,
) -> Found:
    """(setup, metrics, not collected). ``ranges``: the names of those in the trace; ``plain``: ns of a step of the
    observed call that was not observed, None where there is none; ``bitsandbytes``: the version that was traced (None:
    the installed one)."""
    if STEP_RANGE not in ranges:
        return _nothing(f"the trace holds no range {STEP_RANGE}")
    if not analysis.devices and not len(analysis.timeline.operators):
        return _nothing("the trace holds neither GPU work nor operators")
    bitsandbytes = bitsandbytes or _version("bitsandbytes")
    observed = step_costs(analysis, STEP_RANGE, bitsandbytes)
    metrics = _metrics("observed", observed)
    setup: dict[str, Any] = {"device": observed.device, "bitsandbytes": bitsandbytes}
    best = observed
    if analysis.devices and plain:
        found = without_observer(analysis, observed, costs, plain, STEP_RANGE, bitsandbytes)
        best = found.costs
        metrics += _metrics("ledger", best)
        setup |= {"observer_scale": found.scale}
    unknown = dict(sorted(observed.unknown.items(), key=lambda item: -item[1])[:_MOST_UNKNOWN])
    events = {name: _events(observed, name) for name in observed.causes if name in observed.events}
    attention = {name: (column * _NS).tolist() for name, column in best.attention.items()}
    setup |= {"sources": _sources(best), "unknown": unknown, "events": events, "attention_call": attention}
    missing = [name for name in c.OBSERVED if name not in observed.causes]
    return {"ledger": setup}, metrics, {f"observed_{name}_per_step": "a CPU waits for no device" for name in missing}


def _nothing(reason: str) -> Found:
    return {}, (), {f"observed_{name}_per_step": reason for name in c.OBSERVED}


def _metrics(kind: str, costs: StepCosts) -> tuple[Metric, ...]:
    known = ((name, column) for name, column in costs.causes.items() if name in c.OBSERVED)
    return tuple(metric(f"{kind}_{name}_per_step", column * _NS) for name, column in known)


def _sources(costs: StepCosts) -> list[dict[str, Any]]:
    """The largest sources of idle time, seconds per step each; what is left of a line is not among them."""
    ranked = sorted(costs.sources.items(), key=lambda item: -float(abs(item[1]).sum()))[:_MOST_SOURCES]
    return [{**vars(source), "seconds": (column * _NS).tolist(), **_events(costs, source)} for source, column in ranked]


def _events(costs: StepCosts, key: str | IdleSource) -> dict[str, list[int]]:
    """What the observer recorded inside the time of a cause or source, per step."""
    if key not in costs.events:
        return {}
    operators, ends = costs.events[key]
    return {"operators": operators.tolist(), "range_ends": ends.tolist()}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None

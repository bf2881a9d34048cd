"""The explanation of two traces as JSON, in the form of a run's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.analysis.ledger.closure import Line
from bench.analysis.statistics import Estimate
from bench.analysis.traces.pair import Timed, TracePair
from bench.analysis.traces.recorded import Recorded, RecordedLine
from bench.analysis.traces.taken import Taken

from .answer_json import balance_document, causes_document
from .answer_traces import TracesAsked
from .lines import source_document


def document(pair: TracePair, asked: TracesAsked, told: Sequence[Taken]) -> dict[str, Any]:
    """Two traces' explanation as JSON, in the form of a run's. What is not known is null, or an empty list."""
    timed = pair.timed
    return {
        "pairs": [
            {
                "model": None,
                "device": pair.device,
                "reference": str(asked.reference_path),
                "scheme": str(asked.candidate_path),
                "steps": list(pair.steps),
                "taken": [_taken(item) for item in told],
                "copies": [[vars(line) for line in lines] for lines in pair.copies],
                **(_no_time(pair) if timed is None else _timed(timed)),
                "recorded": _recorded(pair.recorded),
                "unknown": [{"name": name, "share": share} for name, share in pair.unknown],
            }
        ],
        "energy": [],
        "hypotheses": [],
        "remedies": [],
        "findings": [vars(finding) for finding in pair.findings],
    }


def _taken(item: Taken) -> dict[str, Any]:
    return {
        "steps": item.step_range,
        "said": item.said,
        "notes": list(item.notes),
        "inferred": item.inferred,
        "facts": dict(item.analysis.timeline.facts),
    }


def _no_time(pair: TracePair) -> dict[str, Any]:
    return {
        "verdict": pair.recorded.verdict, "ratio": None, "times": None, "answer_of_run": None,
        "times_missing": f"no time is known {pair.missing}",
        "unit": "step", "wall_ms": None, "delta_ms": None, "delta_ci": None, "lines": [],
        "lost_ms": None, "won_ms": None, "causes": [],
        "unexplained_ms": None, "predicted_savings": [], "predicted_missed_ms": None, "played": None, "refused": None,
        "uniform_factor": None, "sources": [],
    }  # fmt: skip


def _timed(timed: Timed) -> dict[str, Any]:
    closed, found = timed.closed, timed.diagnosis
    return {
        "verdict": timed.verdict,
        "ratio": _ratio(timed.ratio, timed.seen),
        "times": [{"ms": time.seconds * 1e3, "said": time.said} for time in timed.times],
        "times_missing": None,
        "answer_of_run": timed.run or None,
        "unit": timed.unit,
        "wall_ms": {"reference": closed.reference_ms, "scheme": closed.scheme_ms},
        "delta_ms": closed.delta.delta_ms,
        "delta_ci": [closed.delta.low, closed.delta.high],
        "lines": [_line(line) for line in closed.lines],
        "unexplained_ms": closed.unexplained_ms if closed.lines else None,
        **balance_document(timed.causes),
        "causes": causes_document(timed.causes),
        "predicted_savings": [
            {
                "cause": cost.cause, "ms": cost.mean * 1e-6, "sure": cost.sure,
                "ci": None if cost.reach is None
                else [(cost.mean - cost.reach) * 1e-6, (cost.mean + cost.reach) * 1e-6],
            }
            for cost in found.costs
        ],
        "predicted_missed_ms": None if found.refused else found.rest * 1e-6,
        "played": found.played or None,
        "refused": found.refused or None,
        "uniform_factor": found.uniform,
        "sources": [source_document(part) for part in timed.sources],
    }  # fmt: skip


def _ratio(ratio: Estimate, seen: bool) -> dict[str, Any]:
    return {
        "value": ratio.value, "ci": [ratio.low, ratio.high], "basis": ratio.basis,
        "assumed": None if seen else "how much processes differ",
    }  # fmt: skip


def _line(line: Line) -> dict[str, Any]:
    return {
        "cause": line.cause, "reference_ms": line.reference_ms, "scheme_ms": line.scheme_ms, "delta_ms": line.delta_ms,
        "ci": [line.low, line.high],
    }  # fmt: skip


def _recorded(found: Recorded) -> dict[str, Any]:
    return {
        "wall_ms": {"reference": found.wall_ms[0], "scheme": found.wall_ms[1]},
        "at_least_ms": {"reference": found.floor_ms[0], "scheme": found.floor_ms[1]},
        "ratio_between": [found.low, found.high],
        "lines": [_recorded_line(line) for line in found.lines],
    }


def _recorded_line(line: RecordedLine) -> dict[str, Any]:
    told = not line.inflated or line.sure
    return {
        "cause": line.cause, "reference_ms": line.reference_ms, "scheme_ms": line.scheme_ms,
        "delta_ms": line.delta_ms if told else None, "ci": [line.low, line.high] if told else None,
        "inflated": line.inflated,
    }  # fmt: skip

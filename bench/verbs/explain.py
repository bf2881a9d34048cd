"""``python -m bench explain``: the ledger of a run, or of any two traces."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.analysis.energy_ledger import EnergyPair, Split
from bench.analysis.explain import Explanation, explain
from bench.analysis.hardware import unlike_parts
from bench.analysis.hypotheses import Judged
from bench.analysis.ledger.closure import Closed, Line
from bench.analysis.ledger.pairs import Pair, SourceLine
from bench.analysis.remedies import Remedy
from bench.analysis.timeline import Analysis
from bench.analysis.traces import TracePair, explain_traces
from bench.record.causes import CORRECTIONS
from bench.record.errors import RecordError, UsageError
from bench.record.store import load
from bench.report.visible import dumps
from bench.verbs.report import planned_reference

NO_DISTURBANCE = "not known: the traces come with no unprofiled run"


def main(options: argparse.Namespace) -> int:
    """Print why."""
    if options.candidate is not None:
        return _traces(options)
    if options.run is None:
        raise UsageError("give a run folder, or two traces with --reference A --candidate B")
    return _run(options)


def _run(options: argparse.Namespace) -> int:
    records = load(options.run).records
    if not records:
        raise RecordError(f"{options.run} holds no records yet: run 'python -m bench run --out {options.run}'")
    reference = options.reference or planned_reference(options.run)
    # A sweep over unlike nodes is explained once per hardware, because no ledger may run from one to another.
    explained = {part.name: explain(part.records, reference=reference) for part in unlike_parts(records)}
    found = {name: each for name, each in explained.items() if each.pairs}
    if not found:
        raise RecordError(f"{options.run} holds no scheme beside an unquantised one: measure fp16 and another scheme")
    if options.json:
        print(dumps(run_document(found, several=len(explained) > 1)))
    else:
        _print_run(found, several=len(explained) > 1)
    return 0


def run_document(found: Mapping[str, Explanation], *, several: bool) -> dict[str, Any]:
    """A run's explanation as JSON; of several kinds of hardware as a list of such under "machines"."""
    if several:
        return {"machines": [{"machine": name, **document(each)} for name, each in found.items()]}
    return document(next(iter(found.values())))


def _print_run(found: Mapping[str, Explanation], *, several: bool) -> None:
    for name, each in found.items():
        if several:
            from rich.text import Text

            from bench.report.console import console as make_console

            make_console().print(Text(f"On {name}", style="bold underline"))
        _print(each)


def _traces(options: argparse.Namespace) -> int:
    if options.run is not None:
        raise UsageError("give either a run folder or two traces, not both")
    if options.reference is None:
        raise UsageError("--candidate needs --reference: the trace to set it against")
    reference, candidate = Path(options.reference), options.candidate
    one, other = (Analysis(options.read_timeline(path)) for path in (reference, candidate))
    pair = explain_traces(one, other, options.step_range)
    if options.json:
        print(dumps(trace_document(pair, reference, candidate)))
    else:
        _print_traces(pair, reference, candidate)
    return 0


def _line(line: Line) -> dict[str, Any]:
    return {
        "cause": line.cause,
        "reference_ms": line.reference_ms,
        "scheme_ms": line.scheme_ms,
        "delta_ms": line.delta_ms,
        "ci": [line.low, line.high],
        "assumed": line.assumed,
    }


def _source(part: SourceLine) -> dict[str, Any]:
    return {**vars(part), "delta_ms": part.delta_ms}


def _closed(closed: Closed) -> dict[str, Any]:
    return {
        "wall_ms": {"reference": closed.reference_ms, "scheme": closed.scheme_ms},
        "delta_ms": closed.delta.delta_ms,
        "delta_ci": [closed.delta.low, closed.delta.high],
        "delta_assumed": closed.delta.assumed,
        "lines": [_line(line) for line in ranked(closed)],
        "unexplained_ms": closed.unexplained_ms,
    }


def ranked(closed: Closed) -> list[Line]:
    """The largest difference first; the corrections last."""
    last = {name: place for place, name in enumerate(CORRECTIONS, 1)}
    return sorted(closed.lines, key=lambda line: (last.get(line.cause, 0), -abs(line.delta_ms)))


def document(found: Explanation) -> dict[str, Any]:
    """A run's explanation as JSON."""
    return {
        "pairs": [_pair(pair) for pair in found.pairs],
        "energy": [_energy(pair) for pair in found.energy],
        "interventions": [
            {
                "scheme": row.scheme, "name": row.name, "cause": row.cause, "sense": row.sense,
                "before_ms": row.before.value * 1e3, "after_ms": row.after.value * 1e3,
                "gain_ms": row.gain.value * 1e3, "gain_ci": [_ms(row.gain.low), _ms(row.gain.high)],
                "gain_assumed": row.gain.assumed,
                "predicted_gain_ms": _ms(row.predicted), "within": row.agrees, "verdict": row.verdict,
                "token_agreement": row.output.agreement, "logit_error": row.output.error,
            }
            for row in found.interventions
        ],
        "hypotheses": [_hypothesis(item) for item in found.hypotheses],
        "remedies": [_remedy(item) for item in found.remedies],
        "findings": [vars(finding) for finding in found.findings],
    }  # fmt: skip


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1e3


def _pair(pair: Pair) -> dict[str, Any]:
    return {
        "model": pair.model,
        "device": pair.device,
        "setting": dict(pair.setting),
        "reference": pair.reference,
        "scheme": pair.scheme,
        **_closed(pair.closed),
        "causes": [_line(line) for line in pair.causes],
        "sources": [_source(part) for part in pair.sources],
        "unknown": [{"name": name, "share": share} for name, share in pair.unknown],
        "instrument": pair.instrument or None,
        "missing": pair.missing or None,
        "observed_steps": list(pair.observed_steps),
    }


def _energy(pair: EnergyPair) -> dict[str, Any]:
    return {
        "reference": pair.reference, "scheme": pair.scheme, "source": pair.source,
        "estimated": bool(pair.estimated), "estimated_why": pair.estimated or None,
        "gross": _split(pair.gross), "net": _split(pair.net), "net_missing": pair.missing or None,
        "power_w": pair.power, "time_s_per_token": pair.time,
        "joules_per_passed_task": None, "passed_task_missing": "pass@1 was not measured in this run",
    }  # fmt: skip


def _split(split: Split | None) -> dict[str, Any] | None:
    if split is None:
        return None
    return {
        "reference_j": split.reference, "scheme_j": split.scheme, "delta_j": split.longer + split.power,
        "longer_time_j": split.longer, "other_power_j": split.power, "delta_ci": [split.delta.low, split.delta.high],
        "delta_assumed": split.delta.assumed,
    }  # fmt: skip


def _hypothesis(item: Judged) -> dict[str, Any]:
    document = {**vars(item), "evidence": list(item.evidence)}
    return {name: value for name, value in document.items() if name != "paper" or value}


def _remedy(item: Remedy) -> dict[str, Any]:
    return {
        "scheme": item.scheme, "change": item.title, "code": item.code, "gain_ms": item.gain * 1e3,
        "gain_ci": [_ms(item.low), _ms(item.high)], "gain_assumed": item.assumed, "price": item.price,
        "memory_bytes": item.memory, "basis": item.basis,
    }  # fmt: skip


def trace_document(pair: TracePair, reference: Path, candidate: Path) -> dict[str, Any]:
    """Two traces' explanation as JSON, in the form of a run's."""
    diagnosis = pair.diagnosis
    causes = [
        {
            "cause": cost.cause, "cost_ms": cost.mean * 1e-6,
            "ci": [(cost.mean - cost.reach) * 1e-6, (cost.mean + cost.reach) * 1e-6], "sure": cost.sure,
        }
        for cost in diagnosis.costs
    ]  # fmt: skip
    return {
        "pairs": [
            {
                "model": None,
                "device": pair.device,
                "reference": str(reference),
                "scheme": str(candidate),
                **_closed(pair.closed),
                "causes": causes,
                "causes_missed_ms": diagnosis.rest * 1e-6,
                "uniform_factor": diagnosis.uniform,
                "sources": [_source(part) for part in pair.sources],
                "unknown": [{"name": name, "share": share} for name, share in pair.unknown],
                "profiler_disturbance": NO_DISTURBANCE,
                "steps": list(pair.steps),
            }
        ],
        "energy": [],
        "hypotheses": [],
        "remedies": [],
    }


def _print(found: Explanation) -> None:
    from bench.report import ledger
    from bench.report.answer import answer
    from bench.report.console import console as make_console
    from bench.report.terminal import print_answer, print_finding_line, print_section

    console = make_console()
    told = answer(found)
    if told is not None:
        print_answer(told, console)
    for section in ledger.sections(found):
        if section is not None:
            print_section(section, console)
    for finding in found.findings:
        print_finding_line(finding, console)


def _print_traces(pair: TracePair, reference: Path, candidate: Path) -> None:
    from bench.report import tables_ledger
    from bench.report.console import console as make_console
    from bench.report.terminal import print_table

    console = make_console()
    note = f"ms per step, over {pair.steps[0]} and {pair.steps[1]} steps. profiler_disturbance: {NO_DISTURBANCE}."
    names = _short(reference, candidate)
    console_tables: Sequence[Any] = (
        tables_ledger.lines(f"Ledger: {names[0]} → {names[1]}", *names, pair.closed, note),
        tables_ledger.diagnosis(pair.diagnosis),
        tables_ledger.sources("Idle time", pair.sources),
    )
    for table in console_tables:
        if table is not None:
            print_table(table, console)


def _short(reference: Path, candidate: Path) -> tuple[str, str]:
    """File names, or where they are the same, their folders' names too."""
    if reference.name != candidate.name:
        return reference.name, candidate.name
    return f"{reference.parent.name}/{reference.name}", f"{candidate.parent.name}/{candidate.name}"

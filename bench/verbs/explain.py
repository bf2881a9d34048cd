"""``python -m bench explain``: the ledger of a run, or of any two traces."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from bench.analysis.energy_ledger import EnergyPair, Split
from bench.analysis.explain import Explanation, explain
from bench.analysis.hardware import unlike_parts
from bench.analysis.hypotheses import Judged
from bench.analysis.ledger.closure import Closed, Line
from bench.analysis.ledger.pairs import Pair, SourceLine
from bench.analysis.remedies import Remedy
from bench.record.causes import CORRECTIONS
from bench.record.errors import RecordError, UsageError
from bench.record.store import load
from bench.report.visible import dumps
from bench.verbs import explain_traces
from bench.verbs.report import planned_reference


def main(options: argparse.Namespace) -> int:
    """Print why."""
    if options.candidate is not None:
        return explain_traces.main(options)
    if options.reference_time is not None or options.candidate_time is not None:
        raise UsageError("--reference-time and --candidate-time are of two traces: a run has times of its own")
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


def _line(line: Line) -> dict[str, Any]:
    return {
        "cause": line.cause,
        "reference_ms": line.reference_ms,
        "scheme_ms": line.scheme_ms,
        "delta_ms": line.delta_ms,
        "ci": [line.low, line.high],
    }


def _source(part: SourceLine) -> dict[str, Any]:
    return {**vars(part), "delta_ms": part.delta_ms}


def _closed(closed: Closed) -> dict[str, Any]:
    return {
        "wall_ms": {"reference": closed.reference_ms, "scheme": closed.scheme_ms},
        "delta_ms": closed.delta.delta_ms,
        "delta_ci": [closed.delta.low, closed.delta.high],
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
    }  # fmt: skip


def _hypothesis(item: Judged) -> dict[str, Any]:
    document = {**vars(item), "evidence": list(item.evidence)}
    return {name: value for name, value in document.items() if name != "paper" or value}


def _remedy(item: Remedy) -> dict[str, Any]:
    return {
        "scheme": item.scheme, "change": item.title, "code": item.code, "gain_ms": item.gain * 1e3,
        "gain_ci": [_ms(item.low), _ms(item.high)], "price": item.price, "memory_bytes": item.memory,
        "basis": item.basis,
    }  # fmt: skip


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

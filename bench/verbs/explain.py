"""``python -m bench explain``: the ledger of a run, or of any two traces."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.analysis.energy_ledger import EnergyPair, Split
from bench.analysis.explain import Explanation, FirstAnswer, explain
from bench.analysis.hardware import unlike_parts
from bench.analysis.hypotheses import Judged
from bench.analysis.ledger.closure import Closed, Line
from bench.analysis.ledger.pairs import Pair, SourceLine
from bench.analysis.remedies import Remedy
from bench.hooks import attached_documents
from bench.kinds import MILLISECONDS
from bench.record.causes import CORRECTIONS
from bench.record.errors import RecordError, UsageError
from bench.record.store import load
from bench.record.suggested import again, quoted
from bench.report.attached import AttachedDocument
from bench.report.content import Commands
from bench.report.visible import dumps
from bench.report.words import AMOUNTS
from bench.verbs import explain_traces
from bench.verbs.answer_json import answer_document, balance_document, causes_document
from bench.verbs.choosing import add_choices, chosen
from bench.verbs.commands import commands
from bench.verbs.planned import plan_of
from bench.verbs.report import asked_reference
from bench.verbs.shared_options import add_step_options, add_verbose

EXAMPLES = """
explain reports/runs/mine
explain reports/runs/mine --scheme nf4 --batch-size 8
explain --reference fp16.sqlite --candidate nf4.sqlite
explain --reference a.json.gz --candidate b.json.gz --step-range 'execute_*' --json
explain --reference a.sqlite --candidate b.sqlite --reference-time 16 --candidate-time 20
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this verb."""
    add = parser.add_argument
    add("run", type=Path, nargs="?", help="run folder")
    add("--reference", metavar="A", help="a trace (nsys SQLite or Kineto JSON); with a run folder: a scheme")
    add("--candidate", type=Path, metavar="B", help="the trace to explain")
    unprofiled = "ms per step of this trace's steps without a profiler (default: that of the run folder it lies in)"
    add("--reference-time", type=MILLISECONDS, metavar="MS", help=unprofiled)
    add("--candidate-time", type=MILLISECONDS, metavar="MS", help=unprofiled)
    add("--reference-range", metavar="NAME", help="the same, of the reference alone")
    add("--candidate-range", metavar="NAME", help="the same, of the candidate alone")
    add_step_options(parser)
    add("--json", action="store_true", help="as JSON")
    add_choices(parser)
    add_verbose(parser)


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
        raise RecordError(f"{options.run} holds no records yet: run {quoted('run --out', options.run)}")
    planned = plan_of(options.run)
    reference = asked_reference(options.reference, options.run, records)
    # A sweep over unlike nodes is explained once per hardware, because no ledger may run from one to another.
    parts = unlike_parts(records)
    explained = {part.name: explain(part.records, reference=reference, asked=planned.asked) for part in parts}
    found = {name: each for name, each in explained.items() if each.pairs}
    if not found:
        raise RecordError(f"{options.run} holds no scheme beside an unquantised one: measure fp16 and another scheme")
    found, next_ = chosen(found, options), commands(options.run, records, planned.preset, options.reference)
    if options.json:
        print(dumps(run_document(found, next_, several=len(explained) > 1)))
    else:
        _print_run(found, next_, options, several=len(explained) > 1)
    return 0


def run_document(
    found: Mapping[str, Explanation], commands: Commands | None = None, *, several: bool
) -> dict[str, Any]:
    """A run's explanation as JSON; of several kinds of hardware as a list of such under "machines"."""
    if several:
        return {"machines": [{"machine": name, **document(each, commands)} for name, each in found.items()]}
    return document(next(iter(found.values())), commands)


def _print_run(
    found: Mapping[str, Explanation], commands: Commands, options: argparse.Namespace, *, several: bool
) -> None:
    for name, each in found.items():
        if several:
            from rich.text import Text

            from bench.report.console import console as make_console

            make_console().print(Text(f"On {name}", style="bold underline"))
        if options.verbose:
            _print(each, commands)
        else:
            _print_short(each, commands, options.argv)


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


def document(found: Explanation, commands: Commands | None = None) -> dict[str, Any]:
    """A run's explanation as JSON."""
    attached = attached_documents(found)
    return {
        "answer": answer_document(found, commands),
        "pairs": [_pair(pair) for pair in found.pairs],
        "energy": [_energy(pair, attached) for pair in found.energy],
        **{name: value for each in attached for name, value in each.document.items()},
        "interventions": [
            {
                "scheme": row.scheme, "name": row.name, "cause": row.cause, "sense": row.sense,
                "before_ms": row.before.value * 1e3, "after_ms": row.after.value * 1e3,
                "gain_ms": row.gain.value * 1e3, "gain_ci": [_ms(row.gain.low), _ms(row.gain.high)],
                "gain_assumed": row.gain.assumed, "gain_basis": row.gain.basis,
                "predicted_gain_ms": _ms(row.predicted), "within": row.agrees, "verdict": row.verdict,
                "first_gain_ms": _ms(row.first_gain.value if row.first_gain else None),
                "token_agreement": row.output.agreement, "logit_error": row.output.error,
            }
            for row in found.interventions
        ],
        "hypotheses": [_hypothesis(item) for item in found.hypotheses],
        "remedies": [_remedy(item) for item in found.remedies],
        "findings": [vars(finding) for finding in found.findings],
        "first_generation": [_first(answer) for answer in found.first],
    }  # fmt: skip


def _first(answer: FirstAnswer) -> dict[str, Any]:
    """What someone who generates once waits for, in one setting."""
    rows = [
        {
            "scheme": row.scheme, "new_length_ms": row.time_per_token.value * 1e3, "new_steps": row.steps,
            "ratio": row.ratio.value if row.ratio else None, "over_seen": row.own.value if row.own else None,
            "first_token_ms": _ms(row.first_token.value if row.first_token else None), "verdict": row.verdict,
        }
        for row in answer.rows
    ]  # fmt: skip
    ledgers = [
        {
            "before": item.before, "after": item.after, "observed": item.observed, "observed_steps": list(item.steps),
            "attention_plans_ms": item.plans_ms, **_closed(item.closed),
            "sources": [_source(part) for part in item.sources],
        }
        for item in answer.ledgers
    ]  # fmt: skip
    return {
        "setting": dict(answer.setting), "reference": answer.reference, "schemes": rows, "ledgers": ledgers,
        "basis": "decode steps at key-value lengths new to the process; all other figures are of lengths it had met",
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
        **balance_document(pair.causes),
        "causes": causes_document(pair.causes),
        "sources": [_source(part) for part in pair.sources],
        "unknown": [{"name": name, "share": share} for name, share in pair.unknown],
        "instrument": pair.instrument or None,
        "missing": pair.missing or None,
        "observed_steps": list(pair.observed_steps),
    }


def _energy(pair: EnergyPair, attached: Sequence[AttachedDocument]) -> dict[str, Any]:
    return {
        "reference": pair.reference, "scheme": pair.scheme, "source": pair.source,
        "estimated": bool(pair.estimated), "estimated_why": pair.estimated or None,
        "ratio": pair.ratio.value, "ratio_ci": [pair.ratio.low, pair.ratio.high],
        "verdict": AMOUNTS[pair.verdict] if pair.verdict else None,
        "no_verdict": pair.doubt or None,
        "gross": _split(pair.gross), "net": _split(pair.net), "net_missing": pair.missing or None,
        "net_of_unused": _split(pair.nets.get("unused")),
        "power_w": pair.power, "time_s_per_token": pair.time,
        **{name: value for each in attached for name, value in each.of_energy(pair).items()},
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
        "gain_ci": [_ms(item.low), _ms(item.high)], "price": item.price, "memory_bytes": item.memory,
        "basis": item.basis, "setting": dict(item.setting), "keeps": item.keeps, "predicted": item.predicted,
        "gain_assumed": item.assumed,
        "predicted_before_ms": _ms(item.foretold),
    }  # fmt: skip


def _print_short(found: Explanation, commands: Commands, argv: Sequence[str]) -> None:
    """``argv``: what was called, so that -v tells more of the same."""
    from bench.report.answer import answer
    from bench.report.brief import print_brief
    from bench.report.console import console as make_console

    rest = f"Ledger, energy, hypotheses, every remedy with its code: {shlex.join((*again(argv), '-v'))}"
    print_brief(answer(found, commands), (), found.findings, make_console(), rest)


def _print(found: Explanation, commands: Commands) -> None:
    from bench.report.answer import answer
    from bench.report.console import console as make_console
    from bench.report.sections import ledger
    from bench.report.terminal import print_answer, print_finding_line, print_section

    console = make_console()
    told = answer(found, commands)
    if told is not None:
        print_answer(told, console)
    for section in ledger.sections(found):
        if section is not None:
            print_section(section, console)
    for finding in found.findings:
        print_finding_line(finding, console)

"""``python -m bench whatif FILE``: the step's time with a cause removed or scaled, by playing the trace again."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from bench.analysis.replay.change import Change
from bench.analysis.traces.single import Prediction, predict
from bench.analysis.traces.taken import Taken
from bench.commandline import MILLISECONDS
from bench.record.errors import UsageError
from bench.record.timeline import about
from bench.report.documents import prediction_document
from bench.report.visible import dumps
from bench.verbs.opened import AskedTrace, opened
from bench.verbs.shared_options import add_step_options, add_verbose

EXAMPLES = """
whatif trace.sqlite --remove sync_stall
whatif trace.json.gz --scale host_gap=0.5 --scale dequantise=0.5
whatif trace.json.gz --cuda-graph --json
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this verb."""
    add = parser.add_argument
    add("file", type=Path, help="a trace: nsys SQLite or Kineto JSON")
    add("--remove", action="append", metavar="CAUSE", help="a line of the ledger; may be given several times")
    add("--scale", action="append", metavar="CAUSE=FACTOR", help="multiply a cause's cost; may be given several times")
    add("--cuda-graph", action="store_true", help="each step's launches become one")
    add(
        "--time", type=MILLISECONDS, metavar="MS",
        help="ms per step without a profiler (default: that of the run folder it lies in, else the step as recorded)",
    )  # fmt: skip
    add_step_options(parser)
    add("--json", action="store_true", help="as JSON")
    add_verbose(parser)


def main(options: argparse.Namespace) -> int:
    """Print the prediction."""
    change = _change(options)
    ((trace, taken),) = opened(options, [AskedTrace(options.file, options.time)])
    with about(options.file):
        found = predict(trace, change)
    if options.json:
        print(dumps(prediction_document(found, taken)))
    else:
        _print(found, taken, verbose=options.verbose)
    return 0


def _change(options: argparse.Namespace) -> Change:
    factors: dict[str, float] = {}
    for cause in options.remove or ():
        _check_once(factors, cause)
        factors[cause] = 0.0
    for text in options.scale or ():
        cause, _, factor = text.partition("=")
        _check_once(factors, cause)
        try:
            factors[cause] = float(factor)
        except ValueError:
            raise UsageError(f"--scale {text!r}: give a cause and a number, such as --scale host_gap=0.5") from None
    if not factors and not options.cuda_graph:
        raise UsageError("nothing to change: give --remove CAUSE, --scale CAUSE=FACTOR or --cuda-graph")
    return Change(factors, options.cuda_graph)


def _check_once(factors: Mapping[str, float], cause: str) -> None:
    if cause in factors:
        raise UsageError(f"{cause!r} is there twice in --remove and --scale: give each cause once")


def _print(prediction: Prediction, of: Taken, *, verbose: bool) -> None:
    from bench.report.console import console as make_console
    from bench.report.short import SAME_WITH_V, line, print_parts

    parts = [line(text) for text in _times(prediction)]
    parts += [line(f"  note: {text}", 1, "note") for text in _notes(prediction)]
    parts += [line(f"{text}.", 2, "note on the trace") for text in (of.said, *of.notes)]
    print_parts(parts, make_console(), f"Every note: {SAME_WITH_V}", whole=verbose)


def _times(prediction: Prediction) -> list[str]:
    """What is predicted first, then of what."""
    found = prediction.found
    if found.predicted_ms is None:
        first = f"  no prediction: {found.missing}"
    else:
        ratio = "" if found.ratio is None else f"×{found.ratio:.3f} of the replayed step"
        bounds = "" if found.low is None else f", 95 % interval {found.low:.4f} to {found.high:.4f} ms"
        first = f"  predicted  {found.predicted_ms:9.4f} ms  {ratio}{bounds}"
    return [
        f"{found.steps} steps, per step:",
        first,
        f"  replayed   {found.replayed_ms:9.4f} ms  unchanged",
        f"  measured   {found.measured_ms:9.4f} ms  {prediction.said}",
    ]


def _notes(prediction: Prediction) -> list[str]:
    notes = list(prediction.found.notes)
    if prediction.found.low is not None:
        notes.append(
            "how much another process would differ is assumed in the interval; the replay's error is not in it"
        )
    if prediction.missing:
        notes.append(f"no unprofiled time is taken: {prediction.missing}")
    return notes

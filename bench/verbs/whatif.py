"""``python -m bench whatif FILE``: the step's time with a cause removed or scaled, by playing the trace again."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from bench.analysis.replay.change import Change
from bench.analysis.replay.whatif import Replay, WhatIf
from bench.analysis.timeline import Analysis
from bench.record.errors import UsageError
from bench.report.visible import visible


def main(options: argparse.Namespace) -> int:
    """Print the prediction."""
    change = _change(options)
    found = Replay(Analysis(options.read_timeline(options.file)), options.step_range).whatif(change)
    if options.json:
        print(json.dumps({name: value for name, value in asdict(found).items() if name != "notes" or value}))
    else:
        _print(found)
    return 0


def _change(options: argparse.Namespace) -> Change:
    factors = dict.fromkeys(options.remove or (), 0.0)
    for text in options.scale or ():
        cause, _, factor = text.partition("=")
        try:
            factors[cause] = float(factor)
        except ValueError:
            raise UsageError(f"--scale {text!r}: give a cause and a number, such as --scale host_gap=0.5") from None
    if not factors and not options.cuda_graph:
        raise UsageError("nothing to change: give --remove CAUSE, --scale CAUSE=FACTOR or --cuda-graph")
    return Change(factors, options.cuda_graph)


def _print(found: WhatIf) -> None:
    print(f"{found.steps} steps, per step:")
    print(f"  measured   {found.measured_ms:9.4f} ms  as recorded, with the observer's disturbance")
    print(f"  replayed   {found.replayed_ms:9.4f} ms  unchanged")
    print(f"  predicted  {found.predicted_ms:9.4f} ms  ×{found.ratio:.3f} of the replayed step")
    for note in found.notes:
        print(f"  note: {visible(note)}")

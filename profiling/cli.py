"""The profilers' command line: its verbs as a list. A verb is a line here and a module with its options."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from bench.commandline import CommandLine, Verb
from bench.output import accept_any_terminal, ended
from bench.record.secrets import mask_argv
from bench.record.suggested import called_as

EXIT_CODES = """exit codes:
  0    done
  1    done, but a tool failed
  2    bad input, or this machine lacks what was asked for: one line says what
       to do
  130  interrupted (143: ended by SIGTERM, 129: by SIGHUP)
"""
MODULE = "python -m profiling"
DESCRIPTION = "Read, and record, what the GPU and the host did."

_CAPTURE = "profiling.verbs.capture"
VERBS = {
    "summarize": Verb(
        "profiling.verbs.summarize", "sum up a trace or counters, also one that this program did not record"
    ),
    "export": Verb(
        "profiling.verbs.export",
        "write a run's records as CSV or Parquet, or a timeline as a Chrome trace for Perfetto",
    ),
    "kineto": Verb(_CAPTURE, "record the timeline of a few decode steps with torch.profiler"),
    "nsys": Verb(_CAPTURE, "record the timeline of a few decode steps with Nsight Systems"),
    "ncu": Verb(_CAPTURE, "count cache hits, memory traffic and stalls of one decode step with Nsight Compute"),
    "host": Verb(_CAPTURE, "sample the host's stacks in the decode loop with py-spy"),
    "all": Verb(_CAPTURE, "all of these that this machine allows, and why the rest is not collected"),
}


def main(argv: Sequence[str] | None = None, program: str = MODULE) -> int:
    """Run one verb; returns the exit code. ``program``: what the user called, for help and errors."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    accept_any_terminal()
    recorded = mask_argv(("python", "-m", "profiling", *arguments))
    with called_as(program):
        return ended(lambda: _program(program).call(arguments, argv=recorded), debug="--debug" in arguments)


def _program(name: str) -> CommandLine:
    return CommandLine(name, DESCRIPTION, EXIT_CODES, VERBS)


def parser(program: str = MODULE) -> argparse.ArgumentParser:
    """All verbs and their options."""
    return _program(program).parser()

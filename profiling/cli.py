"""The profilers' command line: verbs and their options. Each verb's module is imported only when it is called."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.kinds import COUNT, Parser
from bench.output import accept_any_terminal, ended

Options = argparse.ArgumentParser

EXIT_CODES = """exit codes:
  0    done
  1    done, but a tool failed
  2    bad input, or this machine lacks what was asked for: one line says what to do
  130  interrupted
"""


PROGRAM = "python -m profiling"


def main(argv: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Run one verb; returns the exit code. ``program``: what the user called, for help and errors."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    accept_any_terminal()
    return ended(lambda: _call(arguments, program), debug="--debug" in arguments)


def _call(arguments: Sequence[str], program: str) -> int:
    options = parser(program).parse_args(arguments)
    verb = import_module(f"profiling.verbs.{options.verb}")
    return int(verb.main(options))


def parser(program: str = PROGRAM) -> argparse.ArgumentParser:
    parser = Parser(
        prog=program,
        description="Read, and record, what the GPU and the host did.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    add_verbs(verbs)
    return parser


def add_verbs(verbs: Any) -> None:
    """Every verb of this room to a parser's ``verbs``."""
    for name, (help_text, add_options) in VERBS.items():
        verb = verbs.add_parser(name, help=help_text, description=help_text)
        verb.add_argument("--debug", action="store_true", help="show the traceback of an error")
        add_options(verb)


def _summarize(parser: Options) -> None:
    parser.add_argument(
        "file", type=Path, help="nsys .sqlite or .nsys-rep, Kineto .json or .json.gz, .ncu-rep, ncu CSV"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--tables", action="store_true", help="timelines: add the reports of `nsys stats`")
    parser.add_argument("--kernels", action="store_true", help="timelines: the kernels alone, which is quicker")
    parser.add_argument(
        "--top", type=COUNT, default=20, metavar="N", help="rows per table, not for --json (default 20)"
    )


def _export(parser: Options) -> None:
    parser.add_argument("file", type=Path, help="a timeline: nsys .sqlite or .nsys-rep, Kineto .json or .json.gz")
    parser.add_argument("out", type=Path, help="the Chrome trace to write; .gz is packed")


def _capture(parser: Options) -> None:
    from .capture.options import add_options

    add_options(parser)


# A verb is a line here and a module profiling/verbs/<name>.py with main(options) -> exit code.
VERBS: dict[str, tuple[str, Callable[[Options], None]]] = {
    "summarize": ("Sum up a trace or counters, also one that this program did not record.", _summarize),
    "export": ("Write a timeline as a Chrome trace, for ui.perfetto.dev.", _export),
    "kineto": ("Record the timeline of a few decode steps with torch.profiler.", _capture),
    "nsys": ("Record the timeline of a few decode steps with Nsight Systems.", _capture),
    "ncu": ("Count cache hits, memory traffic and stalls of one decode step with Nsight Compute.", _capture),
    "host": ("Sample the host's stacks in the decode loop with py-spy.", _capture),
    "all": ("All of these that this machine allows, and why the rest is not collected.", _capture),
}

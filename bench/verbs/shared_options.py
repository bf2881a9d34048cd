"""Options that several verbs have. What they mean is the verb's."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.record.suggested import quoted


def add_verbose(parser: argparse.ArgumentParser) -> None:
    """--verbose."""
    parser.add_argument("-v", "--verbose", action="store_true", help="print the tables too, not the answer alone")


def add_no_report(parser: argparse.ArgumentParser, what: str = "measure") -> None:
    """--no-report, of a verb that else only does ``what``."""
    help_ = f"{what} only; {quoted('report')} writes the report"
    parser.add_argument("--no-report", action="store_true", help=help_)


def add_anonymous(parser: argparse.ArgumentParser, where: str) -> None:
    """--anonymous, of a verb that writes to ``where``."""
    help_ = f"no host, user, folder or secret in {where}: docs/safety.md"
    parser.add_argument("--anonymous", action="store_true", help=help_)


STEPS = ("found", "ranges", "period", "whole")
STEP_OPTIONS = ("step_range", "reference_range", "candidate_range", "steps", "rank", "device", "classes")


def add_step_options(parser: argparse.ArgumentParser) -> None:
    """Of ``explain`` and ``whatif``: which steps of a trace are meant, whose, and what kernels are."""
    group = parser.add_argument_group("of traces (default: the steps are found, and it is said which)")
    add = group.add_argument
    add("--step-range", metavar="NAME", help="range of one step; * and ? stand for what varies, such as 'execute_*'")
    add(
        "--steps", choices=STEPS, default="found",
        help="ranges: these alone; period: each to the start of the next; whole: all of a trace as one step (default: "
        "as the traces have it, which is said)",
    )  # fmt: skip
    add("--rank", type=int, metavar="N", help="of several processes this one's work (default: the first with steps)")
    add("--device", type=int, metavar="N", help="only the work of this GPU")
    add("--classes", type=Path, metavar="FILE", help="rules of your own for names of kernels: docs/your-own-traces.md")

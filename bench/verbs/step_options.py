"""The options of ``explain`` and ``whatif`` that say which steps of a trace are meant, whose, and what kernels are."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_step_options(parser: argparse.ArgumentParser) -> None:
    """Their options."""
    group = parser.add_argument_group("of traces (default: the steps are found, and it is said which)")
    add = group.add_argument
    add("--step-range", metavar="NAME", help="range of one step; * and ? stand for what varies, such as 'execute_*'")
    add("--steps", choices=("found", "whole"), default="found", help="whole: all of a trace as one step")
    add("--rank", type=int, metavar="N", help="of several processes this one's work (default: the first with steps)")
    add("--device", type=int, metavar="N", help="only the work of this GPU")
    add("--classes", type=Path, metavar="FILE", help="rules of your own for names of kernels: docs/your-own-traces.md")

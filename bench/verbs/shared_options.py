"""Options that several verbs have: what they mean is the verb's. Options that would do nothing, or that contradict each
other, are refused before anything is read or measured."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.record.errors import RecordError, UsageError
from bench.record.suggested import quoted

if TYPE_CHECKING:
    from bench.analysis.explain import Explanation

# What an option is where nobody gave it, other than None, False and ().
_UNSAID: Mapping[str, Any] = {"preset": "auto", "seed": 0, "steps": "found", "dataset": "humanevalplus", "judge": "own"}
CHOICES = ("scheme", "model", "batch_size", "prompt_tokens", "new_tokens", "cache")


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


def run_folder(folder: Path) -> Path:
    """The folder that a user gave for a run's. Raises RecordError where it is none."""
    if not folder.is_dir():
        raise RecordError(f"{folder} is not a run folder: give the folder that {quoted('run')} printed")
    return folder


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


def options_given(options: argparse.Namespace, names: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """(name, value) of those of these options that say something."""
    for name in names:
        value = getattr(options, name, None)
        if value is not None and value is not False and value != () and value != _UNSAID.get(name):
            yield name, value


def refuse(options: argparse.Namespace, names: Iterable[str], why: str) -> None:
    """Raises UsageError where one of these options is given: ``why`` it has no place here, and what to do."""
    for name, _ in options_given(options, names):
        raise UsageError(f"{flag(name)}: {why}")


def refuse_together(options: argparse.Namespace, one: str, others: Collection[str], why: str) -> None:
    """Raises UsageError where the first is given with one of the others."""
    if any(options_given(options, (one,))):
        for name, _ in options_given(options, others):
            raise UsageError(f"{flag(one)} and {flag(name)} exclude each other: {why}")


def flag(name: str) -> str:
    """As it is typed."""
    return f"--{_FLAGS.get(name, name).replace('_', '-')}"


_FLAGS = {"dropped_layers": "drop_layers", "tries": "no_tries", "prompt_lengths": "prompt_tokens"}


def add_choices(parser: argparse.ArgumentParser) -> None:
    """Their options."""
    group = parser.add_argument_group("of a run with several settings (default: batch 1, else the first of its plan)")
    group.add_argument("--scheme", metavar="NAME", help="explain this scheme")
    group.add_argument("--model", metavar="NAME", help="of this model")
    group.add_argument("--batch-size", type=int, metavar="N", help="at this batch size")
    group.add_argument("--prompt-tokens", type=int, metavar="N", help="with prompts of this length")
    group.add_argument("--new-tokens", type=int, metavar="N", help="with so many new tokens")
    group.add_argument("--cache", metavar="KIND", help="with this key-value cache")


def _wanted(options: argparse.Namespace) -> dict[str, Any]:
    return {name: value for name in CHOICES if (value := getattr(options, name)) is not None}


def refuse_choices(options: argparse.Namespace) -> None:
    """Raises UsageError where one is given and there is nothing to choose from."""
    for name in _wanted(options):
        raise UsageError(f"--{name.replace('_', '-')} is for a run folder: two traces have one setting")


def chosen(found: Mapping[str, Explanation], options: argparse.Namespace) -> dict[str, Explanation]:
    """What is wanted, by hardware; hardware that did not measure it is left out. Raises UsageError where none has."""
    from bench.analysis.explain import narrowed  # here, because --help must not wait for numpy

    wanted = _wanted(options)
    kept: dict[str, Explanation] = {}
    refused: UsageError | None = None
    for name, each in found.items():
        try:
            kept[name] = narrowed(each, wanted)
        except UsageError as error:
            refused = error
    if refused is not None and not kept:
        raise refused
    return kept

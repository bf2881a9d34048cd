"""The options of ``explain`` that choose among what a run measured: a scheme, a model, a setting."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bench.record.errors import UsageError

if TYPE_CHECKING:
    from bench.analysis.explain import Explanation

CHOICES = ("scheme", "model", "batch_size", "prompt_tokens", "new_tokens", "cache")


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

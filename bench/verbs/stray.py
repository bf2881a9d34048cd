"""Options that would do nothing, or that contradict each other: refused before anything is read or measured."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from bench.record.errors import UsageError

# What an option is where nobody gave it, other than None, False and ().
_UNSAID: Mapping[str, Any] = {"preset": "auto", "seed": 0, "steps": "found", "dataset": "humanevalplus", "judge": "own"}


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

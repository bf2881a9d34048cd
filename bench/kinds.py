"""What a command line may hold: values within bounds, and a parser whose every error is one line."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from bench.record.errors import UsageError

Kind = Callable[[str], int]
Number = Callable[[str], float]


class Parser(argparse.ArgumentParser):
    """A parser, and those of its verbs, that raises UsageError in the place of printing its usage and leaving.

    An option is never taken for another because it begins alike.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{"allow_abbrev": False} | options)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does; a text that is empty says nothing, and is no other way to leave an option out."""
        options = super().parse_args(args, namespace)
        for name, value in vars(options).items():
            if isinstance(value, str) and not value.strip():
                self.error(f"argument --{name.replace('_', '-')}: {value!r} says nothing, leave the option out instead")
        return options

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does, but for words that are not known: they are an error of the verb that they were given to."""
        options, unknown = super().parse_known_args(args, namespace)
        if unknown:
            near = get_close_matches(unknown[0].partition("=")[0], self._option_string_actions, n=1)
            self.error(f"unrecognized arguments: {' '.join(unknown)}{_offered(near)}")
        return options, unknown

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}{_meant(message)}; see '{self.prog} --help'")


def _meant(message: str) -> str:
    """What a misspelt word may have meant, of those that argparse's message offers."""
    wrong = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)$", message)
    near = get_close_matches(wrong[1], re.findall(r"[\w.-]+", wrong[2]), n=1) if wrong else []
    return _offered(near)


def _offered(near: Sequence[str]) -> str:
    return f". Did you mean {near[0]!r}?" if near else ""


def whole_number(least: int, most: int, what: str = "the number") -> Kind:
    """The kind of a whole number from ``least`` to ``most``. ``what``: it is called so."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"give a whole number of at least {least}, not {text!r}") from None
        if not least <= value <= most:
            how = f"larger: at least {least}" if value < least else f"smaller: at most {most}"
            raise argparse.ArgumentTypeError(f"{what} must be {how}, not {text}")
        return value

    return parse


def number(least: float, most: float) -> Number:
    """The kind of a number over ``least`` and up to ``most``."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least < value <= most:
            raise argparse.ArgumentTypeError(f"give a number over {least:g} and up to {most:g}, not {text!r}")
        return value

    return parse


def names(text: str) -> tuple[str, ...]:
    """The names between the commas: at least one, none empty."""
    found = tuple(name.strip() for name in text.split(","))
    if not all(found):
        raise argparse.ArgumentTypeError(f"a name is missing in {text!r}: give them as A,B")
    return found


def each_once(text: str) -> tuple[str, ...]:
    """The same, none twice."""
    return _different(names(text))


def numbers(kind: Kind, *, or_none: bool = False) -> Callable[[str], tuple[int, ...]]:
    """The kind of a list of such numbers. ``or_none``: an empty text is a list without any."""

    def parse(text: str) -> tuple[int, ...]:
        if or_none and not text:
            return ()
        return tuple(map(kind, each_once(text)))

    return parse


def layer_sets(text: str) -> tuple[str, ...]:
    """Sets of layers apart by semicolons; an empty one is the whole model."""
    from bench.presets.forms import LAST
    from bench.workloads import pruning

    sets = tuple(part.strip() for part in text.split(";"))
    for part in sets:
        try:
            if part.startswith(LAST):
                whole_number(0, pruning.MOST)(part.removeprefix(LAST))
            else:
                pruning.parse(part)
        except UsageError as error:
            raise argparse.ArgumentTypeError(str(error)) from error
    return _different(sets)


def _different(members: tuple[str, ...]) -> tuple[str, ...]:
    twice = next((name for place, name in enumerate(members) if name in members[:place]), None)
    if twice is not None:
        raise argparse.ArgumentTypeError(f"{twice!r} is there twice: give each once")
    return members


# The bounds that several verbs share. The upper ones keep a slip of the finger from planning for ever.
MANY = 1_000_000
BATCH = whole_number(1, 65_536, "batch size")
TOKENS = whole_number(2, MANY)
INTEGER = whole_number(-MANY, MANY)  # of which the verb says more
COUNT = whole_number(1, MANY)
COUNT_OR_NONE = whole_number(0, MANY)
REPEATS = whole_number(1, 10_000)
ROWS_OR_NONE = numbers(whole_number(1, 1 << 24), or_none=True)
THREADS = whole_number(1, 4_096)
WORKERS = whole_number(1, 1_024)
SEED = whole_number(0, (1 << 53) - 1)
SECONDS = number(0, 86_400)
MILLISECONDS = number(0, 86_400_000)
JOULES = number(0, 1e12)

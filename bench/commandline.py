"""A program of several verbs: its parser, made of what the modules of the verbs declare; how a verb is called; and what
a command line may hold: values within bounds, and a parser whose every error is one line.

``--help`` of the program imports no verb; of a verb, that one alone.
"""

from __future__ import annotations

import argparse
import gc
import math
import re
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from textwrap import fill
from types import FrameType
from typing import Any, NoReturn

from bench.record.errors import UsageError
from bench.record.suggested import broken

# What argparse does not wrap by itself.
_WIDTH = 80
_DEBUG = "show the traceback of an error"
Kind = Callable[[str], int]
Number = Callable[[str], float]
# Objects made until Python looks for cycles among them: a verb makes few and ends soon, and with Python's own number
# (700; 2,000 since 3.14) a tenth of its time goes into looking.
_COLLECT_AFTER = 50_000


@dataclass(frozen=True)
class Verb:
    """``module``: it holds EXAMPLES (a command line each, less the program), ``add_options(parser)`` and
    ``main(options)``, which returns the exit code. ``help``: one line."""

    module: str
    help: str


@dataclass(frozen=True)
class CommandLine:
    """``name``: what the user called, for help and errors."""

    name: str
    description: str
    exit_codes: str
    verbs: Mapping[str, Verb]

    def parser(self, called: str | None = None) -> argparse.ArgumentParser:
        """The parser of the verb that is ``called``, without the others; "" for one of all verbs without their options,
        None for one of all with them."""
        parser = Parser(
            prog=self.name,
            description=fill(self.description, _WIDTH),
            epilog=self.exit_codes,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.add_argument("--debug", action="store_true", help=_DEBUG)
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        for name, verb in self.verbs.items():
            if called in self.verbs and called != name:
                continue
            made = verbs.add_parser(name, help=verb.help, formatter_class=argparse.RawDescriptionHelpFormatter)
            if called in (None, name):
                self._declare(made, name, verb)
        return parser

    def _declare(self, parser: argparse.ArgumentParser, name: str, verb: Verb) -> None:
        module = import_module(verb.module)
        parser.description = fill(f"{verb.help[0].upper()}{verb.help[1:]}.", _WIDTH)
        lines = (f"  {self.name} {line}" for line in module.EXAMPLES.strip().splitlines())
        examples = "".join(f"{broken(line, _WIDTH)}\n" for line in lines)
        parser.epilog = f"examples:\n{examples}\n{self.exit_codes}"
        # SUPPRESS keeps a --debug that was given before the verb.
        parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=_DEBUG)
        module.add_options(parser)
        if schema_file(name).is_file():
            parser.add_argument(
                "--json-schema", action=_ShowSchema, nargs=0, const=name, help="print the JSON Schema of --json"
            )

    def options(self, arguments: Sequence[str], **more: Any) -> argparse.Namespace:
        """The options of one verb. ``more``: what they hold beside. Raises UsageError for what cannot be parsed."""
        before = list(takewhile(lambda word: word.startswith("-"), arguments))
        helps = not {"-h", "--help"}.isdisjoint(before)  # of the program: it lists all verbs
        called = "" if helps else next(iter(arguments[len(before) :]), "")
        options = self.parser(called).parse_args(arguments)
        for name, value in more.items():
            setattr(options, name, value)
        return options

    def call(self, arguments: Sequence[str], **more: Any) -> int:
        """Parse and run one verb; returns its exit code. ``more``: what its options hold beside.

        Raises UsageError for what cannot be parsed, KeyboardInterrupt where a signal ends it.
        """
        gc.set_threshold(_COLLECT_AFTER)
        options = self.options(arguments, **more)
        _end_in_order()
        return int(import_module(self.verbs[options.verb].module).main(options))


def schema_file(verb: str) -> Path:
    """The JSON Schema of what a verb prints with --json. Of a verb without --json there is none."""
    return Path(__file__).parent / "data" / "schemas" / f"{verb}.json"


class _ShowSchema(argparse.Action):
    """Prints the schema and leaves, whatever else is missing, as --help does."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        print(schema_file(str(self.const)).read_text(encoding="utf-8"), end="")
        parser.exit()


def _end_in_order() -> None:
    """SIGTERM, and the end of the terminal, end a verb as ctrl-C does, unless they are ignored (nohup)."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt(128 + number)


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

"""A program of several verbs: its parser, made of what the modules of the verbs declare, and how a verb is called.

``--help`` of the program imports no verb; of a verb, that one alone.
"""

from __future__ import annotations

import argparse
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from textwrap import fill
from types import FrameType
from typing import Any

from bench.kinds import Parser
from bench.record.suggested import broken

# What argparse does not wrap by itself.
_WIDTH = 80
_DEBUG = "show the traceback of an error"


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

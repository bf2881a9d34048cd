"""The command ``bitledger``: the verbs of ``python -m bench`` and of ``python -m profiling`` under one name."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec

import bench.cli
import profiling.cli
from bench.commandline import CommandLine
from bench.output import accept_any_terminal, ended
from bench.record.errors import UsageError
from bench.record.suggested import FACE

# Verbs that load a model.
MEASURING = frozenset(("run", "rerun", "intervene", "kineto", "nsys", "ncu", "host", "all"))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb of either room; returns the exit code. Without a verb: a short help."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    verb = next((word for word in arguments if not word.startswith("-")), None)
    both = CommandLine(FACE, bench.cli.DESCRIPTION, bench.cli.EXIT_CODES, bench.cli.verbs_there() | profiling.cli.VERBS)
    if not arguments:
        accept_any_terminal()
        print(short_help(list(both.verbs)))
        return 0
    if verb is None and set(arguments) <= {"-h", "--help"}:
        accept_any_terminal()
        both.parser("").print_help()
        return 0
    if verb not in both.verbs and verb not in bench.cli.HIDDEN:
        return ended(lambda: both.call(arguments), debug="--debug" in arguments)
    if _measures(verb, arguments) and find_spec("torch") is None:
        return ended(lambda: _refuse(verb), debug="--debug" in arguments)
    room = profiling.cli if verb in profiling.cli.VERBS else bench.cli
    return int(room.main(arguments, FACE))


# Of the short help: what a user has or wants, and the verbs by what they are for.
_DOORS = (
    ("my model", "run, then bitledger explain RUN"),
    ("my two traces", "explain --reference A --candidate B"),
    ("the study, settled", "study"),
    ("what can be measured here", "doctor"),
)
_ROOMS = {
    "measure": ("run", "rerun", "intervene", "gather", "evaluate"),
    "observe": ("kineto", "nsys", "ncu", "host", "all"),
    "understand": ("explain", "report", "compare", "whatif", "summarize", "tradeoff", "energy"),
    "keep": ("show", "verify", "share", "export"),
    "look up": ("list", "doctor", "study"),
}


def short_help(verbs: Sequence[str]) -> str:
    """A screen for who typed the name alone: ``verbs`` are those that are there."""
    rooms = {room: [verb for verb in members if verb in verbs] for room, members in _ROOMS.items()}
    known = {verb for members in rooms.values() for verb in members}
    rooms["more"] = [verb for verb in verbs if verb not in known]
    return "\n".join(
        (
            f"usage: {FACE} VERB …",
            "",
            "Why is the quantised model slower, and what do I change?",
            "",
            *(f"  {what:<27} {FACE} {how}" for what, how in _DOORS if how.split()[0].strip(",") in verbs),
            "",
            *(f"  {room:<12} {', '.join(members)}" for room, members in rooms.items() if members),
            "",
            f"{FACE} VERB --help: its options, with examples",
            f"{FACE} --help: what each verb does",
        )
    )


def _measures(verb: str | None, arguments: Sequence[str]) -> bool:
    """Whether a model is loaded here; a sweep is watched and cancelled, and a repeat foretold, without one. The plan of
    a sweep looks at its model, also where nothing is submitted."""
    words = {word.partition("=")[0] for word in arguments}
    watched = "--watch" in words and "--on" not in words
    only_looks = {"-h", "--help", "--cancel"} | ({"--dry-run"} if verb == "rerun" else set())
    return verb in MEASURING and not watched and not words & only_looks


def _refuse(verb: str | None) -> int:
    raise UsageError(f"{verb} measures, for which torch is missing: pip install 'bitledger[measure,energy]'")

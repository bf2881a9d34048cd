"""The command ``bitledger``: the verbs of ``python -m bench`` and of ``python -m profiling`` under one name."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec

import bench.cli
import profiling.cli
from bench.output import accept_any_terminal, ended
from bench.record.errors import UsageError

PROGRAM = "bitledger"
# Verbs that load a model, and what else of them needs an extra.
MEASURING = {"run": "torch", "rerun": "torch", "intervene": "torch", "kineto": "torch", "nsys": "torch", "ncu": "torch",
             "host": "torch", "all": "torch"}  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb of either room; returns the exit code. Without a verb: the help of both."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    verb = next((word for word in arguments if not word.startswith("-")), None)
    if verb is None and set(arguments) <= {"-h", "--help"}:
        accept_any_terminal()
        bench.cli.parser(PROGRAM, profiling.cli.add_verbs).print_help()
        return 0
    missing = MEASURING.get(verb or "")
    if missing and find_spec(missing) is None and not {"-h", "--help"} & set(arguments):
        return ended(lambda: _refuse(verb, missing), debug="--debug" in arguments)
    room = profiling.cli if verb in profiling.cli.VERBS else bench.cli
    return int(room.main(arguments, PROGRAM))


def _refuse(verb: str | None, missing: str) -> int:
    raise UsageError(f"{verb} measures, for which {missing} is missing: pip install 'bitledger[measure,energy]'")

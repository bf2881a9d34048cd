"""Provoke every fault and print what is seen; with --write make docs/faults.md of it.

python -m tests.faults [--write] [--only WORDS]
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from bench.run.processes import ForkServer
from tests.faults.catalogue import FAULTS
from tests.faults.fault import Fault, Seen
from tests.faults.kills import in_words
from tests.faults.run import Scene, launcher
from tests.faults.table import DOCUMENT, document, names, row, written


def main() -> int:
    """Exit code 1 where a fault did not do what it should, or cannot be provoked on this machine."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the rows into docs/faults.md")
    parser.add_argument("--only", default="", help="only faults whose name holds this ('no fault': none)")
    options = parser.parse_args()
    with launcher() as launch:
        found = {fault.name: _provoked(fault, launch) for fault in FAULTS if options.only in fault.name}
    made = {fault.name: row(fault, seen) for fault in FAULTS if (seen := found.get(fault.name)) is not None}
    rows = written() if DOCUMENT.exists() else {}
    if options.write:
        known = {name: (rows | made)[name] for name in names() if name in rows | made}
        DOCUMENT.write_text(document(known, in_words()), encoding="utf-8")
        return int(len(known) < len(FAULTS))
    other = [name for name, line in made.items() if rows.get(name) != line]
    for name in other:
        print(f"docs/faults.md says otherwise of {name!r}: {rows.get(name)}", file=sys.stderr)
    return int(bool(other) or len(made) < len(found))


def _provoked(fault: Fault, launch: ForkServer) -> Seen | None:
    """What was seen; None, with the reason printed, where this machine cannot provoke it or something else happened."""
    place = Path(tempfile.mkdtemp(prefix="bitledger-fault-"))
    try:
        seen = fault.provoke(Scene(place, launch))
        print(row(fault, seen), flush=True)
    except (AssertionError, pytest.skip.Exception) as error:
        print(f"{fault.name}: {error}", file=sys.stderr, flush=True)
        return None
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return seen


if __name__ == "__main__":
    sys.exit(main())

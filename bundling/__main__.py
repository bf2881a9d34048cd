"""python -m bundling: make one archive for a host without internet."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.record.errors import BitledgerError
from bench.record.files import check_file, replace_text

from .build import ROOT, Bundle, Order, build
from .errors import BundleError
from .source import uncommitted
from .target import MACHINES, PYTHONS, Target

# How a file of --json begins: an earlier one is written over, another file is not.
BEGINNING = b'{\n "archive": "'
EXAMPLES = """examples:
  python -m bundling                                          Python 3.12, x86_64, CUDA 13.0; the host has torch
  python -m bundling --python 3.11 --cuda 128 --platform aarch64
  python -m bundling --with torch,transformers                everything, for a host that has Python alone
  python -m bundling --dev --with codecarbon                  with what 'make test' needs
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, or 2 with one line that says what to do."""
    options = _parser().parse_args(argv)
    try:
        if options.json:
            check_file(options.json, begins=BEGINNING)
        target = Target(options.python, options.platform, options.cuda)
        left = uncommitted(ROOT)
        if left:
            _say(f"{left} changed file(s) do not travel: the source is the last commit")
        named = tuple(filter(None, options.named.split(",")))
        made = build(Order(target, named, options.dev, options.level), options.out, _say)
        if options.json:
            replace_text(options.json, json.dumps(_facts(made), indent=1) + "\n")
    except (BundleError, BitledgerError) as error:
        print(f"bitledger: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"bitledger: cannot write {error.filename or options.out}: {error.strerror or error}", file=sys.stderr)
        return 2
    _tell(made)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bundling",
        description="Make one archive for a host without internet: wheels, source, data, tiny model.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--python", default="3.12", metavar="X.Y", help=f"the host's Python: {', '.join(PYTHONS)} (default 3.12)")
    add("--cuda", default="130", metavar="NNN", help="CUDA of the host's torch: 130, 128, … or cpu (default 130)")
    add("--platform", default="x86_64", metavar="NAME", help=f"{' or '.join(MACHINES)} (default x86_64)")
    add(
        "--with",
        dest="named",
        default="",
        metavar="A,B",
        help="take along too: torch,transformers (else the host has them), codecarbon, ncu, or what they bring (numpy)",
    )
    add("--dev", action="store_true", help="what 'make test' needs: pytest and its kin, and the kept runs")
    add("--level", type=int, default=9, choices=range(10), metavar="N", help="compression, 0 (fast) to 9 (default)")
    add("--json", type=Path, metavar="FILE", help="write what was made there: size, wheels, what the host needs")
    add("--out", type=Path, default=Path("dist"), metavar="FOLDER", help="where the archive goes (default dist)")
    return parser


def _say(text: str) -> None:
    print(f"bundle: {text}", file=sys.stderr)


def _facts(made: Bundle) -> dict[str, Any]:
    known = {name: value for name, value in made.manifest.items() if name != "files"}
    return {"archive": made.archive.name, "bytes": made.archive.stat().st_size, **known}


def _tell(made: Bundle) -> None:
    manifest: dict[str, Any] = made.manifest
    print(f"{made.archive}  {made.archive.stat().st_size / 1e6:.1f} MB, {len(manifest['wheels'])} wheels")
    has = ", ".join((*manifest["host_packages"], f"glibc {manifest['glibc']} or newer"))
    print(f"the host needs: Python {manifest['python']} on {manifest['machine']}; {has}")
    for program, why in manifest["host_programs"].items():
        print(f"  {program}: {why}")
    if manifest["left_out"]:
        print(f"left out, a run goes without: {', '.join(manifest['left_out'])}")
    compare = "make test" if manifest["dev"] else "make bench"
    print(f"there:  tar xf {made.archive.name} && cd {manifest['name']} && {compare} PYTHON=python{manifest['python']}")


if __name__ == "__main__":
    sys.exit(main())

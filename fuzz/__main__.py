"""``python -m fuzz``: gives readers many inputs and writes what happened."""

from __future__ import annotations

import argparse
import faulthandler
import resource
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from time import monotonic

from . import results
from .readers import MODULES, reader
from .tally import Tally
from .target import Target

_ADDRESS_SPACE = 6 << 30
_FASTEST = Path("/dev/shm")  # noqa: S108 (memory, and not the disk)


def main() -> int:
    options = _options()
    chosen = list(MODULES) if options.reader == "all" else [options.reader]
    faults = 0
    for name in chosen:
        if len(chosen) > 1:
            faults += results.in_a_process_of_its_own(name, sys.argv[1:])
        else:
            faults += (_probe if options.probes else _fuzz)(name, options)
    return int(faults > 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--reader", choices=[*MODULES, "all"], default="all")
    parser.add_argument("--inputs", type=int, default=100_000, help="for each reader (default 100,000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", choices=["auto", "atheris", "own"], default="auto", help="auto: atheris if there")
    parser.add_argument("--probes", action="store_true", help="instead: inputs made to take more than their size")
    parser.add_argument("--out", type=Path, help="results file; other readers' results in it are kept")
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"), help="folder for inputs with a fault")
    return parser.parse_args()


def _fuzz(name: str, options: argparse.Namespace) -> int:
    """Fuzz one reader in this process; returns the number of faults."""
    engine = options.engine
    if engine == "auto":
        engine = "atheris" if find_spec("atheris") else "own"
    _be_careful()
    with _folder() as folder:
        started, tally = monotonic(), Tally(options.findings / name)

        def finish() -> None:
            results.write(options.out, name, tally, engine, options.seed, monotonic() - started)

        if engine == "atheris":
            from . import engine_atheris

            engine_atheris.fuzz(name, Path(folder), tally, options.inputs, options.seed, finish)
        else:
            from . import engine_own

            known = reader(name)
            target = Target(known, Path(folder) / f"input{known.suffix}")
            for data in known.seeds():
                target.run(data)  # what is imported or compiled once belongs to no input
            results.begin()
            engine_own.fuzz(target, tally, options.inputs, options.seed, finish)
            finish()
    return sum(tally.faults.values())


def _probe(name: str, options: argparse.Namespace) -> int:
    """Give one reader its probes; returns the number of faults."""
    from .probes import measured_probes

    _be_careful()
    with _folder() as folder:
        known = reader(name)
        found = measured_probes(Target(known, Path(folder) / f"input{known.suffix}"))
    results.write_probes(options.out, name, found)
    return sum(bool(probe["fault"]) for probe in found.values())


def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="bitledger-fuzz-", dir=_FASTEST if _FASTEST.is_dir() else None)


def _be_careful() -> None:
    """A reader that runs wild must end itself and not the machine; one that hangs in native code shows where."""
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
    faulthandler.enable()


if __name__ == "__main__":
    sys.exit(main())

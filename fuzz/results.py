"""The results file: one entry per reader, with what made it."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .tally import Tally
from .target import FLOOR, SECONDS, SECONDS_PER_MIB, TIMES

LIMITS = {
    "processor_s": SECONDS,
    "processor_s_per_MiB": SECONDS_PER_MIB,
    "times_the_input": TIMES,
    "floor_bytes": FLOOR,
}
_PACKAGES = ("atheris", "msgspec", "numpy", "ncu-report")


def begin() -> None:
    """Note what is about to be fuzzed. To be called once its modules are loaded."""
    _made_by()


def write(out: Path | None, name: str, tally: Tally, engine: str, seed: int, seconds: float) -> None:
    """Print one reader's outcome, and put it into the file beside those of other readers."""
    entry = {"seed": seed, **tally.result(), "wall_s": round(seconds, 1), "made_by": _made_by()}
    print(json.dumps({name: entry}, indent=1))
    put(out, "runs", engine, name, entry)


def write_probes(out: Path | None, name: str, found: Mapping[str, Any]) -> None:
    """The same for what the probes of one reader took."""
    print(json.dumps({name: found}, indent=1))
    put(out, "probes", "own", name, {"made_by": _made_by(), "inputs": found})


def put(out: Path | None, kind: str, engine: str, name: str, entry: Any) -> None:
    """Put one entry into the file, where there is one; several processes may do so at a time."""
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            text = file.read()
            known: dict[str, Any] = json.loads(text) if text else {}
            known["limits"] = {
                "processor_s": SECONDS,
                "processor_s_per_MiB": SECONDS_PER_MIB,
                "times_the_input": TIMES,
                "floor_bytes": FLOOR,
            }
            known.setdefault(kind, {}).setdefault(engine, {})[name] = entry
            file.truncate(0)
            file.write(json.dumps(known, indent=1, sort_keys=True) + "\n")


@cache
def _made_by() -> dict[str, str]:
    """As it was when first asked for: before the inputs, because others may change the files meanwhile."""
    packages = {}
    for package in _PACKAGES:
        try:
            packages[package] = version(package)
        except PackageNotFoundError:
            continue
    return {"commit": _commit(), "python": platform.python_version(), "sqlite": sqlite3.sqlite_version, **packages}


def _commit() -> str:
    """The commit, and whether a file of this project that was used here differs from it."""
    root = Path(__file__).resolve().parents[1]
    commit = _git(root, "rev-parse", "HEAD")
    files = [str(Path(module.__file__)) for module in sys.modules.values() if getattr(module, "__file__", None)]
    own = [file for file in files if file.startswith(f"{root}{os.sep}") and ".venv" not in file]
    changed = _git(root, "status", "--porcelain", "--", *own)
    return f"{commit[:12]}{' and changes' if changed else ''}"


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True)
    return done.stdout.strip()


def in_a_process_of_its_own(name: str, arguments: Sequence[str]) -> int:
    """Run one reader of several in a fresh process: one reader's crash or memory touches no other. 1 for faults."""
    kept = list(arguments)
    if "--reader" in kept:
        at = kept.index("--reader")
        del kept[at : at + 2]
    command = [sys.executable, "-m", "fuzz", "--reader", name, *kept]
    return int(subprocess.run(command, env=dict(os.environ)).returncode != 0)

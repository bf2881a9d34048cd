"""Copies of a study's runs that are small enough to commit: packed records, large raw files left out and named.

    python scripts/pack_study.py OUT [--largest-mb 2] [--unfinished REASON]

Everything goes to OUT/to-commit, made afresh each time; OUT itself stays as it is, so that the study can go on. Each
run is checked with 'python -m bench verify'. Exit code 0; 1 where a check fails or a file is over 5 MB; 2 for bad
input.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import io
import shutil
import sys
from pathlib import Path

from bench import cli

RECORDS, READY = "records.jsonl", "to-commit"
MOST_BYTES = 5_000_000
RAW = "raw files over {limit} MB are left out; the records name them with their hashes"


def main(argv: list[str] | None = None) -> int:
    """Pack every run of a study's folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the folder that was given to gpu-study")
    parser.add_argument("--largest-mb", type=float, default=2.0, help="largest raw file that is kept (default 2)")
    parser.add_argument("--unfinished", metavar="REASON", help="why planned records are missing, where they are")
    options = parser.parse_args(argv)
    runs = sorted(file.parent for file in options.out.glob(f"*/{RECORDS}") if not file.parent.name.startswith("probe"))
    if not runs:
        print(f"bitledger: {options.out} holds no run: give the folder of 'make gpu-study'", file=sys.stderr)
        return 2
    ready = options.out / READY
    shutil.rmtree(ready, ignore_errors=True)
    good = [pack(run, ready / run.name, options.largest_mb, options.unfinished) for run in runs]
    for file in sorted(options.out.glob("*.json*")):
        shutil.copy2(file, ready / file.name)
    return 0 if sizes(ready) and all(good) else 1


def pack(run: Path, to: Path, largest_mb: float, unfinished: str | None) -> bool:
    """A copy of one run, checked; True where it is whole."""
    shutil.copytree(run, to, ignore=shutil.ignore_patterns("*.lock"))
    (to / f"{RECORDS}.gz").write_bytes(gzip.compress((to / RECORDS).read_bytes(), mtime=0))
    (to / RECORDS).unlink()
    if unfinished and not verified(to):
        verified(to, "--leave-out", unfinished)
    dropped = drop(to / "artifacts", largest_mb)
    whole = verified(to)
    # The run as measured is whole, or excused: what its copy lacks are the files that were dropped.
    if dropped and not whole and (unfinished or verified(run)):
        whole = verified(to, "--leave-out", RAW.format(limit=f"{largest_mb:g}"))
    print(f"{run.name}: {dropped} raw files left out, {'verified' if whole else 'NOT VERIFIED'}")
    if not whole:
        print(told(to))
    return whole


def drop(artifacts: Path, largest_mb: float) -> int:
    """Remove the files over the limit; how many there were."""
    large = [file for file in artifacts.rglob("*") if file.is_file() and file.stat().st_size > largest_mb * 1e6]
    for file in large:
        file.unlink()
    return len(large)


def verified(run: Path, *options: str) -> bool:
    """What 'python -m bench verify' says of a run."""
    return _verify(run, *options)[0] == 0


def told(run: Path) -> str:
    return _verify(run)[1].strip()


def _verify(run: Path, *options: str) -> tuple[int, str]:
    with contextlib.redirect_stdout(io.StringIO()) as said:
        code = cli.main(["verify", str(run), *options])
    return code, said.getvalue()


def sizes(ready: Path) -> bool:
    """Print what each folder weighs; False where a file is too large to commit."""
    files = [file for file in ready.rglob("*") if file.is_file()]
    for folder in sorted({file.relative_to(ready).parts[0] for file in files}):
        weight = sum(file.stat().st_size for file in files if file.relative_to(ready).parts[0] == folder)
        print(f"{weight / 1e6:8.2f} MB  {READY}/{folder}")
    large = [file for file in files if file.stat().st_size > MOST_BYTES]
    for file in large:
        print(f"too large to commit: {file.relative_to(ready)}, {file.stat().st_size / 1e6:.1f} MB")
    print(f"{sum(file.stat().st_size for file in files) / 1e6:8.2f} MB  in {len(files)} files")
    return not large


if __name__ == "__main__":
    sys.exit(main())

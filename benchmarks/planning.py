"""How long a checkpoint takes to plan, and what comes of it: ``python -m benchmarks.planning FOLDER …``.

Each folder is planned as ``run --preset smoke --model FOLDER`` plans it, in one fork server as in a run, and nothing is
measured. A line for each: seconds, and the schemes that would be measured or the line with which it is refused.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

WITHIN_S = 5.0


@dataclass(frozen=True)
class Planned:
    """``schemes`` that are measured end to end, () where ``refused`` says why nothing is; ``seconds`` of planning."""

    name: str
    seconds: float
    schemes: tuple[str, ...] = ()
    refused: str = ""


def planned(folders: list[Path], *more: str) -> list[Planned]:
    """What planning makes of each folder, in order. ``more``: options of ``run``."""
    from bench.run.processes import ForkServer
    from bench.verbs.planning import described
    from bench.workloads.sources import resolve

    with ForkServer(gpu=False) as fork_server:
        described(resolve("smoke"), fork_server.start)  # its start is every run's, whatever the checkpoint
        return [_one(folder, fork_server, more) for folder in folders]


def _one(folder: Path, fork_server: Any, more: tuple[str, ...]) -> Planned:
    from bench.cli import options_of
    from bench.record.errors import BitledgerError
    from bench.verbs.planning import resolve_request

    start = time.perf_counter()
    try:
        options = options_of(["run", "--device", "cpu", f"--model={folder}", *more])
        found = resolve_request("smoke", options, fork_server)
    except BitledgerError as error:
        line = " ".join(str(error).split()).replace(str(folder), "the checkpoint")
        return Planned(folder.name, time.perf_counter() - start, refused=line)
    schemes = dict.fromkeys(name for sweep in found.preset.sweeps if sweep.timed for name in sweep.schemes)
    return Planned(folder.name, time.perf_counter() - start, tuple(schemes))


def main(argv: list[str] | None = None) -> int:
    """Exit code 1 where a folder took longer than WITHIN_S."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, help="the raw results, as JSON")
    options = parser.parse_args(argv)
    found = planned(options.folders)
    for one in found:
        print(f"{one.seconds:6.2f} s  {one.name}: {one.refused or ', '.join(one.schemes)}")
    slow = [one for one in found if one.seconds > WITHIN_S]
    seconds = [one.seconds for one in found]
    print(f"{len(found)} planned, median {statistics.median(seconds):.2f} s, {len(slow)} over {WITHIN_S:g} s")
    if options.out:
        options.out.write_text(json.dumps([asdict(one) for one in found], indent=1, ensure_ascii=False) + "\n")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())

"""Nsight Compute's binary reports (profiling/readers/ncu_report_file.py). NVIDIA's library runs in a forked process."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

from profiling.counters_summary import summarise
from profiling.readers.counters import Counters
from profiling.readers.ncu_report_file import read_ncu_report
from profiling.readers.ncu_report_worker import limit_memory, results

from .forked import Forked
from .kinds import Reader, printed
from .mutation import mutated
from .ncu_report_maker import any_report, usual


def read(path: Path) -> Counters:
    return read_ncu_report(path, _forked)


def use(counters: Counters) -> None:
    printed(summarise(counters))


@cache
def _library() -> Any:
    """NVIDIA's package, after its first report, which takes it a tenth of a second."""
    package = import_module("ncu_report")
    with tempfile.NamedTemporaryFile(suffix=".ncu-rep") as file:
        file.write(usual())
        file.flush()
        list(results(package, file.name))
    return package


def _limited(path: str) -> Iterator[dict[str, Any]]:
    limit_memory(Path(path).stat().st_size)
    return results(_library(), path)


_PROCESS = Forked(_limited)


def _forked(path: Path) -> Iterable[dict[str, Any]]:
    _library()  # so that each new process has it
    rows: list[dict[str, Any]] = _PROCESS.rows(str(path))
    return rows


def seeds() -> list[bytes]:
    return [usual(), any_report(Random(1)), b"NVR\x00"]


def make(rng: Random) -> bytes:
    data = any_report(rng)
    return mutated(data, rng) if rng.random() < 0.5 else data


READER = Reader("ncu-report", ".ncu-rep", read, use, seeds, make, mutated)

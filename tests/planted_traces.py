"""Traces of one planted case, by both tools."""

from pathlib import Path

from bench.record import causes as c
from benchmarks.fidelity.planted import cases
from benchmarks.fidelity.writers import write_kineto, write_nsys


def write_planted(folder: Path) -> Path:
    """Reference and candidate of a host-bound case with casts, as nsys and as Kineto write them."""
    case = next(item for item in cases() if item.cause == c.CAST and item.regime == "host-bound")
    for name, happened in zip(("reference", "candidate"), case.happened(), strict=True):
        write_nsys(folder / f"{name}.sqlite", happened)
        write_kineto(folder / f"{name}.json", happened)
    return folder

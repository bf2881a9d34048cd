"""Run folders with very many Records, invented but such as a sweep gives: for benchmarks.record_scale.

A fifth is generation, with its energy; the rest are layer products: half many repeats of few Cases, half few
repeats of many Cases, because what may be slow differs: drawing again from repeats, or setting Cases beside each other.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench.record.schema import Metric, Record
from bench.record.store import RECORDS, as_lines
from tests import factories as make

SCHEMES = ("fp16", "int8", "nf4", "fp4")
BATCHES = (1, 8)
LAYERS = tuple((f"layers.mlp.{number}", 512 + 64 * number, 128) for number in range(20))
TOKENS = (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


def write(folder: Path, count: int, *, later: int = 0) -> int:
    """A new run folder of ``count`` Records; returns the bytes of its file. ``later``: by how many repeats the invented
    figures differ from those of another run."""
    (folder / "artifacts").mkdir(parents=True)
    with (folder / RECORDS).open("w", encoding="utf-8") as stream:
        stream.writelines(as_lines(_records(count, folder.name, later), folder))
    return (folder / RECORDS).stat().st_size


def _records(count: int, run_id: str, later: int) -> Iterator[Record]:
    kinds = (_generations(later), _energies(later), _products_of_few(later), _products_of_many(later))
    number = itertools.count()
    for made, share in zip(kinds, (0.12, 0.08, 0.4, 0.4), strict=True):
        for one in itertools.islice(made, round(count * share)):
            factor = 1 + 1e-9 * next(number)
            metrics = tuple(_own(item, factor) for item in one.metrics)
            yield replace(one, run_id=run_id, environment=make.GPU, repeat=one.repeat - later, metrics=metrics)


def _own(item: Metric, factor: float) -> Metric:
    """Times of the Record's own: verify takes two Records with the very same ones for copies."""
    return replace(item, values=tuple(value * factor for value in item.values)) if item.unit == "s" else item


def _generations(later: int) -> Iterator[Record]:
    for repeat, batch, scheme in itertools.product(_repeats(later), BATCHES, SCHEMES):
        yield make.generation(scheme, repeat, calls=2, batch_size=batch, new_tokens=16, device="cuda")


def _energies(later: int) -> Iterator[Record]:
    for repeat, batch, scheme in itertools.product(_repeats(later), BATCHES, SCHEMES):
        yield make.energy(scheme, repeat, batch_size=batch, new_tokens=16)


def _products_of_few(later: int) -> Iterator[Record]:
    for repeat, (layer, n, k), scheme in itertools.product(_repeats(later), LAYERS[:2], SCHEMES):
        yield make.matmul(scheme, 1, layer=layer, n=n, k=k, repeat=repeat, device="cuda")


def _products_of_many(later: int) -> Iterator[Record]:
    where = itertools.product(LAYERS, TOKENS, ("hot", "cold"), SCHEMES)
    for repeat, ((layer, n, k), m, residency, scheme) in itertools.product(_repeats(later), list(where)):
        yield make.matmul(scheme, m, layer=layer, n=n, k=k, residency=residency, repeat=repeat, device="cuda")


def _repeats(later: int) -> range:
    return range(later, later + 100_000)

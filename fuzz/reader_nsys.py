"""Nsight Systems exports (profiling/readers/nsys.py): SQLite files."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from bench.analysis.timeline import Analysis
from bench.record.timeline import Timeline
from profiling.readers.nsys import read_nsys
from profiling.summarize import timeline_summary

from .kinds import Reader, printed
from .mutation import mutated
from .nsys_maker import export


def use(timeline: Timeline) -> None:
    printed(timeline_summary(Analysis(timeline)))


def seeds() -> list[bytes]:
    return [export(Random(number)) for number in range(12)]


def make(rng: Random) -> bytes:
    return export(rng)


def mutate(data: bytes, rng: Random) -> bytes:
    """Mostly where the structure is: the file's header, a page's header, a page's cell pointers."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        rng.choice(_CHANGES)(changed, rng)
    return bytes(changed) if rng.random() < 0.7 else mutated(data, rng)


def _page_start(data: bytearray, rng: Random) -> int:
    size = int.from_bytes(data[16:18], "big") or 512
    return rng.randrange(max(len(data) // size, 1)) * size


def _header(data: bytearray, rng: Random) -> None:
    _put(data, rng.randrange(100), rng)


def _page_header(data: bytearray, rng: Random) -> None:
    start = _page_start(data, rng)
    _put(data, start + (100 if start == 0 else 0) + rng.randrange(60), rng)


def _cells(data: bytearray, rng: Random) -> None:
    _put(data, rng.randrange(max(len(data), 1)), rng)


def _swapped_pages(data: bytearray, rng: Random) -> None:
    size = int.from_bytes(data[16:18], "big") or 512
    first, second = _page_start(data, rng), _page_start(data, rng)
    data[first : first + size] = data[second : second + size]


def _schema_text(data: bytearray, rng: Random) -> None:
    """Overwrite a word of the schema: a type, a name, a keyword."""
    word = rng.choice((b"TABLE", b"INTEGER", b"start", b"globalTid", b"StringIds", b"NVTX_EVENTS", b"table"))
    found = data.find(word)
    if found >= 0:
        data[found : found + len(word)] = rng.choice((word[::-1], word.lower(), b" " * len(word), b'"' * len(word)))


def _put(data: bytearray, at: int, rng: Random) -> None:
    width = rng.choice((1, 1, 2, 4))
    if at + width <= len(data):
        value = rng.choice((0, 1, 2, 5, 10, 13, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        data[at : at + width] = bytes([value]) * width if rng.random() < 0.3 else bytes(width - 1) + bytes([value])


_Change = Callable[[bytearray, Random], None]
_CHANGES: tuple[_Change, ...] = (_header, _page_header, _cells, _swapped_pages, _schema_text)

READER = Reader("nsys", ".sqlite", read_nsys, use, seeds, make, mutate)

"""Reads integer columns of a SQLite table from the pages of its file, thousands of rows at a time.

SQLite itself hands over one cell after the other, each as a Python object: that takes three times as long as all else
that a summary does. Here numpy takes a table's pages apart (https://www.sqlite.org/fileformat2.html, sections 1.5, 1.6
and 2.1). Rows that have the same types and sizes of values hold them at the same places.

Only what is plain is read: pages of one table's tree, each once, rows with all columns, integers that lie on their
row's own page. For anything else UnusualError is raised, and SQLite reads the table.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.int64]
Bytes = NDArray[np.uint8]
Rows = Column | slice

_INNER, _LEAF = 5, 13
_DEEPEST = 20  # SQLite's own limit
_AT_ONCE = 1 << 22  # bytes of pages
_PADDING = 32  # so that what begins on the last page, two lengths of 9 bytes and a word of 8, is in the array
_MOST_LAYOUTS = 512
_LARGEST_PAGE = 65536
# Bytes by type of a value: NULL, integers of 1 to 8 bytes, a float, and the numbers 0 and 1, which take none.
_SIZES = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)
_NULL, _ZERO, _ONE = 0, 8, 9
_HIGH_BITS = np.uint64(0x8080808080808080)


class UnusualError(Exception):
    """The table is not plain enough; SQLite can read it, or say what is wrong."""


@dataclass(frozen=True)
class StoredColumn:
    """A column by its ``place`` in the table, -1 where the table lacks it; what stands for NULL and for a column that
    is not there: None where neither may be."""

    place: int
    default: int | None = None


@dataclass(frozen=True)
class Only:
    """Rows in which the wanted column ``column`` has one of these values."""

    column: int
    values: tuple[int, ...]


def read_pages(path: Path, root: int, wanted: Sequence[StoredColumn], only: Only | None = None) -> list[Column]:
    """The columns of the table whose tree begins at page ``root``, by row id. Raises UnusualError or OSError."""
    blocks: list[list[Column]] = [[np.empty(0, np.int64)] for _ in wanted]
    with path.open("rb") as file:
        pages = _Pages(path, file.fileno(), file.read(100))
        for block in pages.blocks(pages.leaves(root)):
            columns = _Leaves(block, pages.size, pages.usable).columns(wanted)
            kept = slice(None) if only is None else np.isin(columns[only.column], only.values)
            for parts, column in zip(blocks, columns, strict=True):
                parts.append(column[kept])
    return [_joined(parts) for parts in blocks]


def _joined(parts: list[Column]) -> Column:
    """The parts as one column; they are let go, so that never more than one column exists twice."""
    whole = np.concatenate(parts)
    parts.clear()
    return whole


class _Pages:
    """A file's pages, by number from 1."""

    def __init__(self, path: Path, file: int, header: bytes) -> None:
        self._file = file
        size = int.from_bytes(header[16:18], "big")
        self.size = _LARGEST_PAGE if size == 1 else size
        self.usable = self.size - header[20]
        if self.size < 512 or self.size & (self.size - 1) or self.usable < 480:
            raise UnusualError("its pages")
        self._count = path.stat().st_size // self.size

    def leaves(self, root: int) -> Column:
        """The numbers of a table's leaf pages, in the order of its rows. All are equally deep."""
        level = np.array([root], np.int64)
        for _ in range(_DEEPEST):
            self._check(level)
            if int(self._read(level[:1])[0]) != _INNER:
                return level
            inner = (_by_page(block, self.size) for block in self.blocks(level))
            level = np.concatenate([self._children(page) for pages in inner for page in pages])
        raise UnusualError("its depth")

    def _check(self, numbers: Column) -> None:
        """A damaged tree leads out of the file, or in circles."""
        if len(np.unique(numbers)) != len(numbers) or numbers.min() < 2 or numbers.max() > self._count:
            raise UnusualError("its tree")

    def _children(self, page: Bytes) -> Column:
        count = int(page[3]) << 8 | int(page[4])
        if page[0] != _INNER or 12 + 2 * count > self.usable:
            raise UnusualError("an inner page")
        cells = page[12 : 12 + 2 * count].view(">u2").astype(np.int64)
        if count and int(cells.max()) > self.usable - 4:
            raise UnusualError("an inner page")
        numbers = page[np.concatenate((cells, [8]))[:, None] + np.arange(4)]
        return np.ascontiguousarray(numbers).view(">u4")[:, 0].astype(np.int64)

    def blocks(self, numbers: Column) -> Iterator[Bytes]:
        """The bytes of these pages, some at a time, and some padding."""
        at_once = max(_AT_ONCE // self.size, 1)
        for first in range(0, len(numbers), at_once):
            yield self._read(numbers[first : first + at_once])

    def _read(self, numbers: Column) -> Bytes:
        whole = np.empty(len(numbers) * self.size + _PADDING, np.uint8)
        whole[-_PADDING:] = 0
        begins = np.flatnonzero(np.diff(numbers, prepend=-1) != 1).tolist()
        for begin, end in zip(begins, [*begins[1:], len(numbers)], strict=True):
            place = whole[begin * self.size : end * self.size]
            if os.preadv(self._file, [place.data], (int(numbers[begin]) - 1) * self.size) != len(place):
                raise UnusualError("its length")
        return whole


def _by_page(block: Bytes, size: int) -> Bytes:
    """[pages, bytes]"""
    return block[:-_PADDING].reshape(-1, size)


class _Leaves:
    """Leaf pages of a table, and [rows] where each row's payload begins, how much of it lies on the page, and how long
    its header is."""

    def __init__(self, block: Bytes, size: int, usable: int) -> None:
        self._bytes, pages = block, _by_page(block, size)
        counts = (pages[:, 3].astype(np.int64) << 8) | pages[:, 4]
        if (pages[:, 0] != _LEAF).any() or (8 + 2 * counts > usable).any():
            raise UnusualError("a leaf page")
        page = np.repeat(np.arange(len(pages)) * size, counts)
        number = np.arange(len(page)) - np.repeat(np.cumsum(counts) - counts, counts)
        pointer = page + 8 + 2 * number
        cell = (self._bytes[pointer].astype(np.int64) << 8) | self._bytes[pointer + 1]
        if ((cell < 8) | (cell >= usable)).any():
            raise UnusualError("a cell")
        length, at = self._varint(page + cell)
        _, self._payload = self._varint(at)
        self._local = _on_page(length, usable)
        self._header = self._bytes[self._payload].astype(np.int64)
        if (
            (self._payload + self._local > page + usable).any()
            or (self._header > np.minimum(self._local, 127)).any()
            or (self._header < 1).any()
        ):
            raise UnusualError("a row")

    def _varint(self, at: Column) -> tuple[Column, Column]:
        """The numbers that begin there, seven bits a byte, and where what follows them begins."""
        first = self._bytes[at]
        value, after = (first & 0x7F).astype(np.int64), at + 1
        more = np.flatnonzero(first & 0x80)
        for _ in range(8):
            if not len(more):
                return value, after
            byte = self._bytes[after[more]]
            value[more] = (value[more] << 7) | (byte & 0x7F)
            after[more] += 1
            more = more[byte >= 0x80]
        if len(more):  # the last of nine bytes would give eight bits: no row id and no length of a real file
            raise UnusualError("a number")
        return value, after

    def columns(self, wanted: Sequence[StoredColumn]) -> list[Column]:
        """One column for each that is wanted."""
        found = [np.empty(len(self._payload), np.int64) for _ in wanted]
        last = max(each.place for each in wanted)
        words = self._words(last + 1)
        if any((word & _HIGH_BITS).any() for word in words):  # long texts, whose types take more than a byte
            words = self._words(int(self._header.max()) - 1)
        for rows in _alike(words):
            first = 0 if isinstance(rows, slice) else int(rows[0])
            at, length = int(self._payload[first]), int(self._header[first])
            places = _places(self._bytes[at + 1 : at + length].tolist(), last)
            for column, each in zip(found, wanted, strict=True):
                if each.place >= 0:
                    kind, offset = places[each.place]
                    column[rows] = self._values(rows, kind, length + offset, each.default)
                else:
                    column[rows] = _known(each.default)
        return found

    def _words(self, width: int) -> list[NDArray[np.uint64]]:
        """[rows] the first ``width`` bytes of each header after its length, 8 at a time; 0 after its end."""
        numbers = np.lib.stride_tricks.as_strided(self._bytes[:8].view("<u8"), (len(self._bytes) - 7,), (1,))
        found = []
        # Most pages have headers of one length, for which one number does.
        length = self._header[:1] if (self._header == self._header[:1]).all() else self._header
        for first in range(0, width, 8):
            here = np.clip(np.minimum(length - 1, width) - first, 0, 8)
            at = np.minimum(self._payload + 1 + first, len(numbers) - 1)
            dropped = (8 * (8 - here)).astype(np.uint64)
            word = numbers[at]
            if dropped.any():
                shift = dropped & np.uint64(63)
                word = np.where(here > 0, (word << shift) >> shift, np.uint64(0))
            found.append(word)
        return [self._header.astype(np.uint64), *found]

    def _values(self, rows: Rows, kind: int, offset: int, default: int | None) -> Column | int:
        """Of the rows, which have a value of this type so many bytes after the begin of their payload."""
        if kind == _NULL:
            return _known(default)
        if kind in (_ZERO, _ONE):
            return kind - _ZERO
        if not 1 <= kind <= 6:
            raise UnusualError("a value that is no integer")
        if offset > _LARGEST_PAGE:
            raise UnusualError("a value on another page")
        size = _SIZES[kind]
        if (self._local[rows] < offset + size).any():
            raise UnusualError("a value on another page")
        # Of the 8 bytes that end with the number, those before it are shifted out, and its sign is kept.
        numbers = np.lib.stride_tricks.as_strided(self._bytes[:8].view(">i8"), (len(self._bytes) - 7,), (1,))
        value: Column = numbers[self._payload[rows] + (offset + size - 8)].astype(np.int64)
        value <<= 64 - 8 * size
        value >>= 64 - 8 * size
        return value


def _known(default: int | None) -> int:
    if default is None:
        raise UnusualError("a value that is missing")
    return default


def _on_page(length: Column, usable: int) -> Column:
    """[rows] how much of a payload of this length is stored with its row; the rest is on pages of its own."""
    least = (usable - 12) * 32 // 255 - 23
    kept = least + (length - least) % (usable - 4)
    return np.where(length <= usable - 35, length, np.where(kept <= usable - 35, kept, least))


def _alike(words: Sequence[NDArray[np.uint64]]) -> Iterator[Rows]:
    """Numbers of rows whose words are equal, group by group; a slice where all are."""
    if len(words[0]) and all(bool((word == word[0]).all()) for word in words):
        yield slice(None)
        return
    left = np.arange(len(words[0]))
    for _ in range(_MOST_LAYOUTS):
        if not len(left):
            return
        same = np.logical_and.reduce([word[left] == word[left[0]] for word in words])
        yield left[same]
        left = left[~same]
    if len(left):
        raise UnusualError("rows of many layouts")


def _places(header: Sequence[int], last: int) -> list[tuple[int, int]]:
    """(type, bytes after the header) of each value up to the column ``last``."""
    found: list[tuple[int, int]] = []
    offset = kind = 0
    for byte in header:
        kind = kind << 7 | byte & 0x7F
        if byte >= 0x80:
            continue
        if kind in (10, 11):
            raise UnusualError("a type that SQLite does not use")
        found.append((kind, offset))
        offset += (kind - 12) // 2 if kind >= 12 else _SIZES[kind]
        kind = 0
        if len(found) > last:
            return found
    raise UnusualError("a row with fewer columns than the table")

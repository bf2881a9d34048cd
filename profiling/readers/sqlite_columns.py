"""Reads whole SQLite tables as integer columns, from a file that is never written to."""

from __future__ import annotations

import mmap
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import chain, islice
from pathlib import Path
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from bench.record.errors import RecordError

from .sqlite_guard import guard, most_rows, steps

Column = NDArray[np.int64]

MAGIC = b"SQLite format 3\x00"
_BLOCK = 1 << 17  # rows turned into arrays at once; bounds the Python integers alive at a time
_HALVED_ROWS = 100_000  # below this a second process costs more than it saves
_CHECKED_BYTES = 64 << 20  # a full structural check reads the whole file: cheap up to this size


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A read-only connection; any fault of the file is raised as RecordError.

    ``immutable`` because an export on a read-only mount must open, and no journal may appear beside it.
    """
    try:
        _check_length(path)
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror or error})") from error
    uri = f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            guard(connection, path.stat().st_size)
            _check_structure(connection, path)
            yield connection
    except (sqlite3.Error, ValueError, TypeError, OverflowError, MemoryError) as error:
        reason = str(error) or type(error).__name__
        raise RecordError(f"{path}: truncated or corrupt SQLite file ({reason}); export it again") from error


def _check_length(path: Path) -> None:
    """A file cut short would still open; its header says how many pages it must have."""
    with path.open("rb") as file:
        header = file.read(100)
    if len(header) < 100 or not header.startswith(MAGIC):
        raise RecordError(f"{path}: not a SQLite file, or cut off in its first bytes; export it again")
    page = int.from_bytes(header[16:18], "big")
    pages = int.from_bytes(header[28:32], "big")
    if path.stat().st_size < pages * (65536 if page == 1 else page):
        raise RecordError(f"{path}: truncated SQLite file; export it again")


def _check_structure(connection: sqlite3.Connection, path: Path) -> None:
    if path.stat().st_size <= _CHECKED_BYTES:
        verdict = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict.splitlines()[0])


def columns_of(connection: sqlite3.Connection, table: str) -> set[str]:
    """The names of a table's columns; empty where there is no such table."""
    return {str(row[1]) for row in connection.execute(f"PRAGMA table_info({table})")}


def read_integers(
    connection: sqlite3.Connection, table: str, expressions: Sequence[str], where: str = "1"
) -> list[Column]:
    """One int64 array per SQL expression, in the table's own order. The expressions must not give NULL."""
    query = f"SELECT {', '.join(expressions)} FROM {table} WHERE {where}"  # noqa: S608
    most, middle = most_rows(connection, len(expressions)), _middle(connection, table)
    if middle is None:
        columns = _read(connection, f"{query} LIMIT {most}", len(expressions))
    else:
        columns = _read_halves(connection, query, middle, most, len(expressions))
    if len(columns[0]) >= most:
        raise sqlite3.DatabaseError(f"{table} gives more rows than the file can hold")
    return columns


def _read_halves(connection: sqlite3.Connection, query: str, middle: int, most: int, count: int) -> list[Column]:
    below, above = (f"{query} AND rowid {sign} {middle} LIMIT {most}" for sign in ("<=", ">"))
    with _Helper(connection, above) as helper:
        first = _read(connection, below, count)
        second = helper.columns(count)
    # A helper that failed says no more than that: reading its half here raises what is really wrong.
    second = second or _read(connection, above, count)
    return [np.concatenate(parts) for parts in zip(first, second, strict=True)]


def _middle(connection: sqlite3.Connection, table: str) -> int | None:
    """The row id that halves a table worth reading with two processes; None for any other.

    Turning SQLite's cells into Python integers is most of the time, and the interpreter does that on one core.
    """
    if (os.cpu_count() or 1) < 2:
        return None
    try:
        last = connection.execute(f"SELECT max(rowid) FROM {table}").fetchone()[0]  # noqa: S608
    except sqlite3.OperationalError:
        return None  # a table without row ids
    return last // 2 if isinstance(last, int) and last >= _HALVED_ROWS else None


class _Helper:
    """A process that reads one query into memory shared with this one."""

    def __init__(self, connection: sqlite3.Connection, query: str) -> None:
        path = connection.execute("PRAGMA database_list").fetchone()[2]
        uri = f"file:{quote(path)}?mode=ro&immutable=1"
        self._memory = os.memfd_create("bitledger-columns")
        script = Path(__file__).with_name("sqlite_worker.py")
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(script), str(self._memory), uri, query, str(steps(Path(path).stat().st_size))],
            pass_fds=(self._memory,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self) -> _Helper:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._memory)

    def columns(self, count: int) -> list[Column] | None:
        """The columns once they are read; None where the process failed."""
        if self._process.wait():
            return None
        size = os.fstat(self._memory).st_size
        if not size:
            return [np.empty(0, np.int64)] * count
        with mmap.mmap(self._memory, size, access=mmap.ACCESS_READ) as shared:
            rows = np.frombuffer(shared, np.int64).reshape(-1, count)
            columns = [rows[:, number].copy() for number in range(count)]
            del rows  # numpy would keep the memory mapped
        return columns


def _read(connection: sqlite3.Connection, query: str, count: int) -> list[Column]:
    cursor = connection.execute(query)
    blocks: list[list[Column]] = [[np.empty(0, np.int64)] for _ in range(count)]
    while True:
        block = np.fromiter(chain.from_iterable(islice(cursor, _BLOCK)), np.int64).reshape(-1, count)
        if not len(block):
            return [_joined(parts) for parts in blocks]
        for number, parts in enumerate(blocks):
            parts.append(block[:, number].copy())


def _joined(parts: list[Column]) -> Column:
    """The parts as one column; they are let go, so that never more than one column exists twice."""
    whole = np.concatenate(parts)
    parts.clear()
    return whole

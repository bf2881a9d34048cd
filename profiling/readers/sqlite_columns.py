"""Reads whole SQLite tables as integer columns, from a file that is never written to."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import chain, islice
from pathlib import Path
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from bench.record.errors import RecordError

from .sqlite_guard import UnlikeError, guard, most_rows
from .sqlite_pages import Only, StoredColumn, UnusualError, read_pages

Column = NDArray[np.int64]

MAGIC = b"SQLite format 3\x00"
# The first bytes of a journal that is to be rolled back; one that is done with begins with zeros.
_JOURNAL = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
_BLOCK = 1 << 17  # rows turned into arrays at once; bounds the Python integers alive at a time
_CHECKED_BYTES = 64 << 20  # a full structural check reads the whole file: cheap up to this size


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A read-only connection; any fault of the file is raised as RecordError.

    ``immutable`` because an export on a read-only mount must open, and no journal may appear beside it.
    """
    try:
        _check_whole(path)
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror or error})") from error
    uri = f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            guard(connection, path.stat().st_size)
            _check_structure(connection, path)
            yield connection
    except UnlikeError as error:
        raise RecordError(f"{path}: not as nsys exports: {error}; export it again") from error
    except (sqlite3.Error, ValueError, TypeError, OverflowError, MemoryError) as error:
        reason = str(error) or type(error).__name__
        raise RecordError(f"{path}: truncated or corrupt SQLite file ({reason}); export it again") from error


def _check_whole(path: Path) -> None:
    """A file cut short would still open; its header says how many pages it must have. So would one whose last changes
    are in a log beside it, which an immutable file's reader does not look at."""
    with path.open("rb") as file:
        header = file.read(100)
    if len(header) < 100 or not header.startswith(MAGIC):
        raise RecordError(f"{path}: not a SQLite file, or cut off in its first bytes; export it again")
    page = int.from_bytes(header[16:18], "big")
    pages = int.from_bytes(header[28:32], "big")
    if path.stat().st_size < pages * (65536 if page == 1 else page):
        raise RecordError(f"{path}: truncated SQLite file; export it again")
    logs = {"-journal": _JOURNAL} | ({"-wal": b""} if header[18] == 2 else {})
    for ending, begins in logs.items():
        log = path.with_name(path.name + ending)
        if log.is_file() and log.stat().st_size and _start(log, len(begins)) == begins:
            raise RecordError(
                f"{path}: a part of it is in {log.name}: another program writes it, or was stopped while it did; wait "
                "for that, or export it again"
            )


def _start(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        return file.read(size)


def _check_structure(connection: sqlite3.Connection, path: Path) -> None:
    if path.stat().st_size <= _CHECKED_BYTES:
        verdict = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict.splitlines()[0])


def columns_of(connection: sqlite3.Connection, table: str) -> set[str]:
    """The names of a table's columns; empty where there is no such table."""
    return {str(row[1]) for row in connection.execute(f"PRAGMA table_info({table})")}


def read_integers(
    connection: sqlite3.Connection,
    path: Path,
    table: str,
    wanted: Mapping[str, int | None],
    only: tuple[str, tuple[int, ...]] | None = None,
) -> list[Column]:
    """One int64 array per column of a table, in the table's own order.

    ``wanted``: column → what stands for NULL, and for a column that the table lacks; None where neither may be.
    ``only``: a wanted column and its values in the rows that are read, with what stands for NULL in its place.
    """
    try:
        return _of_pages(connection, path, table, wanted, only)
    except (UnusualError, OSError):
        return _of_sqlite(connection, table, wanted, only)


def _of_pages(
    connection: sqlite3.Connection,
    path: Path,
    table: str,
    wanted: Mapping[str, int | None],
    only: tuple[str, tuple[int, ...]] | None,
) -> list[Column]:
    columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
    place = {str(name): int(number) for number, name, *_ in columns}
    roots = connection.execute("SELECT rootpage FROM sqlite_master WHERE type = 'table' AND name = ?", (table,))
    found = roots.fetchall()
    if len(found) != 1 or any(name not in place and default is None for name, default in wanted.items()):
        raise UnusualError("its columns")
    if any(key and name in wanted for _, name, *_, key in columns):
        raise UnusualError("a key")  # it may be the row's number, which is not stored as a value
    kept = None if only is None else Only(list(wanted).index(only[0]), only[1])
    return read_pages(path, int(found[0][0]), [StoredColumn(place.get(n, -1), d) for n, d in wanted.items()], kept)


def _of_sqlite(
    connection: sqlite3.Connection,
    table: str,
    wanted: Mapping[str, int | None],
    only: tuple[str, tuple[int, ...]] | None,
) -> list[Column]:
    present = columns_of(connection, table)
    expressions = {name: _expression(name, default, present) for name, default in wanted.items()}
    where = "1" if only is None else f"{expressions[only[0]]} IN ({', '.join(map(str, only[1]))})"
    query = f"SELECT {', '.join(expressions.values())} FROM {table} NOT INDEXED WHERE {where}"  # noqa: S608
    most = most_rows(connection, len(expressions))
    columns = _read(connection, f"{query} LIMIT {most}", len(expressions))
    if len(columns[0]) >= most:
        raise sqlite3.DatabaseError(f"{table} gives more rows than the file can hold")
    return columns


def _expression(name: str, default: int | None, present: set[str]) -> str:
    if default is None:
        return f'"{name}"'
    return f'IFNULL("{name}", {default})' if name in present else str(default)


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

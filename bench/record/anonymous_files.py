"""The files of a run folder without who measured and where. What cannot be read as text is left out: a profiler's own
binary holds the whole environment of what it observed, and the names of all processes."""

from __future__ import annotations

import csv
import errno
import gzip
import io
import json
import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import IO

from . import packed
from .anonymous import Anonymiser
from .files import replacing
from .naming import OF_A_MACHINE, field, names_somebody

_JSON = (".json", ".jsonl")
_TEXT = (".log", ".txt", ".csv", ".md", ".folded", ".raw", ".svg", ".html", ".xml", ".toml")
_SQLITE = (".sqlite", ".db")
_KEY_BEGINS = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----")
_KEY_ENDS = b"-----END"


def why_not(file: Path) -> str:
    """Why such a file cannot be made anonymous; "" where it can."""
    if _suffix(file) in (*_JSON, *_TEXT, *_SQLITE):
        return ""
    return "a file of another program that may hold names, folders and variables of the machine"


def clean(file: Path, new: Path, names: Anonymiser) -> None:
    """Write ``file`` to ``new``, which may be the same, without what ``names`` takes out.

    Raises ValueError where it is not what its name says, OSError where it cannot be read or written.
    """
    suffix, gzipped = _suffix(file), file.suffix == ".gz"
    if suffix in _SQLITE:
        clean_sqlite(file, new, names)
        return
    with replacing(new) as out, packed.opened(file) if gzipped else file.open("rb") as stream:
        pieces = strings(stream, names) if suffix in _JSON else _lines(stream, names, rows=suffix == ".csv")
        if not gzipped:
            out.writelines(pieces)
            return
        with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=6, mtime=0, filename="") as target:
            for piece in pieces:
                target.write(piece)


def _suffix(file: Path) -> str:
    return (file.with_suffix("") if file.suffix == ".gz" else file).suffix.lower()


def _lines(stream: IO[bytes], names: Anonymiser, *, rows: bool) -> Iterator[bytes]:
    columns: list[str] = []
    for line in _whole_keys(stream):
        if b"\0" in line:
            raise ValueError("it is no text in UTF-8")
        text = line.decode("utf-8", "replace")
        if rows:
            columns, text = _row(text, columns, names)
        yield names.text(text).encode()


def _whole_keys(stream: IO[bytes]) -> Iterator[bytes]:
    """The lines, those of a private key in one."""
    lines = iter(stream)
    for line in lines:
        if _KEY_BEGINS.search(line) and _KEY_ENDS not in line:
            line = b"".join((line, *_until_key_ends(lines)))
        yield line


def _until_key_ends(lines: Iterator[bytes]) -> Iterator[bytes]:
    for line in lines:
        yield line
        if _KEY_ENDS in line:
            return


def _row(line: str, columns: list[str], names: Anonymiser) -> tuple[list[str], str]:
    """(columns, line): of a table the cells that name somebody, made anonymous. Its longest row names the columns."""
    try:
        cells = next(csv.reader([line]), [])
    except csv.Error:  # a cell of more than 128 KiB
        return columns, line
    if len(cells) < 2 or len(cells) != len(columns):
        return (cells if len(cells) > len(columns) else columns), line
    made = [
        str(names.document(cell, name)) if names_somebody(name) else cell
        for name, cell in zip(columns, cells, strict=True)
    ]
    if made == cells:
        return columns, line
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(made)
    return columns, out.getvalue()


_BLOCK = 1 << 22
_NEXT = re.compile(rb'([^"]*)("(?:[^"\\]|\\.)*+")', re.DOTALL)
_FIELD = re.compile(rb"\s*:\s*")
# What may stand between the texts of JSON: a program's own way to print a mapping has texts without ".
_BETWEEN = re.compile(rb"(?:[\s\d\[\]{}:,.+-]|[eE]|true|false|null|NaN|Infinity)*+")
# Bytes that may stand between a field's name and its colon; the longest text; texts kept with what became of them.
_AHEAD, _LONGEST, _MOST = 256, 256 << 20, 200_000
# A number that tells which machine, behind its field's name; the variables of a process.
_FIGURE = re.compile(rb"\s*:\s*(-?\d+)")
_VARIABLES = ("env", "environ")


def strings(stream: IO[bytes], names: Anonymiser) -> Iterator[bytes]:
    """JSON of any size, its strings made anonymous by the names of their fields, and all else as it is.

    A field's name holds for the texts of its list, until the next field or the end of the mapping."""
    left, known = b"", dict[tuple[bytes, str], bytes]()
    name, complete, depth = "", False, 0
    while not complete:
        block = stream.read(_BLOCK)
        text, at, complete = left + block, 0, not block
        pieces: list[bytes] = []
        while found := _NEXT.match(text, at):
            if found.end() + _AHEAD > len(text) and not complete:
                break  # what follows tells whether it is a field's name
            between, literal = found.groups()
            is_field = _FIELD.match(text, found.end())
            if depth or (b"{" in between and name in _VARIABLES):
                depth += between.count(b"{") - between.count(b"}")
            within = "" if is_field or b"{" in between or b"}" in between else name
            key = (literal, _VARIABLES[0] if depth and not is_field else within)
            if key not in known:
                known[key] = _string(*key, names)
            pieces += (_checked(between, name), known[key])
            at = found.end()
            name = _field_name(literal) if is_field else within
        yield b"".join(pieces)
        left = text[at:]
        if len(left) > _LONGEST:
            raise ValueError("it holds a text of more than 256 MiB, or is no JSON")
        if len(known) > _MOST:
            known.clear()
    yield _checked(left, name)


def _checked(between: bytes, name: str) -> bytes:
    """What stands behind a field's name and before the next text."""
    if not _BETWEEN.fullmatch(between):
        raise ValueError("it is no JSON")
    figure = _FIGURE.match(between) if field(name) in OF_A_MACHINE else None
    return between[: figure.start(1)] + b"0" + between[figure.end(1) :] if figure else between


def _string(literal: bytes, name: str, names: Anonymiser) -> bytes:
    text = _decoded(literal)
    made = names.document(text, name)
    return literal if made == text else json.dumps(made, ensure_ascii=False).encode()


@lru_cache(maxsize=10_000)
def _field_name(literal: bytes) -> str:
    return _decoded(literal)


def _decoded(literal: bytes) -> str:
    try:
        return str(json.loads(literal, strict=False))
    except ValueError:
        return literal[1:-1].decode("utf-8", "replace")


# Of an nsys export these tables are read by nobody and tell of the machine: its processes, its environment, its disks.
_OF_MACHINE = re.compile(r"(?i)PROCESS|THREADNAME|ENV|HOST|USER|NETWORK|_NIC|FILE|DISK|STDOUT|STDERR")
_REFERS = re.compile(r"(?i)name|text")
_READ_ROWS = {"TARGET_INFO_SYSTEM_ENV": "NvDriverVersion"}
# What SQLite says where a file cannot be written: it is full, or what the system said.
_OF_THE_DISK = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
_LISTED = "SELECT name FROM sqlite_master WHERE type = ? AND name NOT LIKE 'sqlite_%'"


def clean_sqlite(file: Path, new: Path, names: Anonymiser) -> None:
    """Write the database ``file`` to ``new`` without what ``names`` takes out. Raises ValueError where it is none,
    OSError where the disk has no room."""
    with tempfile.TemporaryDirectory(dir=new.parent, prefix=".share-") as name:
        copy, made = Path(name) / "copy", Path(name) / "made"
        shutil.copyfile(file, copy)
        try:
            with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
                _clean_tables(connection, names)
                # Not only the rows are gone then, but also the pages that held them.
                connection.execute("VACUUM INTO ?", (str(made),))
        except sqlite3.Error as error:
            if error.sqlite_errorcode & 0xFF in _OF_THE_DISK:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(new)) from error
            raise ValueError(f"it is no SQLite file that can be read ({error})") from error
        made.replace(new)


def _clean_tables(connection: sqlite3.Connection, names: Anonymiser) -> None:
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.create_function("anonymous", 2, lambda value, column: _value(value, str(column), names))
    _drop_what_is_no_table(connection)
    if any(names.text(sql) != sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE sql > ''")):
        raise ValueError("what says how its tables are made holds names")
    tables = [title for (title,) in connection.execute(_LISTED, ("table",)).fetchall()]
    for table in tables:
        if table in _READ_ROWS:
            connection.execute(f"DELETE FROM {_quoted(table)} WHERE name != ?", (_READ_ROWS[table],))  # noqa: S608
        elif _OF_MACHINE.search(table):
            names.taken["table of a machine"] += 1
            connection.execute(f"DELETE FROM {_quoted(table)}")  # noqa: S608
    if "StringIds" in tables:
        _drop_strings(connection, [table for table in tables if table != "StringIds"], names)
    for table in tables:
        _clean_columns(connection, table)


def _drop_what_is_no_table(connection: sqlite3.Connection) -> None:
    for kind in ("trigger", "view"):
        for (title,) in connection.execute(_LISTED, (kind,)).fetchall():
            connection.execute(f"DROP {kind} {_quoted(title)}")
    # These hold values of other tables.
    for (title,) in connection.execute("SELECT name FROM sqlite_master WHERE name LIKE 'sqlite_stat%'").fetchall():
        connection.execute(f"DROP TABLE {_quoted(title)}")


def _clean_columns(connection: sqlite3.Connection, table: str) -> None:
    columns = _columns(connection, table)
    if {"name", "value"} <= {*columns}:  # the one says what the other is
        change = "SET value = anonymous(value, name) WHERE typeof(value) IN ('text', 'blob')"
        connection.execute(f"UPDATE {_quoted(table)} {change}")
    for column in columns:
        of = _quoted(column)
        change = f"SET {of} = anonymous({of}, ?) WHERE typeof({of}) IN ('text', 'blob')"
        connection.execute(f"UPDATE {_quoted(table)} {change}", (column,))


def _drop_strings(connection: sqlite3.Connection, tables: list[str], names: Anonymiser) -> None:
    """Texts that no kept row refers to, such as the names of other processes."""
    connection.execute("CREATE TEMP TABLE used (id INTEGER PRIMARY KEY)")
    for table in tables:
        for column in filter(_REFERS.search, _columns(connection, table)):
            of = _quoted(column)
            found = f"SELECT {of} FROM {_quoted(table)} WHERE typeof({of}) = 'integer'"  # noqa: S608
            connection.execute(f"INSERT OR IGNORE INTO used {found}")
    unused = connection.execute("UPDATE StringIds SET value = '' WHERE id NOT IN (SELECT id FROM used)")
    names.taken["text of other processes in a trace"] += unused.rowcount


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [str(row[1]) for row in connection.execute(f"PRAGMA table_info({_quoted(table)})")]


def _value(value: str | bytes, column: str, names: Anonymiser) -> str | bytes:
    if isinstance(value, str):
        return str(names.document(value, column))
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:  # also of a text in UTF-16
        names.taken["binary content of a trace"] += 1
        return b""
    return str(names.document(text, column)).encode()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

"""The files of a run folder without who measured and where. What cannot be read as text is left out: a profiler's own
binary holds the whole environment of what it observed, and the names of all processes."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import IO

from . import packed
from .anonymous import Anonymiser
from .files import replacing

_JSON = (".json", ".jsonl")
_TEXT = (".log", ".txt", ".csv", ".md", ".folded", ".raw", ".svg", ".html", ".xml", ".toml")
_SQLITE = (".sqlite", ".db")
_BLOCK = 1 << 22
_NEXT = re.compile(rb'([^"]*)("(?:[^"\\]|\\.)*+")', re.DOTALL)
_FIELD = re.compile(rb"\s*:\s*")
# Bytes that may stand between a field's name and its colon; the longest text; texts kept with what became of them.
_AHEAD, _LONGEST, _MOST = 256, 256 << 20, 200_000
# Of an nsys export these tables are read by nobody and tell of the machine: its processes, its environment, its disks.
_OF_MACHINE = re.compile(r"(?i)PROCESS|THREADNAME|ENV|HOST|USER|NETWORK|_NIC|FILE|DISK|STDOUT|STDERR")
_REFERS = re.compile(r"(?i)name|text")
_READ_ROWS = {"TARGET_INFO_SYSTEM_ENV": "NvDriverVersion"}


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
        _clean_sqlite(file, new, names)
        return
    with replacing(new) as out, packed.opened(file) if gzipped else file.open("rb") as stream:
        pieces = _strings(stream, names) if suffix in _JSON else _lines(stream, names)
        if not gzipped:
            out.writelines(pieces)
            return
        with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=6, mtime=0, filename="") as target:
            for piece in pieces:
                target.write(piece)


def _suffix(file: Path) -> str:
    return (file.with_suffix("") if file.suffix == ".gz" else file).suffix.lower()


def _lines(stream: IO[bytes], names: Anonymiser) -> Iterator[bytes]:
    for line in stream:
        yield names.text(line.decode("utf-8", "replace")).encode()


def _strings(stream: IO[bytes], names: Anonymiser) -> Iterator[bytes]:
    """JSON of any size, its strings made anonymous by the names of their fields, and all else as it is."""
    left, known = b"", dict[tuple[bytes, str], bytes]()
    name, complete = "", False
    while not complete:
        block = stream.read(_BLOCK)
        text, at, complete = left + block, 0, not block
        while found := _NEXT.match(text, at):
            if found.end() + _AHEAD > len(text) and not complete:
                break  # what follows tells whether it is a field's name
            between, literal = found.groups()
            key = (literal, name if _FIELD.fullmatch(between) else "")
            if key not in known:
                known[key] = _string(*key, names)
            yield between
            yield known[key]
            at = found.end()
            name = _decoded(literal) if _FIELD.match(text, at) else ""
        left = text[at:]
        if len(left) > _LONGEST:
            raise ValueError("it holds a text of more than 256 MiB, or is no JSON")
        if len(known) > _MOST:
            known.clear()
    yield left


def _string(literal: bytes, name: str, names: Anonymiser) -> bytes:
    text = _decoded(literal)
    made = names.document(text, name)
    return literal if made == text else json.dumps(made, ensure_ascii=False).encode()


def _decoded(literal: bytes) -> str:
    try:
        return str(json.loads(literal, strict=False))
    except ValueError:
        return literal[1:-1].decode("utf-8", "replace")


def _clean_sqlite(file: Path, new: Path, names: Anonymiser) -> None:
    with tempfile.TemporaryDirectory(dir=new.parent, prefix=".share-") as name:
        copy, made = Path(name) / "copy", Path(name) / "made"
        shutil.copyfile(file, copy)
        try:
            with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
                _clean_tables(connection, names)
                # Not only the rows are gone then, but also the pages that held them.
                connection.execute("VACUUM INTO ?", (str(made),))
        except sqlite3.Error as error:
            raise ValueError(f"it is no SQLite file that can be read ({error})") from error
        made.replace(new)


def _clean_tables(connection: sqlite3.Connection, names: Anonymiser) -> None:
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.create_function("anonymous", 2, lambda value, column: _value(value, str(column), names))
    listed = "SELECT name FROM sqlite_master WHERE type = ? AND name NOT LIKE 'sqlite_%'"
    for kind in ("trigger", "view"):
        for (title,) in connection.execute(listed, (kind,)).fetchall():
            connection.execute(f"DROP {kind} {_quoted(title)}")
    if any(names.text(sql) != sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE sql > ''")):
        raise ValueError("what says how its tables are made holds names")
    tables = [title for (title,) in connection.execute(listed, ("table",)).fetchall()]
    for table in tables:
        if table in _READ_ROWS:
            connection.execute(f"DELETE FROM {_quoted(table)} WHERE name != ?", (_READ_ROWS[table],))  # noqa: S608
        elif _OF_MACHINE.search(table):
            names.taken["table of a machine"] += 1
            connection.execute(f"DELETE FROM {_quoted(table)}")  # noqa: S608
    if "StringIds" in tables:
        _drop_strings(connection, [table for table in tables if table != "StringIds"], names)
    for table in tables:
        for column in _columns(connection, table):
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
        return str(names.document(value.decode(), column)).encode()
    except UnicodeDecodeError:
        names.taken["binary content of a trace"] += 1
        return b""


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

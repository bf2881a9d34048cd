"""SQLite files, such as exports of Nsight Systems, without who measured and where."""

from __future__ import annotations

import errno
import os
import re
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from .anonymous import Anonymiser

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

"""Makes a SQLite file from elsewhere safe to read: a file can hold programs, and not only tables.

A view may stand where a table should, and count to infinity; a computed column may make a gigabyte of one byte; a
damaged tree of pages may lead in circles. The file's own code is not run, values are no longer than the file, and
the work is in proportion to its size.
"""

from __future__ import annotations

import sqlite3

_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_PRAGMA}
_FUNCTIONS = {"ifnull", "max"}
_PRAGMAS = {"table_info", "table_xinfo", "quick_check", "database_list", "ignore_check_constraints"}
_PRAGMAS |= {"page_count", "page_size"}
# Instructions of SQLite's machine: checking and reading a file takes some 2 for each of its bytes.
_STEPS_PER_BYTE, _LEAST_STEPS, _AT_ONCE = 40, 10_000_000, 100_000
# Tables of an export that hold its events.
_READ = {"NVTX_EVENTS", "STRINGIDS"} | {
    f"CUPTI_ACTIVITY_KIND_{kind}" for kind in ("KERNEL", "RUNTIME", "MEMCPY", "MEMSET", "GRAPH_TRACE")
}
# SQLite stores no row in less than six bytes, and a row of a trace has two times and a name or more.
_ROW_BYTES, _COLUMN_BYTES = 6, 2


class UnlikeError(sqlite3.DatabaseError):
    """A file that is whole, and holds what nsys does not write."""


def guard(connection: sqlite3.Connection, size: int) -> None:
    """Let the connection read tables of a file of ``size`` bytes, and do nothing else."""
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max(size, 1 << 20))
    left = iter(range(steps(size) // _AT_ONCE))
    connection.set_progress_handler(lambda: next(left, None) is None, _AT_ONCE)
    connection.execute("PRAGMA ignore_check_constraints = 1")
    connection.set_authorizer(_authorise)
    _refuse_unusual_tables(connection)


def steps(size: int) -> int:
    """How many instructions reading a file of ``size`` bytes may take at most."""
    return max(_LEAST_STEPS, _STEPS_PER_BYTE * size)


def most_rows(connection: sqlite3.Connection, columns: int) -> int:
    """More rows of a trace's table with so many columns cannot be in the file: a damaged tree repeats its pages."""
    (pages,), (size,) = (connection.execute(f"PRAGMA {what}").fetchone() for what in ("page_count", "page_size"))
    return int(pages) * int(size) // (_ROW_BYTES + _COLUMN_BYTES * columns) + 1


def _authorise(action: int, first: str | None, second: str | None, _database: str | None, inside: str | None) -> int:
    """``inside``: the view that wants it, None for our own queries."""
    if action == sqlite3.SQLITE_FUNCTION:
        allowed = (second or "").lower() in _FUNCTIONS
    elif action == sqlite3.SQLITE_PRAGMA:
        allowed = (first or "").lower() in _PRAGMAS
    else:
        allowed = action in _ALLOWED
    return sqlite3.SQLITE_OK if allowed and inside is None else sqlite3.SQLITE_DENY


def _refuse_unusual_tables(connection: sqlite3.Connection) -> None:
    """Computed columns would be computed by SQLite's check, whatever that takes; virtual tables and views are
    programs."""
    tables = connection.execute("SELECT name, rootpage, type FROM sqlite_master WHERE type IN ('table', 'view')")
    for name, root, kind in tables.fetchall():
        quoted = str(name).replace('"', '""')
        if kind == "view":
            if str(name).upper() in _READ:
                raise UnlikeError(f"its {name} is a view, where nsys writes a table")
        elif not root or any(row[6] in (2, 3) for row in connection.execute(f'PRAGMA table_xinfo("{quoted}")')):
            raise UnlikeError(f"nsys writes no computed columns and no virtual tables, and its {name} has")

"""The texts of an nsys export: its table StringIds."""

from __future__ import annotations

import sqlite3
from array import array
from bisect import bisect_right
from typing import Any

from .sqlite_columns import columns_of
from .sqlite_guard import most_rows


class StringIds:
    """Id → text, as two columns: exports hold millions of short texts, and an entry of a dict takes 100 bytes."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Read the table, where there is one. Raises sqlite3.Error, TypeError or ValueError where an id is none."""
        self._ids, self._texts = array("q"), list[str]()
        if columns_of(connection, "StringIds"):
            most = most_rows(connection, 0)
            for ident, text in connection.execute(f"SELECT id, value FROM StringIds ORDER BY id LIMIT {most}"):  # noqa: S608
                self._ids.append(int(ident))
                self._texts.append(text_of(text))

    def get(self, ident: int) -> str | None:
        """The text; None for an id that the table lacks."""
        place = bisect_right(self._ids, ident) - 1
        return self._texts[place] if place >= 0 and self._ids[place] == ident else None


def text_of(cell: Any) -> str:
    """A cell as text, bytes too: nsys writes none, but a file may hold what it likes."""
    return cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell)

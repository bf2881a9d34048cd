"""Reads integer columns of a SQLite query in a process of its own, and writes them row by row as 64-bit integers.

A script, not a module to import: started with ``python -I``, it needs the standard library alone and is up in some
20 ms. sqlite_columns.py gives it one half of a large table.

arguments: descriptor to write to, database URI, query, how many of SQLite's instructions it may take
"""

import sqlite3
import sys
from array import array
from itertools import chain, islice
from os import fdopen

BLOCK = 1 << 17  # rows turned into machine integers at once
AT_ONCE = 100_000  # instructions between two looks at how many are left


def main(descriptor: int, uri: str, query: str, steps: int) -> None:
    """Write every row of ``query``; an exception ends the process with a code other than 0."""
    connection, left = sqlite3.connect(uri, uri=True), iter(range(steps // AT_ONCE))
    connection.set_progress_handler(lambda: next(left, None) is None, AT_ONCE)
    cursor = connection.execute(query)
    with fdopen(descriptor, "wb") as out:
        while block := array("q", chain.from_iterable(islice(cursor, BLOCK))):
            block.tofile(out)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))

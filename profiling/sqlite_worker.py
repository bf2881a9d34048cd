"""Reads integer columns of a SQLite query in a process of its own, and writes them row by row as 64-bit integers.

A script, not a module to import: started with ``python -I``, it needs the standard library alone and is up in some
20 ms. sqlite_columns.py gives it one half of a large table.

arguments: descriptor to write to, database URI, query
"""

import sqlite3
import sys
from array import array
from itertools import chain, islice
from os import fdopen

BLOCK = 1 << 17  # rows turned into machine integers at once


def main(descriptor: int, uri: str, query: str) -> None:
    """Write every row of ``query``; an exception ends the process with a code other than 0."""
    cursor = sqlite3.connect(uri, uri=True).execute(query)
    with fdopen(descriptor, "wb") as out:
        while block := array("q", chain.from_iterable(islice(cursor, BLOCK))):
            block.tofile(out)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])

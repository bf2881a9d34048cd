"""Writes Records as one flat table to a CSV or a Parquet file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from gzip import GzipFile
from itertools import islice
from pathlib import Path
from typing import IO, Any

from .errors import StorageError, UsageError
from .files import replacing
from .flat import COLUMNS, Row, flat
from .schema import Record

ENDINGS = (".csv", ".csv.gz", ".parquet")
# How the files begin, by which an earlier one is known; nothing tells one Parquet file from another.
BEGINNING = ",".join(tuple(COLUMNS)[:6]).encode()
_ROWS_AT_ONCE = 50_000


def ending(out: Path) -> str:
    """That of ENDINGS which the file's name has. Raises UsageError where it has none."""
    found = next((each for each in ENDINGS if out.name.lower().endswith(each)), None)
    if found is None:
        raise UsageError(f"{out}: a run is exported as {', '.join(ENDINGS)}: give a name that ends so")
    return found


def write_table(records: Iterable[Record], out: Path) -> int:
    """Write the table of ``flat`` to ``out``, in the form that its name says; returns the number of rows.

    Raises UsageError for another ending, and for Parquet without pyarrow; StorageError where it cannot be written.
    """
    write = _write_parquet if ending(out) == ".parquet" else _write_csv
    try:
        with replacing(out) as stream:
            return write(flat(records), stream, out)
    except OSError as error:
        raise StorageError(f"{out}: cannot be written ({error.strerror or error})") from error


def _write_csv(rows: Iterable[Row], stream: IO[bytes], out: Path) -> int:
    packed = GzipFile("", "wb", fileobj=stream, mtime=0) if out.suffix.lower() == ".gz" else None
    text = io.TextIOWrapper(packed or stream, "utf-8", errors="backslashreplace", newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    count = 0
    for row in rows:
        writer.writerow(row)
        count += 1
    text.flush()
    text.detach()
    if packed is not None:
        packed.close()
    return count


def _write_parquet(rows: Iterable[Row], stream: IO[bytes], _out: Path) -> int:
    try:
        import pyarrow as pa
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise UsageError("Parquet needs pyarrow: pip install 'bitledger[tables]', or export as .csv") from error
    kinds = {str: pa.string(), int: pa.int64(), float: pa.float64()}
    schema = pa.schema([(name, kinds[kind]) for name, kind in COLUMNS.items()])
    count = 0
    with parquet.ParquetWriter(stream, schema, compression="zstd") as writer:
        for part in _parts(rows):
            count += len(part)
            writer.write_table(pa.Table.from_pylist([_encodable(row) for row in part], schema))
    return count


def _parts(rows: Iterable[Row]) -> Iterator[list[Row]]:
    waiting = iter(rows)
    while part := list(islice(waiting, _ROWS_AT_ONCE)):
        yield part


def _encodable(row: Row) -> dict[str, Any]:
    """The same with what no UTF-8 can hold, such as half of a surrogate pair, as an escape."""
    return {
        name: value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
        for name, value in row.items()
    }

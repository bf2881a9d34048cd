"""Records as one flat table, a row per raw value, for a spreadsheet, a data frame, or a database: as rows, CSV and
Parquet.

Nothing is averaged and nothing is left out: what was skipped, what failed and what was not collected has a row without
a value, and the reason in it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from gzip import GzipFile
from itertools import islice
from pathlib import Path
from typing import IO, Any

from .errors import StorageError, UsageError
from .files import replacing
from .schema import CASE_FIELDS, Record

Row = Mapping[str, Any]
# Column → what it holds, in their order. Coordinates of the Case that do not apply are empty.
COLUMNS: Mapping[str, type] = {
    **dict.fromkeys(("run_id", "case_id", "instrument"), str),
    "repeat": int,
    **dict.fromkeys(("status", "started_at", "hostname", "cpu", "gpu", "commit"), str),
    **{
        name: int if name in ("seed", "batch_size", "prompt_tokens", "new_tokens", "m", "n", "k") else str
        for name in CASE_FIELDS
    },
    **dict.fromkeys(("metric", "unit"), str),
    "place": int,
    "value": float,
    "reason": str,
}


def flat(records: Iterable[Record]) -> Iterator[Row]:
    """A row per raw value, with COLUMNS: ``place`` counts the values of a metric of a Record from 0, ``unit`` is the
    registry's SI unit. A metric without values has one row with the ``reason``, and so has a Record without metrics."""
    for record in records:
        shared = _shared(record)
        yield from _rows(record, shared)


def _rows(record: Record, shared: Row) -> Iterator[Row]:
    for item in record.metrics:
        for place, value in enumerate(item.values):
            yield {**shared, "metric": item.name, "unit": item.unit, "place": place, "value": value}
    for name, reason in record.not_collected.items():
        yield {**shared, "metric": name, "reason": f"not collected: {reason}"}
    if not record.metrics and not record.not_collected:
        yield shared


def _shared(record: Record) -> dict[str, Any]:
    made = dict.fromkeys(COLUMNS)
    machine = record.environment
    return made | record.case.coordinates() | {
        "run_id": record.run_id,
        "case_id": record.case_id,
        "instrument": record.instrument,
        "repeat": record.repeat,
        "status": record.status,
        "started_at": record.started_at,
        "hostname": machine.hostname,
        "cpu": _text(machine.cpu.get("model")),
        "gpu": "; ".join(_text(gpu.get("name")) or "unknown" for gpu in machine.gpus) or None,
        "commit": _text(machine.source.get("commit")),
        "reason": record.reason or None,
    }  # fmt: skip


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


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

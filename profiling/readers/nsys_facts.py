"""What an nsys export says of itself: versions, hardware, and the diagnostics of its recording."""

from __future__ import annotations

import mmap
import re
import sqlite3
from pathlib import Path

from .facts import SMS, Facts, counted, facts_with_value, whole_numbers
from .nsys_strings import text_of
from .sqlite_columns import columns_of

_MOST = 1000
_SHOWN = 6
_LONGEST = 300
# Of DIAGNOSTIC_EVENT.severity: 1 information, 2 warning, 3 error. What says only that something else than CUDA was not
# recorded explains nothing here.
_WARNING = 2
_BESIDE = re.compile(r"(?i)backtrace|paranoid|opengl|vulkan|ftrace|IP samples|stdout\.log|no NVTX events|perf event")
_VERSION = re.compile(rb"(20\d\d\.\d{1,2}\.\d{1,2})[./]")


def diagnostics(connection: sqlite3.Connection) -> tuple[str, ...]:
    """nsys's own warnings and errors about the recording, the errors first, each once."""
    columns = columns_of(connection, "DIAGNOSTIC_EVENT")
    if not {"severity", "text"} <= columns:
        return ()
    rows = connection.execute(
        f"SELECT severity, text FROM DIAGNOSTIC_EVENT WHERE severity >= {_WARNING} ORDER BY severity DESC LIMIT {_MOST}"  # noqa: S608
    )
    texts = (" ".join(text_of(text).split())[:_LONGEST] for _, text in rows if text is not None)
    return tuple(dict.fromkeys(f"nsys says: {text}" for text in texts if text and not _BESIDE.search(text)))[:_SHOWN]


def facts(connection: sqlite3.Connection) -> Facts:
    """(what, value) of the recording: the tool's version, the driver, each kind of GPU with its highest clock."""
    found: list[tuple[str, str]] = []
    for table in ("META_DATA_EXPORT", "EXPORT_META_DATA"):
        found += [("nsys", value) for value in _values(connection, table, "EXPORT_PRODUCT_VERSION")]
    found += [("GPU driver", value) for value in _values(connection, "TARGET_INFO_SYSTEM_ENV", "NvDriverVersion")]
    columns = columns_of(connection, "TARGET_INFO_GPU")
    if "name" in columns:
        clock, sms = (column if column in columns else "NULL" for column in ("clockRate", "smCount"))
        query = f"SELECT name, {clock}, {sms} FROM TARGET_INFO_GPU LIMIT {_MOST}"  # noqa: S608
        rows = connection.execute(query).fetchall()
        found.append(("GPU", counted([text_of(name) for name, *_ in rows if name is not None])))
        found.append((SMS, whole_numbers(number for _, _, number in rows)))
        clocks = sorted({int(hz) for _, hz, _ in rows if isinstance(hz, int) and hz > 0})
        found += [("GPU clock, at most", " and ".join(f"{hz / 1e6:.0f} MHz" for hz in clocks))] if clocks else []
    return facts_with_value(found)


def _values(connection: sqlite3.Connection, table: str, name: str) -> list[str]:
    if not {"name", "value"} <= columns_of(connection, table):
        return []
    query = f"SELECT value FROM {table} WHERE name = ? LIMIT 1"  # noqa: S608
    return [text_of(value) for (value,) in connection.execute(query, (name,)) if value is not None]


def version_of_report(path: Path) -> str | None:
    """The version of nsys that wrote a .nsys-rep; None where it does not say."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            found = re.search(rb"nsight-systems[-/](?:cli/)?" + _VERSION.pattern, content) or _VERSION.search(content)
            return found[1].decode() if found else None
    except (OSError, ValueError):
        return None

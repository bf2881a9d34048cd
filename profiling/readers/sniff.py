"""What kind of profiler output a file is, from its first bytes; names lie."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Literal

from bench.record.errors import RecordError
from bench.record.packed import MAGIC as GZIP
from profiling.export import BEGINNING

from .forms import NSYS_REPORT, head_of, refuse_others
from .sqlite_columns import MAGIC as SQLITE

Kind = Literal["nsys sqlite", "nsys report", "chrome trace", "counters"]


def kind_of(path: Path) -> Kind:
    """Raises RecordError where the file is missing, empty, or nothing that this program reads."""
    head = _head(path)
    if head.startswith(BEGINNING):
        raise RecordError(f"{path}: an export of this program, to look at: give the trace that it was made from")
    if head.startswith(SQLITE):
        return "nsys sqlite"
    if head.startswith(NSYS_REPORT):
        return "nsys report"
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        return "chrome trace"
    if _is_counters(path):
        return "counters"
    refuse_others(path, head)
    raise RecordError(
        f"{path}: not a file this program reads (nsys .sqlite or .nsys-rep, Kineto .json or .json.gz,"
        " .ncu-rep, ncu CSV), or cut off in its first bytes"
    )


def _head(path: Path) -> bytes:
    """The first bytes, unpacked where they are gzip."""
    head = head_of(path)
    return _unpacked(path) if head.startswith(GZIP) else head


def _unpacked(path: Path) -> bytes:
    try:
        with gzip.open(path) as file:
            return file.read(4096)
    except (OSError, EOFError, zlib.error) as error:
        raise RecordError(f"{path}: truncated or corrupt gzip file ({error}); copy or record it again") from error


def _is_counters(path: Path) -> bool:
    from .ncu import looks_like_counters

    return looks_like_counters(path)

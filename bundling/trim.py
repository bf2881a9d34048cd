"""Rewrite a wheel with some files left out and without compression, so that its RECORD still tells the truth.

Without compression, because the archive compresses all wheels together: a third smaller than wheel by wheel.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

from .errors import BundleError

_LIBRARY = re.compile(r"bitsandbytes/libbitsandbytes_([a-z]+)(\d*)\.so")


def repack(wheel: Path, out: Path, keep: Callable[[str], bool] = lambda _: True) -> list[str]:
    """Write ``wheel`` to ``out`` with the files that ``keep`` wants; returns the names left out.

    Raises BundleError where a file is not as RECORD says: a damaged download is not passed on.
    """
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as target:
        record_name = _record_name(source, wheel)
        record = list(csv.reader(io.StringIO(source.read(record_name).decode())))
        hashes = {row[0]: row[1] for row in record if row}
        removed = []
        for entry in source.infolist():
            if entry.is_dir() or entry.filename == record_name:
                continue
            if not keep(entry.filename):
                removed.append(entry.filename)
                continue
            data = source.read(entry)
            if hashes.get(entry.filename) != _digest(data):
                raise BundleError(f"{wheel.name}: {entry.filename} is not as its RECORD says: download again")
            target.writestr(_stored(entry), data)
        rows = [row for row in record if row and row[0] not in removed]
        target.writestr(_stored(source.getinfo(record_name)), _csv(rows))
    return removed


def keep_cuda(cuda: str) -> Callable[[str], bool]:
    """Of bitsandbytes' libraries (21 MB each) only the one for ``cuda`` and the one for CPUs."""

    def keep(name: str) -> bool:
        match = _LIBRARY.fullmatch(name)
        return match is None or match[1] == "cpu" or (match[1], match[2]) == ("cuda", cuda)

    return keep


def check_cuda(wheel: Path, cuda: str) -> None:
    """Raises BundleError if this bitsandbytes has no library for ``cuda``."""
    with zipfile.ZipFile(wheel) as archive:
        found = [match for name in archive.namelist() if (match := _LIBRARY.fullmatch(name))]
    versions = sorted(match[2] for match in found if match[1] == "cuda")
    if cuda != "cpu" and cuda not in versions:
        raise BundleError(f"{wheel.name} has no library for CUDA {cuda}: name one of {', '.join(versions)}, or cpu")


def _record_name(archive: zipfile.ZipFile, wheel: Path) -> str:
    # At the top only: setuptools carries wheels of others in itself.
    names = [name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/RECORD", name)]
    if len(names) != 1:
        raise BundleError(f"{wheel.name} has no RECORD: it is no wheel")
    return names[0]


def _digest(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def _stored(entry: zipfile.ZipInfo) -> zipfile.ZipInfo:
    copy = zipfile.ZipInfo(entry.filename, entry.date_time)
    copy.external_attr = entry.external_attr
    return copy


def _csv(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()

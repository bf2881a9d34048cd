"""Files that may be gzipped, unpacked within bounds: a few kilobytes can pack gigabytes."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import IO, Any

MAGIC = b"\x1f\x8b"
# gzip packs at most 1,032 to one; traces pack 18 to one and records 10 to one. What packs better than this is no
# measurement, unless it is small enough to be unpacked all the same.
TIMES, SMALL = 200, 16 << 20


class Unpacking:
    """A gzip stream of ``size`` packed bytes, read in blocks."""

    def __init__(self, packed: IO[bytes], size: int) -> None:
        self._file = gzip.GzipFile(fileobj=packed)
        self._left = max(SMALL, TIMES * size)
        self._size = size

    def read(self, size: int) -> bytes:
        """The next bytes, b"" at the end. Raises ValueError where the stream is damaged or unpacks to too much."""
        if not self._size:  # to gzip that is a stream of nothing
            raise ValueError("it is empty")
        try:
            block = self._file.read(size)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(str(error)) from error
        self._left -= len(block)
        if self._left < 0:
            raise ValueError(f"it unpacks to more than {TIMES} times its size")
        return block


class _Raw(io.RawIOBase):
    """What a file unpacks to, for a buffer to read lines of."""

    def __init__(self, file: Path) -> None:
        self._packed = file.open("rb")
        self._unpacking = Unpacking(self._packed, file.stat().st_size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._unpacking.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)

    def close(self) -> None:
        self._packed.close()
        super().close()


def opened(file: Path) -> IO[bytes]:
    """A gzip file, opened to be read unpacked. Raises OSError; reading raises ValueError as ``Unpacking``, also where
    it is no gzip file."""
    return io.BufferedReader(_Raw(file), 1 << 20)


def unpacked(content: bytes) -> bytes:
    """The content of a gzip file; any other content as it is. Raises ValueError where it is damaged or unpacks to
    more than 200 times its size (and to more than 16 MiB)."""
    if not content.startswith(MAGIC):
        return content
    stream = Unpacking(io.BytesIO(content), len(content))
    return b"".join(iter(lambda: stream.read(1 << 20), b""))


# Bytes of CPython's objects, seen with tracemalloc: a container, half a text or key, an entry of an object, a value.
_COSTS = ((b"[", 100), (b"{", 100), (b'"', 25), (b":", 20), (b",", 20))
_TIMES, _FLOOR = 10, 4096


def too_heavy(text: bytes) -> bool:
    """Whether the objects would take more than about 10 times the text; records are judged to take 2 to 7 times."""
    return sum(text.count(sign) * cost for sign, cost in _COSTS) > _TIMES * len(text) + _FLOOR

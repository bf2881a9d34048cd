"""Files that may be gzipped, unpacked within bounds: a few kilobytes can pack gigabytes."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import IO, Any

MAGIC = b"\x1f\x8b"
# gzip packs at most 1,032 to one; traces pack 18 to one and records 10 to one. What packs better than this is no
# measurement, unless it is small enough to be unpacked all the same.
TIMES, SMALL = 200, 16 << 20
_BLOCK = 64 << 10


class Unpacking:
    """A gzip stream of ``size`` packed bytes, read in blocks. ``after``: whether, once the end is reached, anything but
    zeros follows it, which is none of its content."""

    def __init__(self, packed: IO[bytes], size: int) -> None:
        self._file, self._size = packed, size
        self._left = max(SMALL, TIMES * size)
        self._member, self._waiting = _member(), b""
        self._ended = self.after = False

    def read(self, size: int) -> bytes:
        """The next bytes, b"" at the end. Raises ValueError where the stream is damaged or unpacks to too much."""
        if not self._size:
            raise ValueError("it is empty")
        parts: list[bytes] = []
        while size and (part := self._part(size)):
            parts.append(part)
            size -= len(part)
            self._left -= len(part)
            if self._left < 0:
                raise ValueError(f"it unpacks to more than {TIMES} times its size")
        return b"".join(parts)

    def _part(self, size: int) -> bytes:
        """Some of the next bytes, b"" at the end."""
        while not self._ended:
            given = self._waiting or self._file.read(_BLOCK)
            try:
                part: bytes = self._member.decompress(given, size)
            except zlib.error as error:
                raise ValueError(str(error)) from error
            self._waiting = self._member.unconsumed_tail
            if self._member.eof:
                self._after_member()
            elif not (part or given):
                raise ValueError("it ends before its end mark")
            if part:
                return part
        return b""

    def _after_member(self) -> None:
        """A file may hold several streams, one after the other, and zeros that pad it."""
        rest = self._member.unused_data.lstrip(b"\0")
        while len(rest) < len(MAGIC) and (more := self._file.read(_BLOCK)):
            rest = (rest + more).lstrip(b"\0")
        self._member, self._waiting = _member(), rest
        self._ended = not rest.startswith(MAGIC)
        self.after = self._ended and bool(rest)


def _member() -> Any:
    return zlib.decompressobj(16 + zlib.MAX_WBITS)


class _Raw(io.RawIOBase):
    """What a file unpacks to, for a buffer to read lines of."""

    def __init__(self, file: Path) -> None:
        self._packed = file.open("rb")
        self._unpacking = Unpacking(self._packed, file.stat().st_size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = _all_of(self._unpacking, len(buffer))
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
    return b"".join(iter(lambda: _all_of(stream, 1 << 20), b""))


def _all_of(stream: Unpacking, size: int) -> bytes:
    """The next bytes of a file that this program wrote: what follows its end is damage."""
    block = stream.read(size)
    if stream.after:
        raise ValueError("something follows its end")
    return block


# Bytes of CPython's objects, seen with tracemalloc: a container, half a text or key, an entry of an object, a value.
_COSTS = ((b"[", 100), (b"{", 100), (b'"', 25), (b":", 20), (b",", 20))
_TIMES, _FLOOR = 10, 4096


def too_heavy(text: bytes) -> bool:
    """Whether the objects would take more than about 10 times the text; records are judged to take 2 to 7 times."""
    return sum(text.count(sign) * cost for sign, cost in _COSTS) > _TIMES * len(text) + _FLOOR

"""Gzip around an input, whole and damaged, and the size of what is inside."""

from __future__ import annotations

import gzip
import io
import zlib
from random import Random

from .mutation import mutated

_MAGIC = b"\x1f\x8b"
_MOST = 256 << 20


def sometimes_packed(data: bytes, rng: Random) -> bytes:
    """Mostly ``data`` itself; else gzip of it, in parts, damaged, or with megabytes that pack to nothing."""
    chance = rng.random()
    if chance < 0.97:
        return data
    if chance < 0.985:
        return gzip.compress(data, 1)
    if chance < 0.99:
        half = rng.randrange(len(data) + 1)
        return gzip.compress(data[:half], 1) + gzip.compress(data[half:], 1)
    if chance < 0.999:
        return mutated(gzip.compress(data, 1), rng)
    filler = rng.choice((b" ", b"[", b'{"ph":"X"},', b"[],", b"a;b 1\n", b"\x00")) * (1 << 18)
    return gzip.compress(data + filler * rng.choice((1, 4)), 1)


def unpacked_size(data: bytes) -> int:
    """Bytes of the text, which is what a reader of packed text is measured by; of ``data`` where it is not packed."""
    if not data.startswith(_MAGIC):
        return len(data)
    size = 0
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            while (block := file.read(1 << 20)) and size < _MOST:
                size += len(block)
    except (OSError, EOFError, zlib.error):
        pass
    return max(size, len(data))

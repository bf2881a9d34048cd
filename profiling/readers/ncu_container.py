"""The outer structure of a ``.ncu-rep`` file: enough of it to tell a whole file from a truncated one.

NVIDIA's reader takes a truncated report for a shorter one and says nothing. The layout (seen in reports of
ncu 2024, and described by the .proto files that ncu installs): "NVR\\0", a length-prefixed file header, then
blocks of a length-prefixed header and a payload; a block's header is a protobuf message whose field 2 is the
number of results and whose field 5 is the payload's size in bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from bench.record.errors import RecordError

MAGIC = b"NVR\x00"
_RESULTS, _PAYLOAD = 2, 5
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_CUT = "is truncated or damaged: copy the report again, or profile again"


def count_results(content: bytes) -> int:
    """The number of results that the blocks of a report announce.

    Raises RecordError where the blocks do not end exactly at the end of the file.
    """
    try:
        _, position = _prefixed(content, len(MAGIC))
        results = 0
        while position < len(content):
            header, position = _prefixed(content, position)
            numbers = dict(_integers(header))
            results += numbers.get(_RESULTS, 0)
            position += numbers.get(_PAYLOAD, 0)
    except (IndexError, struct.error, ValueError) as error:
        raise RecordError(_CUT) from error
    if position != len(content):
        raise RecordError(_CUT)
    return results


def _prefixed(content: bytes, position: int) -> tuple[bytes, int]:
    (size,) = struct.unpack_from("<I", content, position)
    end = position + 4 + size
    if end > len(content):
        raise ValueError("length beyond the end of the file")
    return content[position + 4 : end], end


def _integers(message: bytes) -> Iterator[tuple[int, int]]:
    """(field number, value) of the varint fields of a protobuf message."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        kind = key & 7
        if kind == _VARINT:
            value, position = _varint(message, position)
            yield key >> 3, value
        elif kind == _BYTES:
            size, position = _varint(message, position)
            position += size
        elif kind in (_FIXED64, _FIXED32):
            position += 8 if kind == _FIXED64 else 4
        else:
            raise ValueError("unknown field type")


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position

"""Small binary reports that NVIDIA's library reads: blocks of protobuf messages, written by hand.

Field numbers are those of the .proto files that Nsight Compute installs (checked against a report of ncu 2024): in a
block's header 2 is the number of results, 4 the table of names and 5 the payload's size; in a result 7 is the
demangled name, 10 the grid, 11 the block and 13 a metric, whose first field is a place in the table of names.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from random import Random

from .mutation import mutated

METRICS = (
    ("gpu__time_duration.sum", 5000.0),
    ("lts__t_sectors_srcunit_tex_lookup_hit.sum", 7.0),
    ("launch__grid_dim_x", 4.0),
    ("launch__block_dim_x", 128.0),
    ("dram__bytes_read.sum", 9.0),
)
_ODD = (0.0, -1.0, 1e308, float("nan"), float("inf"), 5e-324, 2.0**63)


def varint(value: int) -> bytes:
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*data, value])


def whole(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def message(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def double(field: int, value: float) -> bytes:
    return varint(field << 3 | 1) + struct.pack("<d", value)


def prefixed(content: bytes) -> bytes:
    return struct.pack("<I", len(content)) + content


def report(results: Sequence[bytes], names: Sequence[str], announced: int | None = None) -> bytes:
    """A report with one block of results."""
    process = message(6, whole(1, 5816) + message(2, b"127.0.0.1") + message(3, b"/bin/app"))
    session = whole(1, 0) + whole(2, 0) + message(3, whole(2, 1763377100)) + message(4, b"") + whole(5, 0) + process
    payload = b"".join(prefixed(result) for result in results)
    table = message(4, b"".join(message(1, name.encode()) for name in names))
    count = len(results) if announced is None else announced
    header = whole(1, 0) + whole(2, count) + table + whole(5, len(payload)) + process
    return b"NVR\x00" + prefixed(whole(1, 7)) + prefixed(session) + prefixed(header) + payload


def result(kernel: str, metrics: Sequence[tuple[int, float]]) -> bytes:
    """One launch. ``metrics``: (place in the table of names, value)."""
    start = whole(1, 5816) + whole(2, 545) + whole(3, 94191002951584) + whole(4, 94191002950176)
    named = message(5, b"_Z4gemm") + message(6, b"gemm") + message(7, kernel.encode()) + whole(8, 3)
    sizes = b"".join(message(field, whole(1, 4) + whole(2, 2) + whole(3, 1)) for field in (9, 10, 11))
    values = b"".join(message(13, whole(1, at) + message(2, double(3, value)) + whole(4, 0)) for at, value in metrics)
    end = whole(14, 1763377100) + message(15, whole(1, 77309411329)) + whole(16, 0) + whole(22, 1) + whole(23, 7)
    return start + named + sizes + values + end + message(25, whole(1, 1) + whole(2, 1))


def usual() -> bytes:
    """Two launches with every metric."""
    values = [(place, value) for place, (_, value) in enumerate(METRICS)]
    return report([result("gemm(float *)", values), result("cast", values)], [name for name, _ in METRICS])


def any_report(rng: Random) -> bytes:
    """Launches with some metrics, odd values, places outside the table and wrong counts now and then."""
    names = [name for name, _ in METRICS] + rng.choice(([], ["x"], ["", "é", "a\nb"]))
    results = []
    for _ in range(rng.choice((0, 1, 1, 2, 5))):
        places = [rng.randrange(len(names) + (rng.random() < 0.05)) for _ in range(rng.randrange(8))]
        kernel = rng.choice(("gemm(float *)", "cast", "", "a\nb", "\U0001f600", "k" * 500))
        made = result(kernel, [(at, rng.choice(_ODD) if rng.random() < 0.2 else 5.0) for at in places])
        # Damage inside a result, with the sizes around it right, gets as far as the library.
        results.append(mutated(made, rng) if rng.random() < 0.4 else made)
    return report(results, names, rng.choice((None, None, None, 0, 7, 2**31, 2**63)))

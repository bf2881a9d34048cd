"""Hand-written generators of ncu output, and where the real samples are."""

from __future__ import annotations

import csv
import io
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "samples"
HEADER = ["ID", "Process ID", "Process Name", "Host Name", "Kernel Name", "Context", "Stream", "Block Size"]
HEADER += ["Grid Size", "Device", "CC", "Section Name", "Metric Name", "Metric Unit", "Metric Value"]
TIME = "gpu__time_duration.sum"
L2_HIT, L2_MISS = (f"lts__t_sectors_srcunit_tex_lookup_{what}.sum" for what in ("hit", "miss"))

Row = tuple[int, str, str, str, str]  # launch id, kernel, metric, unit, value


def sample(name: str) -> Path:
    path = SAMPLES / name
    if not path.exists():
        pytest.skip(f"the real profiler output ../shared/samples/{name} is not on this machine")
    return path


def samples(folder: str) -> list[Path]:
    return sorted((SAMPLES / folder).glob("*")) if SAMPLES.exists() else []


def quoted(cells: Sequence[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow(cells)
    return buffer.getvalue()


def long_csv(rows: Sequence[Row], before: str = "==PROF== Connected to process 7 (/bin/app)\n") -> str:
    """Live output or the details page: one row per metric."""
    text = before + quoted(HEADER)
    for launch, kernel, metric, unit, value in rows:
        cells = [str(launch), "7", "app", "127.0.0.1", kernel, "1", "7", "(128, 1, 1)", "(4, 2, 1)", "0", "9.0"]
        text += quoted([*cells, "Command line profiler metrics", metric, unit, value])
    return text


def wide_csv(metrics: Sequence[tuple[str, str]], launches: Sequence[tuple[str, Sequence[str]]]) -> str:
    """The raw page: a units row, then one row per launch."""
    identity = ["ID", "Process ID", "Kernel Name", "Block Size", "Grid Size"]
    text = quoted([*identity, *(name for name, _ in metrics)])
    text += quoted(["", "", "", "block", "grid", *(unit for _, unit in metrics)])
    for number, (kernel, values) in enumerate(launches):
        text += quoted([str(number), "7", kernel, "(32, 1, 1)", "(8, 1, 1)", *values])
    return text


def block(results: int, payload: bytes) -> bytes:
    """One block of a binary report: a header with the number of results and the payload's size."""
    header = bytes([0x10, results, 0x1A, 2, 1, 1, 0x28]) + varint(len(payload))
    return struct.pack("<I", len(header)) + header + payload


def varint(value: int) -> bytes:
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*data, value])


def container(*blocks: bytes) -> bytes:
    return b"NVR\x00" + struct.pack("<I", 2) + b"\x08\x07" + b"".join(blocks)

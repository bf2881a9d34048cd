"""A line is judged by what it takes in memory, before it does."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import msgspec
import pytest

from bench.record.packed import too_heavy
from bench.record.schema import to_json
from tests import factories


@pytest.mark.parametrize("piece", [b"[],", b"{},", b'{"a":1},', b"[1],"])
def test_what_is_little_but_brackets_is_too_heavy(piece: bytes) -> None:
    text = b"[" + piece * 50_000 + b"0]"
    assert _times(text) > 20
    assert too_heavy(text)


@pytest.mark.parametrize("piece", [b"1, ", b"0.0, ", b"0.012345678901, ", b'"some words of text", '])
def test_what_is_not_too_heavy_takes_ten_times_its_size_at_most(piece: bytes) -> None:
    text = b"[" + piece * 50_000 + b"0]"
    assert not too_heavy(text)
    assert _times(text) <= 10


def test_records_are_not_too_heavy() -> None:
    for record in [*factories.run(), factories.intervention(tokens=range(9999)), factories.kineto(steps=99)]:
        assert not too_heavy(json.dumps(to_json(record)).encode())


def _times(text: bytes) -> float:
    """Bytes of memory per byte of text."""
    tracemalloc.start()
    made: Any = msgspec.json.decode(text)
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert made
    return taken / len(text)

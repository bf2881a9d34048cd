"""Unpacking ends where a file is damaged, and where it would fill the memory."""

from __future__ import annotations

import gzip

import pytest

from bench.record import packed
from bench.record.packed import unpacked


def test_packed_and_plain_content() -> None:
    assert unpacked(b"plain") == b"plain"
    assert unpacked(gzip.compress(b"text")) == b"text"
    assert unpacked(gzip.compress(b"one") + gzip.compress(b"two")) == b"onetwo"


@pytest.mark.parametrize(
    "damage", [lambda p: p[:-9], lambda p: p[:9], lambda p: p[:20] + b"?" * 40, lambda p: p + b"x"]
)
def test_damage_is_a_value_error(damage) -> None:
    with pytest.raises(ValueError):
        unpacked(damage(gzip.compress(b"some text, and more of it" * 9)))


def test_what_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "SMALL", 1 << 20)
    assert len(unpacked(gzip.compress(bytes(1 << 20)))) == 1 << 20
    with pytest.raises(ValueError, match="more than 200 times"):
        unpacked(gzip.compress(bytes(8 << 20)))

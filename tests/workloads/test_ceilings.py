"""The machine's own ceilings: large enough to be of memory, small enough for any machine."""

from __future__ import annotations

import pytest

from bench.workloads import machine

MB = 1 << 20


@pytest.mark.parametrize(
    ("device", "cache", "copied"),
    [
        ("cpu", 8 * MB, 128 * MB),
        ("cpu", 64 * MB, 256 * MB),
        ("cpu", 480 * MB, 384 * MB),
        ("cuda", 50 * MB, 1024 * MB),
        ("cuda", 512 * MB, 2048 * MB),
    ],
)
def test_a_copy_exceeds_the_cache_within_what_a_machine_can_spare(monkeypatch, device, cache, copied):
    monkeypatch.setattr(machine, "last_level_cache_bytes", lambda _: cache)
    assert machine._copy_bytes(device) == copied
    assert 2 * copied > cache  # what is read and what is written
    assert device == "cuda" or 2 * copied < 1024 * MB

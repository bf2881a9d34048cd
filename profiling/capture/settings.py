"""How to observe: what the capturing verbs' options set."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """How to observe. ``steps`` decode steps after ``skip`` others; ``seconds`` of decoding for samplers at ``rate``
    per second; ``tier`` of ncu's counters; ``limit_s`` for one tool; files over ``keep_bytes`` are not kept."""

    steps: int = 4
    skip: int = 8
    warmup: int = 1
    seconds: float = 10.0
    rate: int = 200
    tier: str = "cause"
    limit_s: float = 900.0
    keep_bytes: int = 200 << 20

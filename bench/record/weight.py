"""How much memory a JSON text takes once it is objects, from the text alone: ``[[],[],[]]`` takes 21 times its size."""

from __future__ import annotations

# Bytes of CPython's objects, seen with tracemalloc: a container, half a text or key, an entry of an object, a value.
_COSTS = ((b"[", 100), (b"{", 100), (b'"', 25), (b":", 20), (b",", 20))
_TIMES, _FLOOR = 10, 4096


def too_heavy(text: bytes) -> bool:
    """Whether the objects would take more than about 10 times the text; records are judged to take 2 to 7 times."""
    return sum(text.count(sign) * cost for sign, cost in _COSTS) > _TIMES * len(text) + _FLOOR

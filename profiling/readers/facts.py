"""Facts of a recording's tool and hardware, as its file tells them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

# Fewer than the chip has: a slice of it.
SMS = "SMs of a GPU"
Facts = tuple[tuple[str, str], ...]


def facts_with_value(found: Iterable[tuple[str, str]]) -> Facts:
    """Those that have a value."""
    return tuple((name, value) for name, value in found if value)


def counted(names: list[str]) -> str:
    """Such as "8 × H100 and A100"."""
    times = {name: names.count(name) for name in names}
    return " and ".join(f"{times[name]} × {name}" if times[name] > 1 else name for name in times)


def whole_numbers(found: Iterable[Any]) -> str:
    """The different positive whole numbers, ascending, such as "66 and 132"; what is none is left out."""
    numbers = {each for each in found if isinstance(each, int) and not isinstance(each, bool) and each > 0}
    return " and ".join(map(str, sorted(numbers)))

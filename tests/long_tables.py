"""Long tables of cases: every run of the tests tries some of each, the long one (SLOW=yes, .ci/run) all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def some_of(names: Iterable[str], quick: Iterable[str]) -> list[Any]:
    """Parameters of a test: all but ``quick`` are slow."""
    every, few = list(names), set(quick)
    assert few <= set(every), few - set(every)
    return [name if name in few else pytest.param(name, marks=pytest.mark.slow) for name in every]


def one_in(step: int, names: Iterable[str], *also: str, but: Iterable[str] = ()) -> list[Any]:
    """One of ``step`` and ``also`` always, without ``but``."""
    every = list(names)
    return some_of(every, (set(every[::step]) | set(also)) - set(but))

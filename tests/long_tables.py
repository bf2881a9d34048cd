"""Long tables of cases: every run of the tests tries some of each, the long one (SLOW=yes, .ci/run) all."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def some_of(cases: Iterable[Any], quick: Collection[Any]) -> list[Any]:
    """Parameters of a test, of which all but ``quick`` are slow. A case of several arguments is a tuple."""
    every = list(cases)
    assert all(case in every for case in quick), [case for case in quick if case not in every]
    return [
        pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=[pytest.mark.slow] * (case not in quick))
        for case in every
    ]


def one_in(step: int, cases: Iterable[Any], *also: Any, but: Collection[Any] = ()) -> list[Any]:
    """The same with one of ``step`` and ``also`` for every run, without ``but``."""
    every = list(cases)
    return some_of(every, [case for case in (*every[::step], *also) if case not in but])

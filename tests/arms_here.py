"""Arms as parameters of tests: one whose packages or kernels this machine lacks is skipped with the reason."""

from __future__ import annotations

from typing import Any

import pytest

from bench.schemes import ARMS, arm, family


def parameter(name: str, *more: Any, is_slow: bool = False) -> Any:
    why = family(arm(name)).unavailable(arm(name), "cpu")
    slow = [pytest.mark.slow] * is_slow
    return pytest.param(name, *more, marks=[pytest.mark.skipif(bool(why), reason=why), *slow])


EVERY_ARM = [parameter(name) for name in ARMS]
# One of each kind; the others are slow.
FEW = ("fp16", "int8", "nf4")
SOME_ARMS = [parameter(name, is_slow=name not in FEW) for name in ARMS]

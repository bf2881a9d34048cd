"""Arms as parameters of tests: one whose packages or kernels this machine lacks is skipped with the reason."""

from __future__ import annotations

from typing import Any

import pytest

from bench.schemes import ARMS, arm, family


def parameter(name: str, *more: Any) -> Any:
    why = family(arm(name)).unavailable(arm(name), "cpu")
    return pytest.param(name, *more, marks=pytest.mark.skipif(bool(why), reason=why))


EVERY_ARM = [parameter(name) for name in ARMS]

"""Settings of all tests."""

import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

# A shared or loaded machine must not fail a property by being slow: timings belong in benchmarks.
settings.register_profile("default", deadline=None)
settings.load_profile("default")
# No test may reach the hub, even where there is one.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# Else each of the hundreds of interpreters that tests start would compile the whole program again.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(scope="session", autouse=True)
def coarse_pictures() -> Iterator[None]:
    """PNGs are drawn, but small: that is a third of all drawing, and no test looks at their dots."""
    from bench.report import svg

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(svg, "DOTS_PER_INCH", 20)
        yield


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """On a busy machine two threads wait for each other at every call."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)

"""Settings of all tests."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

# A shared or loaded machine must not fail a property by being slow: timings belong in benchmarks.
settings.register_profile("default", deadline=None)
settings.load_profile("default")
# No test may reach the hub, even where there is one.
os.environ.setdefault("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """On a busy machine two threads wait for each other at every call."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)

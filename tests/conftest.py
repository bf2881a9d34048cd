"""Settings of all tests."""

import gc
import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

# A shared or loaded machine must not fail a property by being slow: timings belong in benchmarks. Where the long tests
# are left out, properties are tried on fewer inputs: that takes a third off the time of those about ledgers and traces.
settings.register_profile("short", deadline=None, max_examples=15)
settings.register_profile("thorough", deadline=None)
# The models are tiny: two threads wait for each other at every call, and longer where two tests run at once.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# No test may reach the hub, even where there is one.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# Else each of the hundreds of interpreters that tests start would compile the whole program again.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_configure(config: pytest.Config) -> None:
    """Which inputs properties are tried on."""
    settings.load_profile("short" if "not slow" in config.getoption("markexpr") else "thorough")


def pytest_collection_finish() -> None:
    """Nor need it look for rubbish as often where whole traces are made of objects."""
    gc.set_threshold(20_000, 20, 20)
    _keep_what_is_imported()


def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    if nextitem and len(sys.modules) > _kept + 100:
        _keep_what_is_imported()


_kept = 0


def _keep_what_is_imported() -> None:
    """It stays: the garbage collector need not walk through all of torch again and again."""
    global _kept
    _kept = len(sys.modules)
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def coarse_pictures() -> Iterator[None]:
    """PNGs are drawn, but small: that is a third of all drawing, and no test looks at their dots."""
    from bench.report import svg

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(svg, "DOTS_PER_INCH", 20)
        yield


@pytest.fixture(scope="session", autouse=True)
def no_waiting() -> Iterator[None]:
    """Hundreds of times, for nothing that a test looks at: for the disk, since no test takes the power away, and for a
    mean of how busy the machine is. Programs that tests start do wait; tests/faults sees what a failing disk does."""
    from bench.instruments import environment

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _descriptor: None)
        patch.setattr(environment._OTHERS, "_min_seconds", 0.01)
        yield


@pytest.fixture
def no_drawing() -> Iterator[None]:
    """Drawing takes most of the time of a report."""
    from tests.written_report import undrawn

    with undrawn():
        yield

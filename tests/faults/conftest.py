"""Programs to strike, forked from one process for all modules: its imports take seconds."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.run.processes import ForkServer
from tests.faults.run import Scene, launcher


@pytest.fixture(scope="session")
def launch() -> Iterator[ForkServer]:
    """Forks the programs."""
    with launcher() as fork_server:
        yield fork_server


@pytest.fixture
def scenes(launch: ForkServer) -> Callable[[Path], Scene]:
    """Makes a scene of a folder."""
    return lambda place: Scene(place, launch)

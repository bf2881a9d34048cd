"""What every test module of faults does: provoke, and compare with the committed row."""

from __future__ import annotations

import pytest

from tests.faults.fault import Fault
from tests.faults.run import Scene
from tests.faults.table import row, written


def check(fault: Fault, scene: Scene) -> None:
    """Provoke it: nothing completed is lost, and the user sees what the page says."""
    seen = fault.provoke(scene)
    assert seen.lost == 0
    assert row(fault, seen) == written()[fault.name], "python -m tests.faults --write makes docs/faults.md again"


def faults(chosen: tuple[Fault, ...]) -> pytest.MarkDecorator:
    """One test for each fault that is not slow."""
    quick = [fault for fault in chosen if not fault.slow]
    return pytest.mark.parametrize("fault", quick, ids=[fault.name for fault in quick])

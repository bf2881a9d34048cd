"""Presets take joules in three processes of an arm: fewer show nothing of how processes differ (docs/verdicts.md)."""

from __future__ import annotations

import pytest

from bench.analysis.assumed import ENOUGH
from bench.presets import PRESETS

# One process per arm, because each holds all batch sizes or lengths: their joules are told with an assumed spread.
IN_ONE_PROCESS = {"study-batches", "study-batches-more", "study-batches-rest", "study-lengths"}


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_joules_are_taken_in_three_processes(name: str) -> None:
    for sweep in PRESETS[name].sweeps:
        if "energy" in sweep.observers and sweep.timed and name not in IN_ONE_PROCESS:
            schemes, repeats = sweep.observers["energy"]
            assert repeats >= ENOUGH and sweep.repeats >= ENOUGH and schemes, sweep.name

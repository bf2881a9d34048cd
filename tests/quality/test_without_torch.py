"""Programs are judged where no model library can be imported: by "evaluate RUN", on another machine than wrote them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.quality.sandbox import find
from bench.record.errors import MachineError
from bench.record.instruments import QUALITY
from bench.record.store import load, open_run
from tests import quality_records as q
from tests.no_model_libraries import run_verb


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A run whose programs wait to be judged."""
    try:
        find(unprotected=False)
    except MachineError as error:
        pytest.skip(str(error))
    made = q.samples(tokens=q.outputs()[:2])
    made = replace(made, setup={**made.setup, "completions": ["    return 1\n"] * 2})
    with open_run(tmp_path / "run") as writer:
        writer.append(made)
    return tmp_path / "run"


def test_a_run_is_judged_without_any_model_library(written: Path) -> None:
    done = run_verb("evaluate", written)
    assert done.returncode == 0, done.stderr
    wrote, judged = load(written).records
    assert (judged.instrument, judged.status) == (QUALITY, "ok"), judged.reason
    assert judged.setup["tasks"] == wrote.setup["tasks"]
    assert judged.values("passed_plus") == (0.0, 0.0)

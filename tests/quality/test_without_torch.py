"""Programs are judged where no model library can be imported: by "evaluate RUN", on another machine than wrote them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench.quality.sandbox import find
from bench.record.errors import MachineError
from bench.record.instruments import QUALITY
from bench.record.store import load, open_run
from tests import quality_records as q

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
BLOCKED = {"torch", "transformers", "bitsandbytes", "pynvml", "accelerate", "codecarbon"}

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocker())
from bench.cli import main
code = main(sys.argv[1:])
assert not BLOCKED & set(sys.modules)
sys.exit(code)
"""


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
    argv = [sys.executable, "-c", SCRIPT, "evaluate", str(written)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    wrote, judged = load(written).records
    assert (judged.instrument, judged.status) == (QUALITY, "ok"), judged.reason
    assert judged.setup["tasks"] == wrote.setup["tasks"]
    assert judged.values("passed_plus") == (0.0, 0.0)

"""docs/ci.md: its workflow is YAML whose commands can be parsed, its pytest fixture passes and fails as it says."""

import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench.cli import options_of
from bench.record.store import load, open_run
from tests import factories as make

ROOT = Path(__file__).parent.parent
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", (ROOT / "docs/ci.md").read_text(), re.DOTALL)


def test_its_workflow_runs_commands_that_there_are():
    yaml = pytest.importorskip("yaml")
    (text,) = [text for kind, text in BLOCKS if kind == "yaml"]
    steps = yaml.safe_load(text)["jobs"]["speed"]["steps"]
    commands = [shlex.split(step["run"]) for step in steps if step.get("run", "").startswith("bitledger ")]
    assert [options_of(words[1:]).verb for words in commands] == ["run", "run", "compare"]
    assert options_of(commands[-1][1:]).fail_on_slower


def written(folder, factor):
    with open_run(folder) as writer:
        for repeat in range(6):
            found = make.generation("nf4", repeat, device="cuda")
            values = tuple(
                replace(item, values=tuple(value * factor for value in item.values))
                if item.unit == "s" and item.name != "harness_overhead"
                else item
                for item in found.metrics
            )
            writer.append(replace(found, metrics=values))
    assert load(folder).records


@pytest.mark.parametrize(("factor", "code"), [(1.0, 0), (1.5, 1), (0.6, 0)])
def test_its_fixture_fails_where_the_second_run_is_slower(factor, code, tmp_path):
    fixture, test = (text for kind, text in BLOCKS if kind == "python")
    (tmp_path / "conftest.py").write_text(fixture)
    (tmp_path / "test_speed.py").write_text(test)
    written(tmp_path / "before", 1.0)
    written(tmp_path / "after", factor)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_speed.py"]
    path = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=tmp_path, env=path, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    assert ("decode time per token of nf4: ×1.50" in done.stdout) == (code == 1)

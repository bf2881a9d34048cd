"""docs/ci.md: its workflow is YAML whose commands can be parsed, its pytest fixture passes and fails as it says."""

import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench.cli import main as command
from bench.cli import options_of
from bench.record.store import load, open_run
from tests import factories as make
from tests.long_tables import some_of

ROOT = Path(__file__).parent.parent
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", (ROOT / "docs/ci.md").read_text(), re.DOTALL)


def test_its_workflow_runs_commands_that_there_are():
    yaml = pytest.importorskip("yaml")
    (text,) = [text for kind, text in BLOCKS if kind == "yaml"]
    steps = yaml.safe_load(text)["jobs"]["speed"]["steps"]
    lines = [line.strip() for step in steps for line in step.get("run", "").splitlines()]
    commands = [shlex.split(line) for line in lines if "bitledger " in line]
    commands = [words for words in commands if words[0].endswith("bitledger")]
    assert [options_of(words[1:]).verb for words in commands] == ["run", "run", "compare"]
    assert options_of(commands[-1][1:]).fail_on_slower


def test_several_runs_of_each_side_show_what_runs_differ_by(tmp_path, capsys):
    """×1.2 is not told by one run of each, however many repeats they have, and is by three."""
    for turn in (1, 2, 3):
        written(tmp_path / f"before-{turn}", 1.0 + 0.01 * turn, turn)
        written(tmp_path / f"after-{turn}", 1.2 - 0.01 * turn, turn + 10)
    sides = [",".join(str(tmp_path / f"{name}-{turn}") for turn in (1, 2, 3)) for name in ("before", "after")]
    assert (
        command(["compare", *sides, "--fail-on-slower"]) == 1
        and command(["compare", *sides[::-1], "--fail-on-slower"]) == 0
    )
    assert command(["compare", str(tmp_path / "before-1"), str(tmp_path / "after-1"), "--fail-on-slower"]) == 0
    capsys.readouterr()
    for wrong in (f"{sides[0]},{tmp_path / 'before-1'}", f"{sides[0]},{tmp_path / 'copy'}"):
        written(tmp_path / "copy", 1.0, 1) if "copy" in wrong else None
        assert command(["compare", wrong, sides[1]]) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1


def written(folder, factor, run=1):
    with open_run(folder) as writer:
        for repeat in range(6):
            found = make.generation("nf4", repeat, device="cuda")
            values = tuple(
                replace(item, values=tuple(value * factor for value in item.values))
                if item.unit == "s" and item.name != "harness_overhead"
                else item
                for item in found.metrics
            )
            writer.append(replace(found, metrics=values, run_id=f"202501{run:02d}T120000-run"))
    assert load(folder).records


@pytest.mark.parametrize(("factor", "code"), some_of([(1.0, 0), (1.5, 1), (0.6, 0)], [(1.0, 0), (1.5, 1)]))
def test_its_fixture_fails_where_the_second_run_is_slower(factor, code, tmp_path):
    fixture, test = (text for kind, text in BLOCKS if kind == "python")
    (tmp_path / "conftest.py").write_text(fixture)
    (tmp_path / "test_speed.py").write_text(test)
    written(tmp_path / "before", 1.0)
    written(tmp_path / "after", factor, 2)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_speed.py"]
    path = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=tmp_path, env=path, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    assert ("decode time per token of nf4: ×1.50" in done.stdout) == (code == 1)

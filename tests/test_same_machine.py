"""A run of another machine is not added to: neither by run --resume nor by intervene."""

import pytest

from bench import presets
from bench.cli import main
from bench.plan import make_plan
from bench.planfile import Run, write_plan
from bench.record.store import RECORDS, load, open_run
from bench.workloads.sources import resolve
from tests import factories as make


@pytest.fixture
def elsewhere(tmp_path):
    """A run that was begun on the machine that tests/factories.py imagines."""
    preset, source = presets.preset("smoke", {"schemes": ("fp16",), "matmul_m": (), "tasks": 0}), resolve("smoke")
    run = Run(make.RUN_ID, preset, source, "cpu", 0, make_plan(preset, source, [], "cpu", 0))
    folder = tmp_path / "run"
    with open_run(folder) as writer:
        write_plan(folder, run)
        writer.append(make.generation("fp16"))
    return folder


@pytest.mark.parametrize(
    "arguments", [("run", "--resume"), ("intervene", "--schemes", "fp16", "--only", "static-cache")], ids=lambda a: a[0]
)
def test_it_is_refused_in_one_line_and_stays_as_it_was(elsewhere, arguments, capsys):
    before = (elsewhere / RECORDS).read_bytes()
    assert main([*arguments, "--no-report", "--out", str(elsewhere)]) == 2
    said = capsys.readouterr().err.strip()
    assert said == "bitledger: this run was begun on another machine: start a new run here, and compare the two"
    assert (elsewhere / RECORDS).read_bytes() == before
    assert len(load(elsewhere).records) == 1

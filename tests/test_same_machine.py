"""A run of another machine is not added to, by run --resume nor by intervene; with other software it is told."""

from dataclasses import replace

import pytest

from bench import presets
from bench.cli import main
from bench.record.store import RECORDS, load, open_run
from bench.run.plan import make_plan
from bench.run.planfile import Run, write_plan
from bench.verbs.resuming import tell_other_software
from bench.workloads.sources import resolve
from tests import factories as make
from tests.written_report import write_report


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


def test_other_software_is_told_before_the_run_goes_on(elsewhere, capsys):
    newer = replace(make.CPU, packages={**make.CPU.packages, "torch": "2.14.0"}, source={"commit": "f" * 40})
    tell_other_software(load(elsewhere).records, newer)
    said = capsys.readouterr().out
    assert said.startswith("warning: ") and said.count("\n") == 1 and "start a new run" in said
    assert "torch 2.13.0 → 2.14.0" in said and "commit 0123456789ab → ffffffffffff" in said
    tell_other_software(load(elsewhere).records, make.CPU)
    assert capsys.readouterr().out == ""


def test_resume_tells_it(elsewhere, capsys, monkeypatch):
    here = replace(make.CPU, packages={**make.CPU.packages, "torch": "2.14.0"})
    monkeypatch.setattr("bench.verbs.run.environment.capture", lambda _: here)
    monkeypatch.setattr("bench.verbs.run.measure", lambda *_: 0)
    assert main(["run", "--resume", "--no-report", "--out", str(elsewhere)]) == 0
    assert "begun with other software (torch 2.13.0 → 2.14.0" in capsys.readouterr().out


def test_the_report_and_h13_tell_it(tmp_path):
    records = [make.generation(scheme, repeat) for scheme in ("fp16", "nf4") for repeat in range(3)]
    assert "more than one version" not in report(tmp_path / "one", records)
    newer = replace(make.CPU, packages={**make.CPU.packages, "bitsandbytes": "0.51.0"})
    mixed = [replace(r, environment=newer) if r.case.scheme == "nf4" else r for r in records]
    text = report(tmp_path / "mixed", mixed)
    assert "more than one version of its software" in text
    (unfair,) = (line for line in text.splitlines() if "The comparison is unfair" in line)
    assert "supported" in unfair and "bitsandbytes 0.50.2 (3 records) and 0.51.0 (3 records)" in unfair


def report(folder, records):
    folder.mkdir()
    write_report(folder, records, [])
    return (folder / "report.md").read_text(encoding="utf-8").replace("\\", "")

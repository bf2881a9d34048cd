"""Nothing is written outside the run folder, whatever models, schemes, plans and records are called."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.presets import preset
from bench.record.chain import PLAN
from bench.record.errors import BitledgerError, RecordError
from bench.record.files import artifact_folder
from bench.record.store import artifact, open_run
from bench.run.planfile import Run, new_run_id, read_plan, write_plan
from bench.schemes import arm
from bench.workloads.sources import Source, resolve
from profiling import inrun
from tests import factories as make

NAMES = ("../../x", "/etc/x", "..", ".", "", "a/b", "x\0y", "x\ny", "~/x", "-rf", "a" * 999, "\udcff")


@pytest.mark.parametrize("name", NAMES)
def test_an_artifact_folder_lies_in_the_run_folder(tmp_path, name):
    folder = artifact_folder(tmp_path, name, "fp16", name)
    assert folder.parent == tmp_path / "artifacts"
    folder.mkdir(parents=True)


@given(st.text(), st.text())
def test_any_two_texts_make_one_plain_name(one, other):
    folder = artifact_folder(Path("run"), one, other)
    assert folder.parts[:2] == ("run", "artifacts") and len(folder.parts) == 3
    assert re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", folder.name)


@pytest.mark.parametrize("name", NAMES)
def test_a_run_id_is_the_name_of_one_folder(name):
    source = Source(name, "folder", "/models/x", "0", "as published")
    assert re.fullmatch(r"[A-Za-z0-9.-]+", new_run_id("smoke", source))


def test_a_file_elsewhere_is_no_artifact(tmp_path):
    (tmp_path / "outside").write_text("x")
    (tmp_path / "run").mkdir()
    with pytest.raises(ValueError, match="subpath"):
        artifact(tmp_path / "run", tmp_path / "outside", "x")


@pytest.mark.parametrize("repeat", ("../../../x", 1.5, None, True))
def test_a_plan_from_elsewhere_cannot_name_a_folder(tmp_path, repeat):
    with open_run(tmp_path):
        write_plan(tmp_path, Run("x", preset("smoke"), resolve("smoke"), "cpu", 0, ()))
    document = json.loads((tmp_path / PLAN).read_text())
    request = {"case": make.case().coordinates(), "instrument": "generation"}
    document["blocks"] = [{"kind": "generation", "repeat": repeat, "requests": [request], "options": {}, "limit_s": 1}]
    (tmp_path / PLAN).write_text(json.dumps(document))
    with pytest.raises(RecordError, match=r"plan\.json is damaged"):
        read_plan(tmp_path)


class Observed:
    """A session whose observer fails at once: its folder is then removed."""

    def __init__(self, case):
        self.case = case


def test_a_timeline_that_fails_removes_nothing_outside_its_folder(tmp_path, monkeypatch):
    (tmp_path / "kept").mkdir()
    (tmp_path / "run" / "artifacts").mkdir(parents=True)

    def fail(*_):
        raise RecordError("no trace")

    monkeypatch.setattr(inrun, "observe_kineto", fail)
    session = Observed(make.case("../../../kept/x"))
    outcome = inrun.timeline(session, {"timeline_steps": 1, "repeat": "../../kept"}, tmp_path / "run")
    assert outcome.status == "failed"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["artifacts", "kept", "run"]


def test_a_scheme_that_no_table_knows_measures_nothing():
    with pytest.raises(BitledgerError, match="unknown scheme"):
        arm("../../x")

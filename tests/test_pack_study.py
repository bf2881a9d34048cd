"""What is packed is verified, small, and says what was left out; the study's own folder stays as it is."""

import gzip
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench.record.chain import PLAN
from bench.record.integrity import LEFT_OUT
from bench.record.store import RECORDS, open_run
from tests import factories as make

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
import pack_study

LARGE, SMALL = "artifacts/kineto-fp16/trace.json.gz", "artifacts/kineto-fp16/summary.json"


@pytest.fixture
def study(tmp_path):
    """One run with a large and a small raw file, a plan that it fulfils, and a result beside it."""
    folder = tmp_path / "study" / "smoke"
    with open_run(folder) as writer:
        (folder / LARGE).parent.mkdir(parents=True)
        (folder / LARGE).write_bytes(b"x" * 20_000)
        (folder / SMALL).write_text("{}")
        files = tuple(writer.artifact(folder / name, "a file") for name in (LARGE, SMALL))
        records = [make.generation("fp16", 0), replace(make.kineto("fp16"), artifacts=files)]
        for record in records:
            writer.append(record)
    asked = [{"case": record.case.coordinates(), "instrument": record.instrument} for record in records]
    (folder / PLAN).write_text(json.dumps({"run_id": make.RUN_ID, "blocks": [{"repeat": 0, "requests": asked}]}))
    for name in ("noise.json", "steps.jsonl"):
        (folder.parent / name).write_text("{}\n")
    return folder.parent


def packed(study):
    return study / pack_study.READY / "smoke"


def test_large_files_are_left_out_with_the_reason_and_the_rest_is_verified(study, capsys):
    assert pack_study.main([str(study), "--largest-mb", "0.01"]) == 0
    ready = packed(study)
    assert not (ready / LARGE).exists()
    assert (ready / SMALL).exists()
    assert gzip.decompress((ready / f"{RECORDS}.gz").read_bytes()) == (study / "smoke" / RECORDS).read_bytes()
    (entry,) = json.loads((ready / LEFT_OUT).read_text())
    assert entry["artifacts"] == [LARGE]
    assert "over 0.01 MB are left out" in entry["reason"]
    assert (study / "smoke" / LARGE).exists()
    assert {file.name for file in ready.parent.glob("*.json*")} == {"noise.json", "steps.jsonl"}
    assert "smoke: 1 raw files left out, verified" in capsys.readouterr().out


def test_packing_again_begins_afresh(study):
    assert pack_study.main([str(study), "--largest-mb", "0.01"]) == 0
    assert pack_study.main([str(study)]) == 0
    assert (packed(study) / LARGE).exists()
    assert not (packed(study) / LEFT_OUT).exists()


def test_an_unfinished_run_is_told_and_may_be_excused(study, capsys):
    plan = json.loads((study / "smoke" / PLAN).read_text())
    plan["blocks"].append({"repeat": 1, "requests": plan["blocks"][0]["requests"][:1]})
    (study / "smoke" / PLAN).write_text(json.dumps(plan))
    assert pack_study.main([str(study), "--largest-mb", "0.01"]) == 1
    assert "NOT VERIFIED" in capsys.readouterr().out
    assert pack_study.main([str(study), "--largest-mb", "0.01", "--unfinished", "the device's time was up"]) == 0
    reasons = {entry["reason"]: entry for entry in json.loads((packed(study) / LEFT_OUT).read_text())}
    assert len(reasons["the device's time was up"]["records"]) == 1
    assert reasons["the device's time was up"]["artifacts"] == []


def test_a_file_too_large_to_commit_is_named(study, capsys, monkeypatch):
    monkeypatch.setattr(pack_study, "MOST_BYTES", 10_000)
    assert pack_study.main([str(study)]) == 1
    assert f"too large to commit: smoke/{LARGE}" in capsys.readouterr().out


def test_a_folder_without_runs_is_one_line(tmp_path, capsys):
    assert pack_study.main([str(tmp_path)]) == 2
    assert "holds no run" in capsys.readouterr().err

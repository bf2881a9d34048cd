"""No verb that starts or adds to a run takes a folder that is another's: runs in whatever form, folders of the user."""

import gzip
from dataclasses import replace
from pathlib import Path

import pytest

import profiling.cli
from bench import cli
from bench.cluster.attempt import measure_block
from bench.cluster.gather import gather
from bench.record import files
from bench.record.errors import RecordError, StorageError
from bench.record.store import PACKED, RECORDS, load, open_run
from tests import factories as make
from tests.cluster.sweeps import means, plan
from tests.safety.places import (
    PACKED_RUNS,
    RUNS,
    USERS,
    USERS_FOLDERS,
    finished,
    packed,
    refused,
)
from tests.safety.places import nothing_is_started as nothing_is_started


@pytest.mark.parametrize("build", [*(b for b in RUNS if b.__name__ != "records.jsonl.gz"), *USERS_FOLDERS])
@pytest.mark.parametrize("verb", ["run", "sweep", "rerun"])
def test_a_new_run_takes_no_folder_that_is_taken(verb, build, tmp_path, capsys):
    build(tmp_path / "out")
    arguments = {
        "run": ("run", "--preset", "smoke"), "sweep": ("run", "--on", "local", "--preset", "smoke"),
        "rerun": ("rerun", tmp_path / "old"),
    }[verb]  # fmt: skip
    if verb == "rerun":
        finished(tmp_path / "old")
    capsys.readouterr()
    line = refused(cli.main, (*arguments, "--out", tmp_path / "out"), capsys, tmp_path)
    assert "--out" in line or "sweep" in line


@pytest.mark.parametrize("build", [*PACKED_RUNS, *(b for b in USERS_FOLDERS if b.__name__ != "records.csv")])
@pytest.mark.parametrize("verb", ["intervene", "kineto", "nsys", "ncu", "host", "all"])
def test_what_adds_to_a_run_takes_no_packed_one_and_no_other_folder(verb, build, tmp_path, capsys):
    build(tmp_path / "out")
    main = cli.main if verb == "intervene" else profiling.cli.main
    refused(main, (verb, "--out", tmp_path / "out"), capsys, tmp_path)


@pytest.mark.parametrize("build", PACKED_RUNS[::2])
@pytest.mark.parametrize("arguments", [("run", "--resume", "--out"), ("evaluate", "--no-sandbox")])
def test_a_packed_run_is_gone_on_with_only_when_it_is_unpacked(build, arguments, tmp_path, capsys):
    build(tmp_path / "out")
    assert load(tmp_path / "out").records
    says = f"unpack them first, gunzip {tmp_path / 'out' / PACKED}"
    refused(cli.main, (*arguments, tmp_path / "out"), capsys, tmp_path, says)


def test_a_sweep_whose_records_are_packed_is_not_gathered_again(tmp_path, capsys):
    folder = tmp_path / "sweep"
    plan(folder, repeats=1)
    measure_block(folder, 1, means())
    gather(folder)
    (folder / PACKED).write_bytes(gzip.compress((folder / RECORDS).read_bytes()))
    (folder / RECORDS).unlink()
    for arguments in (("gather", folder), ("run", "--on", "local", "--resume", "--out", folder)):
        refused(cli.main, arguments, capsys, tmp_path, "unpack them first")


def test_what_an_attempt_left_that_ended_before_it_began_is_no_run(tmp_path):
    with open_run(tmp_path / "out"):
        pass
    files.refuse_taken(tmp_path / "out")
    files.refuse_taken(tmp_path / "new" / "folder")
    (tmp_path / "out" / "notes.txt").write_text(USERS)  # no name that a run writes
    files.refuse_taken(tmp_path / "out")


def test_a_disk_that_cannot_be_written_is_told_before_anything_is_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(files.os, "access", lambda *_: False)
    refused(cli.main, ("run", "--preset", "smoke", "--out", tmp_path / "out"), capsys, tmp_path, "read-only disk")
    monkeypatch.undo()
    (tmp_path / "file").write_text(USERS)
    assert "Not a directory" in refused(
        cli.main, ("run", "--preset", "smoke", "--out", tmp_path / "file" / "mine"), capsys, tmp_path
    )


@pytest.mark.parametrize("text", ['{"mine": 1}', "mine, and no line end", '{"mine": 1}\n{"mine": 2'])
def test_no_line_of_another_programs_file_is_cut_off(tmp_path, text):
    (tmp_path / RECORDS).write_text(text)
    with pytest.raises(RecordError), open_run(tmp_path):
        pass
    assert (tmp_path / RECORDS).read_text() == text


def test_the_half_line_of_a_crash_is_still_cut_off(tmp_path):
    for length in (1, 5, 12, 40):
        (tmp_path / RECORDS).write_text('{"run_id": "20250101T120000-test", "instrument": "gen'[:length])
        with open_run(tmp_path) as writer:
            assert [finding.code for finding in writer.findings] == ["truncated-last-line"]


def test_a_folder_that_may_not_be_looked_into_is_one_line(tmp_path, monkeypatch):
    def forbidden(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", forbidden)
    with pytest.raises(StorageError, match="cannot look into"):
        files.refuse_taken(tmp_path)


def test_a_run_from_elsewhere_is_unpacked_and_goes_on(tmp_path):
    packed(tmp_path)
    records = load(tmp_path).records
    (tmp_path / RECORDS).write_bytes(gzip.decompress((tmp_path / PACKED).read_bytes()))
    with open_run(tmp_path) as writer:
        writer.append(replace(make.generation("int8"), repeat=7))
    assert load(tmp_path).records[:-1] == records

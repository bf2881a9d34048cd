"""A process that reads a run again reads no line again, unless the file is another."""

import os
from pathlib import Path

import pytest

from bench.record import lines, store
from bench.record.errors import RecordError
from bench.record.lines import ReadBefore
from bench.record.store import RECORDS, load, open_run
from tests import factories as make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with open_run(tmp_path / "run") as writer:
        writer.append(make.generation())
    return tmp_path / "run"


def test_the_records_of_a_run_are_the_same_objects(folder, monkeypatch):
    first = load(folder)
    monkeypatch.setattr(store, "_load", lambda *_: pytest.fail("it was read again"))
    assert load(folder).records[0] is first.records[0]


@pytest.mark.parametrize("same_time", [False, True])
def test_a_changed_file_is_read_anew(folder, same_time):
    (before,) = load(folder).records
    file = folder / RECORDS
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    file.write_bytes(file.read_bytes().replace(b'"repeat": 0', b'"repeat": 7'))
    if same_time:
        os.utime(file, ns=times)
    (after,) = load(folder).records
    assert (before.repeat, after.repeat) == (0, 7)


def test_a_run_that_goes_on_has_its_new_records(folder):
    assert len(load(folder).records) == 1
    with open_run(folder) as writer:
        writer.append(make.generation("nf4"))
    assert len(load(folder).records) == 2


def test_what_was_refused_is_refused_again(folder):
    (folder / RECORDS).write_text("no record\n")
    for _ in range(2):
        with pytest.raises(RecordError, match="line 1"):
            load(folder)


def test_a_file_that_is_written_to_meanwhile_is_not_kept(tmp_path):
    file, kept = tmp_path / "a", ReadBefore(2)
    file.write_text("old")

    def slowly():
        text = file.read_text()
        file.write_text("new")
        return text

    assert kept.get(file, slowly) == "old"
    file.write_text("old")
    assert kept.get(file, lambda: "read anew") == "read anew"


def test_the_last_ones_are_kept_and_none_that_is_large(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "_MOST_BYTES", 10)
    names, read = "abac", []
    for name in names:
        (tmp_path / name).write_text(name)
    (tmp_path / "large").write_bytes(bytes(11))
    kept = ReadBefore(2)
    for name in (*names, "a", "b", "large", "large"):
        kept.get(tmp_path / name, lambda name=name: read.append(name) or name)
    assert read == ["a", "b", "c", "b", "large", "large"]

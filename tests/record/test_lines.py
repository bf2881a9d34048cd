"""Lines of a file of records are read one at a time, what they have in common once, and none without a bound."""

from __future__ import annotations

import gc
import gzip
import json
from dataclasses import replace

import pytest

from bench.record import chain
from bench.record import lines as reading
from bench.record.errors import RecordError
from bench.record.lines import Decoder, RecordLines
from bench.record.schema import from_json, to_json
from bench.record.store import RECORDS, check_chain, load, open_run
from tests import factories as make


def _many():
    one = make.generation(calls=1, new_tokens=4)
    return [replace(one, repeat=repeat) for repeat in range(3)]


def _written(folder, records):
    with open_run(folder) as writer:
        for record in records:
            writer.append(record)
    return folder / RECORDS


def test_what_records_have_in_common_is_one_object(tmp_path):
    _written(tmp_path, _many())
    first, *others = load(tmp_path).records
    for other in others:
        assert other.case is first.case
        assert other.environment is first.environment
        assert other.environment.packages is first.environment.packages
        assert other.environment.gpus is first.environment.gpus
        assert other.setup["arm"] is first.setup["arm"]
        assert other.argv[-1] is first.argv[-1]
        assert all(one.name is another.name for one, another in zip(other.metrics, first.metrics, strict=True))


def test_what_differs_stays_apart(tmp_path):
    one = make.generation(calls=1, new_tokens=4)
    hot = replace(one, repeat=1, environment=replace(one.environment, after={"load_average": [9.0]}))
    other = replace(one, repeat=2, environment=replace(one.environment, packages={"torch": "0"}))
    _written(tmp_path, [one, hot, other])
    assert load(tmp_path).records == (one, hot, other)


@pytest.mark.parametrize("record", [make.energy(), make.matmul(), make.kineto(), make.intervention(), make.ceiling()])
def test_a_line_is_the_same_by_parts_and_as_a_whole(record):
    line = json.dumps(to_json(record)).encode()
    assert from_json(Decoder().document(line)) == from_json(json.loads(line)) == record


CHANGES = {
    "an environment that is none": ("environment", [1]),
    "a case that is none": ("case", "nothing"),
    "a setup that is none": ("setup", None),
    "no text": ("setup", {"arm": "\ud800"}),
    "a state that is none": ("environment", {**to_json(make.energy())["environment"], "after": {"gpus": 3}}),
    "cores that are none": ("environment", {**to_json(make.energy())["environment"], "cpu": {"usable_cores": True}}),
    "an unknown coordinate": ("case", {**to_json(make.energy())["case"], "colour": "red"}),
    "an unknown place": ("environment", {**to_json(make.energy())["environment"], "colour": "red"}),
    "not enough of a machine": ("environment", {"hostname": "h"}),
    "another arm's settings": ("setup", {"arm": {"blocksize": "many"}}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_damage_is_told_as_it_is_of_the_whole_line(change):
    name, value = CHANGES[change]
    line = json.dumps(to_json(make.energy()) | {name: value}).encode()
    decoder, told = Decoder(), []
    decoder.document(json.dumps(to_json(make.energy())).encode())
    for document in (lambda: decoder.document(line), lambda: reading.msgspec.json.decode(line)):
        with pytest.raises((ValueError, RecordError)) as error:
            from_json(document())
        told.append(str(error.value))
    assert told[0] == told[1]


@pytest.mark.parametrize("packed", [False, True])
def test_a_line_that_is_no_record_by_its_length_alone_is_named(tmp_path, monkeypatch, packed):
    file = _written(tmp_path, _many())
    content = file.read_bytes()
    first = content.index(b"\n") + 1
    damaged = content[:first] + b" " * 100_000 + b"\n" + content[first:] + b"x" * 100_000
    if packed:
        file.unlink()
        (tmp_path / f"{RECORDS}.gz").write_bytes(gzip.compress(damaged))
    else:
        file.write_bytes(damaged)
    monkeypatch.setattr(reading, "LONGEST", 20_000)
    with pytest.raises(RecordError, match=r"line 2: .* longer than"):
        load(tmp_path)
    told = []
    loaded = load(tmp_path, told.append)
    assert (len(loaded.records), len(told)) == (3, 1)
    assert [finding.code for finding in loaded.findings] == ["truncated-last-line"]
    assert check_chain(tmp_path).broken


def test_blanks_at_the_end_are_no_part_of_a_line(tmp_path, monkeypatch):
    file = tmp_path / RECORDS
    monkeypatch.setattr(reading, "LONGEST", 10)
    for content, partial in ((b"a\n", False), (b"a\n" + b" " * 30, False), (b"a\n" + b" " * 30 + b"b", True)):
        file.write_bytes(content)
        lines = RecordLines(file)
        assert (list(lines), lines.partial) == ([(1, b"a\n")], partial)


def test_packed_records_that_are_empty_are_damaged_and_not_a_run_that_has_none_yet(tmp_path):
    (tmp_path / f"{RECORDS}.gz").write_bytes(b"")
    with pytest.raises(RecordError, match="damaged gzip file"):
        load(tmp_path)


@pytest.mark.parametrize("before", [b"", b'{"old": 1}\n', b'{"old": 1}\n{"old": 2}\n\n'])
def test_a_writer_goes_on_after_lines_of_any_version(tmp_path, before):
    (tmp_path / "old").write_bytes(before)
    with (tmp_path / "old").open("a+b", buffering=0) as stream:
        followed = chain.last(stream, "")
    line, _ = chain.linked(b'{"new": 1}', followed)
    assert not chain.check([*before.splitlines(True), line], [""]).broken


@pytest.mark.parametrize("length", [5, 1 << 20, (3 << 20) + 1])
def test_a_part_of_a_line_is_cut_off_however_long(tmp_path, length):
    file = _written(tmp_path, _many())
    whole = file.read_bytes()
    with file.open("ab") as stream:
        stream.write(b"x" * length)
    with open_run(tmp_path) as writer:
        assert [finding.code for finding in writer.findings] == ["truncated-last-line"]
        assert file.read_bytes() == whole
        writer.append(replace(_many()[0], repeat=9))
    assert not check_chain(tmp_path).broken


def test_records_of_a_large_file_are_looked_through_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "_LARGE", 10)
    file = _written(tmp_path, _many())
    before = gc.get_freeze_count()
    try:
        assert len(load(tmp_path).records) == 3
        assert gc.isenabled()
        assert gc.get_freeze_count() > before
        with pytest.raises(RecordError):
            file.write_bytes(b"{}\n" + file.read_bytes())
            load(tmp_path)
        assert gc.isenabled()
    finally:
        gc.unfreeze()

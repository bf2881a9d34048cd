"""Records on disk: nothing whole is lost, nothing damaged is believed."""

import errno
import gzip
import json
import os
from dataclasses import replace

import pytest

from bench.record.errors import RecordError, StorageError
from bench.record.schema import to_json
from bench.record.store import RECORDS, load, open_run
from tests import factories as make
from tests.record.test_schema import RECORD


def write(folder, count):
    with open_run(folder) as writer:
        for repeat in range(count):
            writer.append(replace(RECORD, repeat=repeat))


def test_what_is_appended_is_loaded_in_order(tmp_path):
    write(tmp_path, 3)
    with open_run(tmp_path) as writer:
        writer.append(replace(RECORD, repeat=7))
    assert [record.repeat for record in load(tmp_path).records] == [0, 1, 2, 7]


def test_each_record_is_on_disk_before_append_returns(tmp_path):
    with open_run(tmp_path) as writer:
        writer.append(RECORD)
        assert load(tmp_path).records == (RECORD,)


def test_a_truncated_last_line_is_left_out_and_told(tmp_path):
    write(tmp_path, 2)
    file = tmp_path / RECORDS
    file.write_bytes(file.read_bytes()[:-10])
    loaded = load(tmp_path)
    assert len(loaded.records) == 1
    assert loaded.findings[0].code == "truncated-last-line"


def test_appending_after_a_truncated_line_gives_a_whole_file(tmp_path):
    write(tmp_path, 2)
    file = tmp_path / RECORDS
    file.write_bytes(file.read_bytes()[:-10])
    with open_run(tmp_path) as writer:
        writer.append(replace(RECORD, repeat=1))
    assert [record.repeat for record in load(tmp_path).records] == [0, 1]
    assert not load(tmp_path).findings


@pytest.mark.parametrize("damage", [b"not json\n", b"\xff\xfe\n", b'{"schema_version": 1}\n', b"[" * 100_000 + b"\n"])
def test_damage_before_the_end_names_the_line(tmp_path, damage):
    write(tmp_path, 1)
    with (tmp_path / RECORDS).open("ab") as stream:
        stream.write(damage)
    with pytest.raises(RecordError, match="line 2"):
        load(tmp_path)


def test_a_run_that_is_kept_gzipped_reads_the_same(tmp_path):
    write(tmp_path, 2)
    before = load(tmp_path)
    file = tmp_path / RECORDS
    (tmp_path / f"{RECORDS}.gz").write_bytes(gzip.compress(file.read_bytes()))
    file.unlink()
    assert load(tmp_path) == before


@pytest.mark.parametrize(
    "damage", [lambda packed: packed[:-9], lambda packed: b"plain", lambda packed: packed[:20] + b"?" * 40]
)
def test_a_damaged_gzip_file_is_one_clear_error(tmp_path, damage):
    write(tmp_path, 2)
    packed = gzip.compress((tmp_path / RECORDS).read_bytes())
    (tmp_path / "other.gz").write_bytes(damage(packed))
    with pytest.raises(RecordError, match="damaged gzip"):
        load(tmp_path / "other.gz")


def test_a_file_that_would_unpack_to_gigabytes_is_refused(tmp_path):
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(bytes(17 << 20), 1))
    with pytest.raises(RecordError, match="more than 200 times its size"):
        load(tmp_path / "bomb.gz")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text.replace('"setup": {}', '"setup": {"x": NaN}'), "not valid JSON"),
        (lambda text: text.replace('"setup": {}', '"setup": {"x": 1e400}'), "not valid JSON"),
        (lambda text: text.replace('"setup": {}', '"setup": {"x": "\\ud800"}'), "not valid JSON"),
        (lambda text: text.replace('"setup": {}', '"setup": {"x": [' + "[]," * 9999 + "0]}"), "little but brackets"),
        (lambda text: text.replace('["python"]', "[7]"), "argv.0.: Expected `str`"),
        (lambda text: text.replace('"batch_size": 1', '"batch_size": "x"'), "line 1.*case.batch_size: Expected `int"),
        (lambda text: text.replace('"revision": "abc"', '"revision": []'), "case.revision: Expected `str`"),
        (
            lambda text: text.replace('"not_collected": {}', '"not_collected": {"x": 1}'),
            "not_collected.x: Expected `str`",
        ),
    ],
)
def test_a_line_that_could_not_be_written_again_is_refused(tmp_path, change, says):
    """Found by fuzzing: such records were read, and whatever used them failed later."""
    document = to_json(RECORD)
    del document["case_id"]
    text = json.dumps(document)
    assert change(text) != text
    (tmp_path / RECORDS).write_text(change(text) + "\n")
    with pytest.raises(RecordError, match=says):
        load(tmp_path)


def test_a_missing_run_says_how_runs_are_made(tmp_path):
    with pytest.raises(RecordError, match="python -m bench run"):
        load(tmp_path / "nowhere")


def test_a_folder_in_use_is_refused(tmp_path):
    with open_run(tmp_path), pytest.raises(StorageError, match="in use by another run"), open_run(tmp_path):
        pass


def test_a_file_in_the_way_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"), open_run(tmp_path / "file" / "run"):
        pass


def test_a_full_disk_keeps_every_earlier_record_and_no_part_of_the_last(tmp_path, monkeypatch):
    with open_run(tmp_path) as writer:
        writer.append(RECORD)
        whole = (tmp_path / RECORDS).read_bytes()
        real_write = os.write

        def half_then_full(descriptor, data):
            monkeypatch.setattr(os, "write", full)
            return real_write(descriptor, bytes(data)[: len(data) // 2])

        def full(descriptor, data):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "write", half_then_full)
        with pytest.raises(StorageError, match="no space left"):
            writer.append(replace(RECORD, repeat=1))
    assert (tmp_path / RECORDS).read_bytes() == whole


def test_an_artifact_is_relative_to_the_run_and_hashed(tmp_path):
    with open_run(tmp_path) as writer:
        file = tmp_path / "artifacts" / "trace.json"
        file.write_text("{}")
        artifact = writer.artifact(file, "a trace")
    assert artifact.path == "artifacts/trace.json"
    assert artifact.sha256 == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def test_numbers_keep_every_digit(tmp_path):
    write(tmp_path, 1)
    line = json.loads((tmp_path / RECORDS).read_text())
    assert line["case_id"] == RECORD.case_id


def test_a_key_with_two_results_is_refused_with_what_to_do(tmp_path):
    """As after two run folders were put into one file: each result would count as a repeat of its own."""
    record = make.generation("nf4", 2)
    failed = make.record("generation", record.case, repeat=2, status="failed", reason="it was killed")
    with open_run(tmp_path) as writer:
        writer.append(failed)
        writer.append(record)
    assert len(load(tmp_path).records) == 2  # measured again after it failed
    with open_run(tmp_path) as writer:
        writer.append(make.other_run(record))
    with pytest.raises(RecordError, match=r"two results of generation of nf4, repeat 2 .*remove the line") as refused:
        load(tmp_path)
    assert record.case_id in str(refused.value) and "bench verify" in str(refused.value)
    assert len(load(tmp_path, lambda _: None).records) == 3  # 'verify' reads on and lists them


def test_records_that_are_a_pipe_are_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / RECORDS)
    with pytest.raises(RecordError, match="is no file"):
        load(tmp_path)
    with pytest.raises(RecordError, match="is no file"), open_run(tmp_path):
        pass

"""One run of all blocks: every Record once, files and all, as often as one likes."""

import hashlib
import json
import shutil
from dataclasses import replace

import pytest

from bench.cli import main
from bench.cluster import folder as places
from bench.cluster.attempt import measure_block, records_of
from bench.cluster.gather import gather
from bench.record.errors import RecordError
from bench.record.schema import Artifact, to_json
from bench.record.store import RECORDS, load, open_run
from tests.cluster.sweeps import means, plan
from tests.cluster.test_attempt import planned
from tests.factories import CPU


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Three blocks, measured on three nodes."""
    folder = tmp_path_factory.mktemp("measured")
    plan(folder)
    for number in (1, 2, 3):
        measure_block(folder, number, means(replace(CPU, hostname=f"n{number}")))
    return folder


@pytest.fixture
def sweep(measured, tmp_path):
    """A copy of it, to be gathered."""
    return shutil.copytree(measured, tmp_path / "sweep")


def change(attempt, changed):
    """Write an attempt's Records anew."""
    lines = [json.dumps(to_json(record)) + "\n" for record in changed(records_of(attempt))]
    (attempt / RECORDS).write_text("".join(lines))


def test_all_records_of_all_blocks_are_there_in_order(sweep):
    found = gather(sweep)
    keys = [record.key for record in load(sweep).records]
    assert keys == [key for number in (1, 2, 3) for key in planned(sweep, number)]
    assert (found.records, found.attempts, found.missing, found.twice) == (len(keys), 3, {}, [])
    assert main(["verify", str(sweep)]) == 0


def test_gathering_again_gives_the_same(sweep):
    gather(sweep)
    before = (sweep / RECORDS).read_bytes()
    assert gather(sweep).beside == 0
    assert (sweep / RECORDS).read_bytes() == before


def test_files_come_along_under_names_of_their_own(sweep):
    for number, text in ((1, b"one"), (2, b"two")):
        attempt = places.attempts(sweep, number)[0]
        (attempt / "artifacts" / "trace.json").write_bytes(text)
        artifact = Artifact("artifacts/trace.json", hashlib.sha256(text).hexdigest(), "a trace")
        change(attempt, lambda records, item=artifact: [replace(records[0], artifacts=(item,)), *records[1:]])
    gather(sweep)
    named = [item for record in load(sweep).records for item in record.artifacts]
    assert [(sweep / item.path).read_bytes() for item in named] == [b"one", b"two"]
    assert main(["verify", str(sweep)]) == 0


def test_the_name_of_a_file_elsewhere_is_not_followed(sweep, tmp_path_factory):
    secret = tmp_path_factory.mktemp("elsewhere") / "secret"
    secret.write_text("secret")
    attempt = places.attempts(sweep, 1)[0]
    names = (str(secret), "artifacts/../../../../secret")
    items = tuple(Artifact(name, "0" * 64, "x") for name in names)
    change(attempt, lambda records: [replace(records[0], artifacts=items), *records[1:]])
    gather(sweep)
    assert not [path for path in (sweep / "artifacts").rglob("*") if path.is_file()]
    assert tuple(item.path for item in load(sweep).records[0].artifacts) == names
    assert main(["verify", str(sweep)]) == 1


def test_of_a_case_measured_twice_the_first_is_taken_and_the_other_told(sweep):
    attempt = places.attempts(sweep, 1)[0]
    zombie = places.claim(sweep, 1)
    with open_run(zombie) as writer:
        for record in records_of(attempt)[:2]:
            writer.append(replace(record, environment=replace(CPU, hostname="zombie")))
    found = gather(sweep)
    assert len(found.twice) == 2 and found.twice[0].startswith("0001/attempt-2: ")
    assert "zombie" not in {record.environment.hostname for record in load(sweep).records}


def test_what_two_attempts_skipped_alike_is_there_once(sweep):
    attempt = places.attempts(sweep, 1)[0]
    first = replace(records_of(attempt)[0], status="skipped", reason="no counter")
    change(attempt, lambda records: [first, *records[1:]])
    with open_run(places.claim(sweep, 1)) as writer:
        writer.append(first)
    with open_run(places.claim(sweep, 1)) as writer:
        writer.append(replace(first, status="ok", reason=""))
    found = gather(sweep)
    statuses = [record.status for record in load(sweep).records if record.key == first.key]
    assert statuses == ["skipped", "ok"] and len(found.twice) == 1
    assert main(["verify", str(sweep)]) == 0


def test_a_failed_case_that_was_measured_again_keeps_both(sweep):
    attempt = places.attempts(sweep, 1)[0]
    good = records_of(attempt)
    change(attempt, lambda records: [replace(records[0], status="failed", reason="broken"), *records[1:]])
    with open_run(places.claim(sweep, 1)) as writer:
        writer.append(good[0])
    found = gather(sweep)
    statuses = [record.status for record in load(sweep).records if record.key == good[0].key]
    assert statuses == ["failed", "ok"] and not found.twice


def test_what_was_added_to_the_gathered_run_stays(sweep):
    gather(sweep)
    judged = replace(load(sweep).records[0], instrument="quality", setup={"tasks": []})
    made_good = load(sweep).records[1]
    change(
        places.attempts(sweep, 1)[0],
        lambda records: [records[0], replace(records[1], status="failed", reason="x"), *records[2:]],
    )
    with open_run(sweep) as writer:
        writer.append(judged)
    assert gather(sweep).beside == 2
    after = load(sweep).records
    assert judged in after and made_good in after


def test_what_is_missing_is_told_and_the_rest_gathered(tmp_path, capsys):
    plan(tmp_path)
    with pytest.raises(RecordError, match=r"no block of .* has given a Record yet"):
        gather(tmp_path)
    measure_block(tmp_path, 2, means())
    assert main(["gather", str(tmp_path), "--no-report"]) == 1
    told = capsys.readouterr().out
    assert "incomplete:" in told and "of blocks 1, 3" in told and "--resume" in told
    assert [record.key for record in load(tmp_path).records] == planned(tmp_path, 2)


def test_damaged_lines_and_half_lines_cost_their_records_only(sweep, capsys):
    file = places.attempts(sweep, 2)[0] / RECORDS
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([b"{}\n", *lines[1:-1], lines[-1][:40]]))
    found = gather(sweep)
    assert found.missing == {2: 2} and len(found.unread) == 1
    whole = sum(len(planned(sweep, number)) for number in (1, 2, 3))
    assert len(load(sweep).records) == whole - 2


def test_a_folder_that_is_no_sweep(tmp_path, capsys):
    assert main(["gather", str(tmp_path)]) == 2
    assert "holds no sweep" in capsys.readouterr().err
    (tmp_path / places.SWEEP).write_text('{"version": 1}')
    assert main(["gather", str(tmp_path)]) == 2
    assert "damaged" in capsys.readouterr().err


def test_an_anonymous_copy_of_what_was_gathered_names_no_node(sweep):
    assert main(["gather", str(sweep), "--anonymous", "--no-report"]) == 0
    copy = sweep.with_name(f"{sweep.name}-shared")
    nodes = [[record.environment.hostname for record in load(folder).records] for folder in (sweep, copy)]
    assert set(nodes[0]) == {"n1", "n2", "n3"}
    alias = dict(zip(*nodes, strict=True))
    assert [alias[name] for name in nodes[0]] == nodes[1]
    assert all(name.startswith("host-") for name in nodes[1])
    assert list(alias.values()) == sorted(set(alias.values()))
    assert not [file for file in copy.rglob("*") if file.is_file() and b'"n1"' in file.read_bytes()]
    assert main(["verify", str(copy)]) == 0

"""verify tells a whole run folder from one that lost, or was given, something."""

import gzip
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bench import cli
from bench.record import chain
from bench.record.chain import PLAN
from bench.record.integrity import LEFT_OUT
from bench.record.schema import to_json
from bench.record.store import RECORDS, open_run
from tests import factories as make

RUNS = Path(__file__).parents[1] / "reports" / "runs"
TRACE = "artifacts/kineto-fp16/trace.json.gz"


@pytest.fixture
def run(tmp_path):
    """Two arms in two repeats, one timeline with its file, and the plan of all that."""
    folder = tmp_path / "run"
    records = [make.generation(scheme, repeat) for repeat in range(2) for scheme in ("fp16", "nf4")]
    with open_run(folder) as writer:
        file = folder / TRACE
        file.parent.mkdir()
        file.write_bytes(b"trace")
        records.append(replace(make.kineto("fp16"), artifacts=(writer.artifact(file, "a trace"),)))
        for record in records:
            writer.append(record)
    requests = [{"case": record.case.coordinates(), "instrument": record.instrument} for record in records]
    blocks = [
        {"repeat": record.repeat, "requests": [request]} for record, request in zip(records, requests, strict=True)
    ]
    (folder / PLAN).write_text(json.dumps({"run_id": make.RUN_ID, "blocks": blocks}))
    return folder


def verify(folder, capsys, *options):
    code = cli.main(["verify", str(folder), "--json", *options])
    document = json.loads(capsys.readouterr().out)
    checks = {check["name"]: check for check in document["checks"]}
    problems = {name for name, check in checks.items() if check["result"] == "problem"}
    assert (code == 0) == document["verified"] == (not problems)
    return problems, checks


def edit(folder, change):
    """Rewrite the records, each through ``change``, and their hashes: what is noticed here is noticed by itself."""
    lines = [json.loads(line) for line in (folder / RECORDS).read_text().splitlines()]
    changed = (json.dumps({k: v for k, v in line.items() if k != chain.FIELD}).encode() for line in change(lines))
    (folder / RECORDS).write_bytes(b"".join(chain.relinked(changed)))


def append(folder, *records):
    edit(folder, lambda lines: lines + [to_json(record) for record in records])


@pytest.mark.parametrize(
    "folder", sorted(path for path in RUNS.iterdir() if (path / PLAN).exists()), ids=lambda p: p.name
)
def test_every_committed_run_is_whole(folder, capsys):
    if not (folder / LEFT_OUT).exists() and (folder / RECORDS).exists():
        pytest.skip("a run of this machine, which is not committed")
    problems, _ = verify(folder, capsys)
    assert not problems


def test_a_whole_run_is_verified(run, capsys):
    assert verify(run, capsys)[0] == set()
    assert cli.main(["verify", str(run)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "verified: all that was checked holds"


def test_gzipped_records_are_read_too(run, capsys):
    (run / f"{RECORDS}.gz").write_bytes(gzip.compress((run / RECORDS).read_bytes()))
    assert verify(run, capsys)[1]["files of records"]["result"] == "note"
    (run / RECORDS).unlink()
    assert verify(run, capsys)[0] == set()


def test_two_files_of_records_that_differ(run, capsys):
    (run / f"{RECORDS}.gz").write_bytes(gzip.compress((run / RECORDS).read_bytes()))
    append(run, make.annotation())
    assert verify(run, capsys)[0] == {"files of records"}


def test_every_damaged_line_is_named_and_the_rest_is_checked(run, capsys):
    edit(run, lambda lines: [lines[0] | {"schema_version": 99}, lines[1] | {"case_id": "0" * 16}, *lines[2:]])
    problems, checks = verify(run, capsys)
    assert problems == {"schema", "complete"}
    assert "2 damaged lines" in checks["schema"]["found"]
    assert ["line 1:" in text or "line 2:" in text for text in checks["schema"]["examples"]] == [True, True]


def test_a_last_line_that_was_cut_off(run, capsys):
    with (run / RECORDS).open("ab") as stream:
        stream.write(b'{"half')
    assert verify(run, capsys)[0] == {"last line"}


def test_a_record_twice_is_a_problem_but_not_one_that_was_measured_again_after_it_failed(run, capsys):
    done = make.annotation()
    append(run, replace(done, status="failed", reason="killed"), done)
    problems, checks = verify(run, capsys)
    assert problems == set()
    assert checks["no duplicates"]["found"] == "6 keys, 1 measured again"
    append(run, done)
    assert verify(run, capsys)[0] == {"no duplicates"}


def test_records_that_are_missing_from_the_plan_and_how_they_are_left_out(run, capsys):
    edit(run, lambda lines: lines[1:])
    problems, checks = verify(run, capsys)
    assert problems == {"complete"}
    assert "4 of 5 planned records; finish with" in checks["complete"]["found"]
    assert verify(run, capsys, "--leave-out", "the time was up")[0] == set()
    checks = verify(run, capsys)[1]
    assert checks["planned records left out"]["examples"] == ["the time was up"]


def test_artifacts_that_are_lost_changed_or_left_out(run, capsys):
    (run / TRACE).write_bytes(b"Trace")
    problems, checks = verify(run, capsys)
    assert problems == {"artifacts"}
    assert checks["artifacts"]["examples"] == [f"{TRACE}: changed since it was recorded: another hash"]
    assert cli.main(["verify", str(run), "--leave-out", "large"]) == 2, "a changed file cannot be excused"
    assert "nothing is missing" in capsys.readouterr().err
    (run / TRACE).unlink()
    assert verify(run, capsys)[1]["artifacts"]["examples"] == [f"{TRACE}: missing"]
    assert verify(run, capsys, "--leave-out", "large")[0] == set()
    (run / TRACE).write_bytes(b"another")
    assert verify(run, capsys)[0] == {"artifacts"}, "what is there is checked, also when it was left out"


@pytest.mark.parametrize("path", ("/etc/hostname", "../outside", "artifacts/../../outside", "", "artifacts", "a\nb"))
def test_an_artifact_outside_the_folder_is_never_read(run, capsys, path):
    (run.parent / "outside").write_bytes(b"trace")
    edit(run, lambda lines: [*lines[:-1], lines[-1] | {"artifacts": [lines[-1]["artifacts"][0] | {"path": path}]}])
    problems, checks = verify(run, capsys)
    assert problems == {"artifacts"}
    assert "missing" not in checks["artifacts"]["examples"][0]


def test_a_link_that_leaves_the_folder(run, capsys):
    (run.parent / "outside").write_bytes(b"trace")
    (run / TRACE).unlink()
    (run / TRACE).symlink_to(run.parent / "outside")
    assert verify(run, capsys)[1]["artifacts"]["examples"] == [f"{TRACE}: a link that leaves the run folder"]
    (run / TRACE).unlink()
    shutil.move(run / TRACE.rpartition("/")[0], run.parent / "moved")
    (run / TRACE).parent.symlink_to(run.parent / "moved")
    (run.parent / "moved" / "trace.json.gz").write_bytes(b"trace")
    assert verify(run, capsys)[0] == {"artifacts"}


def test_a_link_inside_the_folder_is_followed_and_one_in_a_circle_is_not(run, capsys):
    (run / TRACE).rename(run / "artifacts" / "kept")
    (run / TRACE).symlink_to(run / "artifacts" / "kept")
    assert verify(run, capsys)[0] == set()
    (run / TRACE).unlink()
    (run / TRACE).symlink_to(run / TRACE)
    assert verify(run, capsys)[0] == {"artifacts"}


def test_files_that_nobody_names_are_told(run, capsys):
    (run / "artifacts" / "child-1-0000.log").write_text("x")
    assert verify(run, capsys)[1]["unnamed files"]["examples"] == ["artifacts/child-1-0000.log"]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("run", {"run_id": "another"}),
        ("times", {"started_at": "yesterday"}),
        ("times", {"started_at": "2026-01-01T00:00:00"}),
    ],
)
def test_records_of_one_run_agree(run, capsys, name, change):
    edit(run, lambda lines: [lines[0] | change, *lines[1:]])
    assert verify(run, capsys)[0] == {name}


def test_records_of_two_machines_or_two_revisions(run, capsys):
    other = make.annotation()
    append(run, replace(other, environment=replace(other.environment, cpu={"model": "another"})))
    assert verify(run, capsys)[0] == {"machine"}
    append(run, make.annotation(revision="ffff"))
    assert verify(run, capsys)[0] == {"machine", "models"}


def test_a_judgement_may_come_from_another_machine(run, capsys):
    judged = make.record(
        "quality", make.case(), environment=make.GPU, setup={"tasks": []}, not_collected={"passed_plus": "x"}
    )
    append(run, judged)
    assert verify(run, capsys)[0] == set()


def test_without_a_plan_completeness_is_not_known(run, capsys):
    (run / PLAN).unlink()
    problems, checks = verify(run, capsys)
    assert problems == set()
    assert checks["complete"]["result"] == "note"


@pytest.mark.parametrize("name", (PLAN, LEFT_OUT))
@pytest.mark.parametrize("text", ("", "{", "[1]", '{"blocks": 3}', "[" * 100_000))
def test_a_damaged_plan_or_list_is_one_line(run, capsys, name, text):
    (run / name).write_text(text)
    assert cli.main(["verify", str(run)]) == 2
    told = capsys.readouterr().err
    assert told.startswith("bitledger: ") and f"{name} is damaged" in told


def test_bad_input(tmp_path, run, capsys):
    for arguments in ([tmp_path / "gone"], [tmp_path], [run / RECORDS], [run, "--leave-out", " "]):
        assert cli.main(["verify", *map(str, arguments)]) == 2
        assert capsys.readouterr().err.startswith("bitledger: ")


def test_only_some_of_what_is_amiss_is_shown(run, capsys):
    for number in range(9):
        (run / "artifacts" / f"{number}.log").write_text("x")
    cli.main(["verify", str(run)])
    assert "and 4 more" in capsys.readouterr().out
    cli.main(["verify", str(run), "--all"])
    assert "more:" not in capsys.readouterr().out

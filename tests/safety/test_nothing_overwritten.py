"""No verb that writes destroys what is there: runs in whatever form, files of the user, its own input by any name."""

import gzip
import importlib
import json
import os
import shutil
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

import bundling.__main__ as bundling
import profiling.cli
from bench import cli
from bench.cluster.attempt import measure_block
from bench.cluster.folder import SWEEP
from bench.cluster.gather import gather
from bench.presets import preset
from bench.record import files, outputs
from bench.record.errors import RecordError, StorageError
from bench.record.store import PACKED, RECORDS, load, open_run
from bench.run.plan import make_plan
from bench.run.planfile import PLAN, Run, write_plan
from bench.workloads.sources import resolve
from benchmarks import noise
from profiling import export
from tests import factories as make
from tests.cluster.sweeps import means, plan
from tests.profiling.trace_files import nsys_file
from tests.quality_records import samples
from tools.smoke_model import making

USERS = "what the user has written\n"


def finished(folder):
    """A run as it is when it is done."""
    source = resolve("smoke")
    blocks = tuple(islice(make_plan(preset("smoke"), source, (), "cpu", 0), 2))
    with open_run(folder) as writer:
        write_plan(folder, Run("mine", preset("smoke"), source, "cpu", 0, blocks))
        for record in (*(make.generation(scheme, n) for n in range(2) for scheme in ("fp16", "nf4")), samples()):
            writer.append(record)
    (folder / "artifacts" / "trace.json").write_text(USERS)


def packed(folder):
    finished(folder)
    (folder / PACKED).write_bytes(gzip.compress((folder / RECORDS).read_bytes()))
    (folder / RECORDS).unlink()


def packed_alone(folder):
    packed(folder)
    (folder / PLAN).unlink()
    shutil.rmtree(folder / "artifacts")


def packed_beside_an_empty_one(folder):
    packed(folder)
    (folder / RECORDS).touch()


def holding(name, text=USERS):
    def build(folder):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    build.__name__ = name
    return build


def a_link_to_a_run(folder):
    finished(folder.with_name("elsewhere"))
    folder.symlink_to("elsewhere")


def a_file(folder):
    folder.write_text(USERS)


PACKED_RUNS = (packed, packed_alone, packed_beside_an_empty_one)
USERS_FOLDERS = (
    holding("artifacts/mine.txt"), holding("figures/mine.png"), holding("report.md"), holding("report.html"),
    holding(RECORDS), holding(RECORDS, '{"mine": 1}'), holding(RECORDS, '{"mine": 1}\n'), holding("records.csv"),
    holding("study.html"), holding("jobs.jsonl"), a_file,
)  # fmt: skip
RUNS = (
    finished, *PACKED_RUNS, a_link_to_a_run, holding(PLAN), holding(SWEEP, "{}"), holding("Records.jsonl"),
    holding("records.jsonl.zst"), holding("records.jsonl.gz", ""), holding("as-measured.jsonl.gz"),
)  # fmt: skip


def snapshot(folder):
    return {
        path: (path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None)
        for path in sorted(folder.rglob("*"))
    }


def refused(main, arguments, capsys, place, says=""):
    """Exit code 2, one line, and nothing in ``place`` is other than it was."""
    before = snapshot(place)
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as stop:
        code = stop.code
    (line,) = capsys.readouterr().err.splitlines()
    assert (code, line.startswith("bitledger: ")) == (2, True), line
    assert says in line
    assert snapshot(place) == before
    return line


@pytest.fixture(autouse=True)
def nothing_is_started(tmp_path, monkeypatch):
    """Whoever gets as far as looking at a model has not refused in time."""
    importlib.import_module("matplotlib.font_manager")  # looks for fonts with a process, once on a new machine
    monkeypatch.setattr("subprocess.Popen.__init__", lambda *_, **__: pytest.fail("a process was started"))
    monkeypatch.setattr("bench.instruments.environment.capture", lambda *_: make.CPU)
    monkeypatch.chdir(tmp_path)


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
    outputs.refuse_taken(tmp_path / "out")
    outputs.refuse_taken(tmp_path / "new" / "folder")
    (tmp_path / "out" / "notes.txt").write_text(USERS)  # no name that a run writes
    outputs.refuse_taken(tmp_path / "out")


def test_a_disk_that_cannot_be_written_is_told_before_anything_is_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(outputs.os, "access", lambda *_: False)
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


# Files that a user names for output.


def a_program(folder):
    file = folder / "samples.jsonl"
    file.write_text(json.dumps({"task_id": "HumanEval/0", "completion": "    return True\n"}) + "\n")
    return file


def a_run(folder):
    finished(folder / "run")
    return folder / "run"


def a_trace(folder):
    return nsys_file(folder / "trace.sqlite")


WRITING = {
    "evaluate --out": (cli.main, a_program, lambda given, out: ("evaluate", given, "--no-sandbox", "--out", out)),
    "evaluate --export": (cli.main, a_run, lambda given, out: ("evaluate", given, "--export", out)),
    "profiling export": (profiling.cli.main, a_trace, lambda given, out: ("export", given, out)),
    "benchmarks.noise": (noise.main, a_run, lambda given, out: (given, "--out", out)),
}


def inside(given):
    return given / RECORDS if given.is_dir() else given


def by_another_path(given):
    return given.parent / ".." / given.parent.name / given.name


def relative(given):
    return Path(os.path.relpath(given))


def linked(given):
    (given.parent / "link").symlink_to(given)
    return given.parent / "link"


def hard_linked(given):
    (given.parent / "link").hardlink_to(given)
    return given.parent / "link"


@pytest.mark.parametrize("named", [lambda given: given, by_another_path, relative, linked, hard_linked])
@pytest.mark.parametrize("how", WRITING)
def test_nothing_is_written_onto_what_is_read(how, named, tmp_path, capsys):
    main, build, arguments = WRITING[how]
    given = build(tmp_path)
    refused(main, arguments(given, named(inside(given))), capsys, tmp_path)


def onto_a_file(out):
    out.write_text(USERS)


def onto_a_folder(out):
    out.mkdir()


def through_a_link(out):
    (out.parent / "users").write_text(USERS)
    out.symlink_to("users")


def round_in_circles(out):
    out.symlink_to(out.name)


@pytest.mark.parametrize("there", [onto_a_file, onto_a_folder, through_a_link, round_in_circles])
@pytest.mark.parametrize("how", WRITING)
def test_a_file_of_the_user_is_not_written_over(how, there, tmp_path, capsys):
    main, build, arguments = WRITING[how]
    there(tmp_path / "out.json")
    refused(main, arguments(build(tmp_path), tmp_path / "out.json"), capsys, tmp_path)


@pytest.mark.parametrize("how", WRITING)
def test_a_folder_that_is_not_there_is_told_at_once(how, tmp_path, capsys):
    main, build, arguments = WRITING[how]
    refused(main, arguments(build(tmp_path), tmp_path / "no" / "out.json"), capsys, tmp_path, "no")


def test_the_traces_own_export_is_written_again_and_never_read_and_written_at_once(tmp_path, capsys):
    trace = nsys_file(tmp_path / "trace.sqlite")
    for name in ("out.json", "out.json.gz"):
        out = tmp_path / name
        for _ in range(2):
            assert profiling.cli.main(["export", str(trace), str(out)]) == 0
        capsys.readouterr()
        refused(profiling.cli.main, ("export", out, out), capsys, tmp_path, "is read by this command")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.json", "out.json.gz", "trace.sqlite"]


def test_an_export_is_not_mistaken_for_another_programs_trace(tmp_path, capsys):
    trace, out = nsys_file(tmp_path / "trace.sqlite"), tmp_path / "out.json"
    out.write_text('{"displayTimeUnit":"ns","traceEvents":[\n{"ph":"X"}]}')
    refused(profiling.cli.main, ("export", trace, out), capsys, tmp_path, "is there already")


@pytest.mark.parametrize("name", ["tradeoff.svg", "tradeoff.png", "signmap.svg"])
def test_the_figures_of_a_folder_are_not_written_over(name, tmp_path, capsys):
    with open_run(tmp_path / "run") as writer:
        for scheme in ("fp16", "nf4"):
            writer.append(make.generation(scheme, device="cuda"))
            writer.append(make.energy(scheme))
    holding(name)(tmp_path / "figures")
    refused(cli.main, ("tradeoff", tmp_path / "run", "--out", tmp_path / "figures"), capsys, tmp_path, "already")


def test_the_facts_of_a_bundle_take_no_other_files_place(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(bundling, "build", lambda *_: pytest.fail("built"))
    monkeypatch.setattr(bundling, "uncommitted", lambda _: 0)
    (tmp_path / "facts.json").write_text(USERS)
    refused(bundling.main, ("--json", tmp_path / "facts.json", "--out", tmp_path), capsys, tmp_path, "already")


def test_a_bundle_into_a_file_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(bundling, "uncommitted", lambda _: 0)
    (tmp_path / "dist").write_text(USERS)
    refused(bundling.main, ("--out", tmp_path / "dist"), capsys, tmp_path, "dist")


def test_the_smoke_model_takes_no_other_models_place(tmp_path):
    (tmp_path / "config.json").write_text(USERS)
    with pytest.raises(outputs.UsageError, match="another model"):
        making.make_checkpoint(tmp_path, None, (), ())
    assert (tmp_path / "config.json").read_text() == USERS


# How a file is replaced.


def test_an_error_in_the_middle_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, capsys):
    trace, out = nsys_file(tmp_path / "trace.sqlite"), tmp_path / "out.json"
    assert profiling.cli.main(["export", str(trace), str(out)]) == 0
    before = snapshot(tmp_path)

    def ends(*_):
        yield {"ph": "M"}
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "_events", ends)
    assert profiling.cli.main(["export", str(trace), str(out)]) == 2
    assert snapshot(tmp_path) == before


def test_a_report_that_is_another_name_of_the_records_leaves_them(tmp_path):
    finished(tmp_path / "run")
    kept = (tmp_path / "run" / RECORDS).read_bytes()
    (tmp_path / "run" / "report.md").hardlink_to(tmp_path / "run" / RECORDS)
    (tmp_path / "run" / "report.html").symlink_to(RECORDS)
    assert cli.main(["report", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / RECORDS).read_bytes() == kept
    assert b"<html" in (tmp_path / "run" / "report.html").read_bytes()


def test_permissions_stay_and_a_new_file_has_the_usual_ones(tmp_path):
    file, usual = tmp_path / "file", tmp_path / "usual"
    usual.touch()
    files.replace_text(file, "one")
    assert file.stat().st_mode == usual.stat().st_mode
    file.chmod(0o640)
    files.replace_text(file, "two")
    assert (file.stat().st_mode & 0o777, file.read_text()) == (0o640, "two")


def test_a_file_that_may_not_be_written_keeps_its_place(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_text(USERS)
    monkeypatch.setattr(files.os, "access", lambda *_: False)  # root may write any
    with pytest.raises(PermissionError):
        files.replace_text(file, "new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"] and file.read_text() == USERS


def test_a_terminal_or_a_pipe_is_written_to_and_stays(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert outputs.check_file(pipe) == pipe
    files.replace_text(pipe, "told")
    assert (os.read(reading, 100), pipe.is_fifo()) == (b"told", True)
    os.close(reading)
    assert outputs.check_file(Path("/dev/null")) == Path("/dev/null")


def test_a_link_to_a_file_to_come_stays_a_link(tmp_path, capsys):
    trace, out = nsys_file(tmp_path / "trace.sqlite"), tmp_path / "out.json"
    out.symlink_to("target.json")
    assert profiling.cli.main(["export", str(trace), str(out)]) == 0
    assert out.is_symlink() and (tmp_path / "target.json").stat().st_size
    (tmp_path / "empty.json").touch()
    assert profiling.cli.main(["export", str(trace), str(tmp_path / "empty.json")]) == 0


def test_two_writers_at_a_time_leave_one_whole_file(tmp_path):
    file = tmp_path / "file"
    with files.replacing(file) as one:
        one.write(b"one")
        file.write_bytes(b"another, meanwhile")
    assert file.read_bytes() == b"one"


def test_a_folder_that_may_not_be_looked_into_is_one_line(tmp_path, monkeypatch):
    def forbidden(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", forbidden)
    with pytest.raises(StorageError, match="cannot look into"):
        outputs.refuse_taken(tmp_path)


def test_a_run_from_elsewhere_is_unpacked_and_goes_on(tmp_path):
    packed(tmp_path)
    records = load(tmp_path).records
    (tmp_path / RECORDS).write_bytes(gzip.decompress((tmp_path / PACKED).read_bytes()))
    with open_run(tmp_path) as writer:
        writer.append(replace(make.generation("int8"), repeat=7))
    assert load(tmp_path).records[:-1] == records

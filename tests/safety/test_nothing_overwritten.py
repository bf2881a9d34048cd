"""No verb that writes a file destroys what is there: files of the user, its own input by any name."""

import json
import os
from pathlib import Path

import pytest

import bundling.__main__ as bundling
import profiling.cli
from bench import cli
from bench.record import files
from bench.record.store import RECORDS, open_run
from benchmarks import noise
from profiling import export
from tests import factories as make
from tests.profiling.trace_files import nsys_file
from tests.safety.places import USERS, finished, holding, refused, snapshot
from tests.safety.places import nothing_is_started as nothing_is_started
from tools.smoke_model import making


def a_program(folder):
    file = folder / "samples.jsonl"
    file.write_text(json.dumps({"task_id": "HumanEval/0", "completion": "    return True\n"}) + "\n")
    return file


def a_run(folder):
    finished(folder / "run")
    return folder / "run"


def a_trace(folder):
    return nsys_file(folder / "trace.sqlite")


def as_csv(out):
    """Of the same file under another name where there is one already: a table is known by how its name ends."""
    if out.suffix == ".csv" or not os.path.lexists(out):
        return out
    named = out.with_name(f"{out.name}.csv")
    named.symlink_to(out)
    return named


WRITING = {
    "evaluate --out": (cli.main, a_program, lambda given, out: ("evaluate", given, "--no-sandbox", "--out", out)),
    "evaluate --export": (cli.main, a_run, lambda given, out: ("evaluate", given, "--export", out)),
    "profiling export": (profiling.cli.main, a_trace, lambda given, out: ("export", given, out)),
    "profiling export of a run": (profiling.cli.main, a_run, lambda given, out: ("export", given, as_csv(out))),
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
    with pytest.raises(files.UsageError, match="another model"):
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
    assert files.check_file(pipe) == pipe
    files.replace_text(pipe, "told")
    assert (os.read(reading, 100), pipe.is_fifo()) == (b"told", True)
    os.close(reading)
    assert files.check_file(Path("/dev/null")) == Path("/dev/null")


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

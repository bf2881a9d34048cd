"""Folders and files that a user has, and how a verb that refuses them is known."""

import gzip
import importlib
import shutil
from itertools import islice

import pytest

from bench.cluster.folder import SWEEP
from bench.presets import preset
from bench.record.chain import PLAN
from bench.record.store import PACKED, RECORDS, open_run
from bench.run.plan import make_plan
from bench.run.planfile import Run, write_plan
from bench.workloads.sources import resolve
from tests import factories as make
from tests.quality_records import samples

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

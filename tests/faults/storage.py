"""Disks that are full, read-only or not there, and folders that another run, or nobody, has."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bench.record.store import RECORDS, load, open_run
from bench.run.plan import Block, Request
from bench.run.planfile import read_plan, write_plan
from tests import factories
from tests.faults import disks
from tests.faults.fault import Fault, Seen, Slow, resume_command, resumed, seen
from tests.faults.plans import FRESH, plan
from tests.faults.processes import FOURTH, THREE
from tests.faults.run import Done, Scene

TOLD = "bitledger: "


def full(scene: Scene) -> Seen:
    plan(scene.run)
    done = disks.on_small_disk(scene, "256k", child={FOURTH: "fill"})
    found = seen(scene, done, TOLD)
    assert not load(scene.run).findings, "a part of a line was left"
    return found.then(f"the file ends with a whole line; with space, {resumed(scene)}")


def full_of_artifacts(scene: Scene) -> Seen:
    plan(scene.run)
    done = disks.on_small_disk(scene, "256k", child={FOURTH: "timeline"})
    found = seen(scene, done, "failed: ")
    assert not [path for path in (scene.run / "artifacts").rglob("*") if "kineto" in path.name], "a part of a trace"
    return found.then(f"no part of the file is left, the run goes on; {resumed(scene, '--retry-failed')}")


def _after_three(what: str) -> Callable[[Scene], Seen]:
    """The fourth Record cannot be written, or not synced: it is cut off again and was never acknowledged."""

    def provoke(scene: Scene) -> Seen:
        plan(scene.run)
        done = scene.start(*resume_command(scene), after=THREE, parent=what).done()
        assert len(load(scene.run).records) == THREE
        return _then_resumed(scene, seen(scene, done, TOLD))

    return provoke


def _then_resumed(scene: Scene, found: Seen) -> Seen:
    return found.then(resumed(scene))


def read_only(scene: Scene) -> Seen:
    plan(scene.run)
    running = scene.start(*resume_command(scene), child={FOURTH: "hang"})
    running.until_acknowledged(THREE)
    running.process.terminate()
    running.done()
    done = disks.read_only(scene, resume_command(scene))
    return _then_resumed(scene, seen(scene, done, TOLD))


def under_a_file(scene: Scene) -> Seen:
    scene.run.write_text("")
    done = scene.start(*FRESH, "--out", str(scene.run / "mine")).done()
    return seen(scene, done, TOLD).then("nothing was measured")


def two_runs(scene: Scene) -> Seen:
    plan(scene.run)
    first = scene.start(*resume_command(scene), child={FOURTH: "hang"})
    first.until_acknowledged(THREE)
    second = scene.start_beside(*resume_command(scene))
    found = seen(scene, second, TOLD)
    first.process.terminate()
    assert first.done().code == 128 + signal.SIGTERM
    return _then_resumed(scene, found)


def no_locks(scene: Scene) -> Seen:
    plan(scene.run)
    done = scene.start(*resume_command(scene), **{"no locks": True}).done()
    assert done.code == 0 and scene.whole()
    return seen(scene, done, "warning: the file system").then("the run goes on: 6 of 6, each once")


def used(scene: Scene) -> Seen:
    plan(scene.run)
    assert scene.start(*resume_command(scene)).done().code == 0
    before = (scene.run / RECORDS).read_bytes()
    done = scene.start(*FRESH, "--out", str(scene.run)).done()
    assert (scene.run / RECORDS).read_bytes() == before
    return seen(scene, done, TOLD).then("nothing was written")


def removed(scene: Scene) -> Seen:
    plan(scene.run)
    done = scene.start(*resume_command(scene), after=THREE, parent="removed").done()
    (saved,) = scene.place.glob("run-saved-*")
    line = seen(scene, _named(done, saved), TOLD)
    return replace(line, lost=scene.lost(saved)).then("the Records are all in that folder")


def _named(done: Done, saved: Path) -> Done:
    """The output without the random end of that folder's name."""
    return replace(done, output=done.output.replace(saved.name, "run-saved-…"))


def moved(scene: Scene) -> Seen:
    plan(scene.run)
    done = scene.start(*resume_command(scene), after=THREE, parent="moved").done()
    assert not scene.run.exists()
    (scene.place / "elsewhere").rename(scene.run)
    return _then_resumed(scene, seen(scene, done, TOLD))


def no_report(scene: Scene) -> Seen:
    """A finished run whose figures cannot be written."""
    finished(scene)
    shutil.rmtree(scene.run / "figures", ignore_errors=True)
    (scene.run / "figures").write_text("")
    before = (scene.run / RECORDS).read_bytes()
    done = scene.start("run", "--resume", "--out", str(scene.run)).done()
    assert (scene.run / RECORDS).read_bytes() == before
    return seen(scene, done, TOLD).then("the Records are untouched")


def finished(scene: Scene) -> None:
    """A run that is done, with plausible Records: a report can be made of them."""
    records = [factories.generation(scheme, repeat) for scheme in ("fp16", "nf4") for repeat in range(2)]
    plan(scene.run)
    run = read_plan(scene.run)
    blocks = tuple(
        Block("generation", run.source, record.repeat, (Request(record.case, record.instrument),)) for record in records
    )
    write_plan(scene.run, replace(run, blocks=blocks))
    from bench.instruments import environment

    machine = environment.capture(scene.place)
    with open_run(scene.run) as writer:
        for record in records:
            writer.append(replace(record, environment=replace(machine, before=record.environment.before)))
            scene.acknowledge(record)


def _full_for_all(kind: str) -> Callable[[Scene], Seen]:
    """Each verb that writes, on a disk without a free byte or a free inode."""

    def provoke(scene: Scene) -> Seen:
        finished(scene)
        whole = (scene.run / RECORDS).read_bytes()
        (scene.run / RECORDS).write_bytes(b"".join(whole.splitlines(True)[:3]))
        verbs = {
            "report": ("report", str(scene.run)),
            "share": ("share", str(scene.run), "--out", "DISK/copy", "--no-report"),
            "verify --leave-out": ("verify", str(scene.run), "--leave-out", "there was no time"),
            "run --resume": resume_command(scene),
        }
        ended = {name: disks.on_full_disk(scene, kind, scene.python(*words)) for name, words in verbs.items()}
        (scene.run / RECORDS).write_bytes(whole)
        told = {name: seen(scene, done, TOLD) for name, done in ended.items()}
        assert {one.code for one in told.values()} == {2}, told
        return told["report"].then(f"{', '.join(told)} say so in one line each; no file is changed, cut short or left")

    return provoke


FAULTS = (
    Fault("Disk full", "a tmpfs of 256 KiB is filled to its last byte before the fourth of six Records", full),
    Slow("Disk full while an artifact is written", "a trace fills that tmpfs", full_of_artifacts),
    Slow("Disk full under every verb that writes", "a tmpfs without a free byte", _full_for_all("bytes")),
    Slow("No inode left under every verb that writes", "a tmpfs without a free inode", _full_for_all("inodes")),
    Slow("File may not grow", "RLIMIT_FSIZE of the parent is set 100 bytes above the file", _after_three("file size")),
    Slow("Disk does not sync", "fsync answers EIO from the fourth Record on", _after_three("sync fails")),
    Slow("Output folder is read-only", "the folder is mounted read-only, three Records are in it", read_only),
    Slow("Output folder under a file", "--out names a folder below a file", under_a_file),
    Fault("Two runs into one folder", "a second run while the first measures its fourth Record", two_runs),
    Slow("File system without locks", "flock answers ENOLCK, as on some clusters", no_locks),
    Slow("Folder of an earlier run", "a new run into a folder that holds one", used),
    Slow("Run folder removed", "rm -r after the third Record", removed),
    Slow("Run folder moved", "mv after the third Record", moved),
    Fault("Report cannot be written", "a file is in the place of its folder of figures", no_report),
)

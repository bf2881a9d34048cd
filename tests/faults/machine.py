"""The GPU, the clock, the terminal and the network, when they fail or change under a run."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

from bench.record.schema import Record
from bench.record.store import load
from tests.faults.fault import Fault, Seen, Slow, resume_command, seen, skip
from tests.faults.plans import FRESH, plan
from tests.faults.processes import FOURTH, THREE
from tests.faults.run import Done, Scene, until
from tests.faults.storage import finished

ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONIOENCODING": ""}


def in_use(scene: Scene) -> Seen:
    plan(scene.run, device="cuda")
    done = scene.start(*resume_command(scene), nvml="in use").done()
    assert done.code == 0 and scene.whole()
    assert all(record.environment.before["gpus"][0]["other_processes"] == 1 for record in load(scene.run).records)
    return seen(scene, done, "other process on it").then("the run goes on; every Record says so: 6 of 6, each once")


def _during(how: str, code: str) -> Callable[[Scene], Seen]:
    """The GPU changes while the fourth Record is measured: that Record, and the user, are told."""

    def provoke(scene: Scene) -> Seen:
        plan(scene.run, device="cuda")
        done = scene.start(*resume_command(scene), nvml="alone", child={FOURTH: how}).done()
        assert done.code == 0 and scene.whole(), done.output
        assert [_codes(record) for record in load(scene.run).records] == [set()] * 3 + [{code}] + [set()] * 2
        found = seen(scene, done, "warning: GPU 0")
        return found.then("the Record holds the finding; the run goes on: 6 of 6, each once")

    return provoke


def _codes(record: Record) -> set[str]:
    return {finding.code for finding in record.findings if finding.code.startswith("gpu-")}


def energy_without_nvml(scene: Scene) -> Seen:
    plan(scene.run, device="cuda")
    done = scene.start(*resume_command(scene), nvml="alone", child={FOURTH: "energy"}).done()
    fourth = load(scene.run).records[3]
    assert fourth.values("window_time") and not fourth.values("energy_gpu")
    assert "the counter stopped answering" in fourth.not_collected["energy_gpu"]
    assert done.code == 0 and scene.whole()
    return seen(scene, done, "warning: GPU 0").then("times are kept, joules are *not collected* with the reason")


def _clock(seconds: float) -> Callable[[Scene], Seen]:
    def provoke(scene: Scene) -> Seen:
        plan(scene.run)
        done = scene.start(*resume_command(scene), clock=seconds).done()
        took = [float(text) for text in re.findall(r", (\d+\.\d) s", done.output)]
        assert len(took) == 3 and all(0 <= one < 60 for one in took), done.output
        starts = [datetime.fromisoformat(record.started_at).timestamp() for record in load(scene.run).records]
        assert all((second - first) / seconds > 0.9 for first, second in pairwise(starts[:2])), "the clock did not jump"
        assert done.code == 0 and scene.whole()
        return seen(scene, done, "[3/3]").then("durations are those of monotonic clocks: 6 of 6, each once")

    return provoke


def _libfaketime() -> Path:
    """Debian's faketime has it, and PyPI's libfaketime; LIBFAKETIME names it elsewhere."""
    usual = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    named = Path(os.environ["LIBFAKETIME"]) if "LIBFAKETIME" in os.environ else next(usual, None)
    if named is None or not named.is_file():
        skip("libfaketime is not installed (Debian: faketime), or LIBFAKETIME does not name its file")
    return named


def set_back(scene: Scene) -> Seen:
    """In every process and every library: libfaketime stands before the C library's clocks, but for monotonic ones."""
    clock = scene.place / "clock"
    clock.write_text("+0\n")
    plan(scene.run, limit_s=30.0)
    faked = {
        "LD_PRELOAD": str(_libfaketime()), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1",
    }  # fmt: skip
    command = scene.python(*resume_command(scene))
    log = scene.place / "output-faked.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, cwd=scene.place,
            env=scene.environment(seconds=0.2) | faked,
        )  # fmt: skip
    assert until(lambda: scene.acks.exists() and len(scene.acknowledged()) >= THREE, 60.0), log.read_text()
    clock.write_text("-86400\n")
    done = Done(process.wait(60), log.read_text())
    starts = [datetime.fromisoformat(record.started_at) for record in load(scene.run).records]
    assert min(starts) < starts[0] - timedelta(hours=23), "the clock was not set back"
    took = [float(text) for text in re.findall(r", (\d+\.\d) s", done.output)]
    assert len(took) == 3 and all(0 <= one < 60 for one in took), done.output
    assert done.code == 0 and scene.whole()
    assert scene.start("verify", str(scene.run)).done().code == 0
    found = seen(scene, done, "[3/3]")
    return found.then("durations are those of monotonic clocks, and `verify` finds nothing amiss: 6 of 6, each once")


def same_second(scene: Scene) -> Seen:
    first = scene.start(*FRESH, frozen=1_767_225_600).done()
    runs = scene.place / "reports" / "runs"
    (earlier,) = runs.iterdir()
    before = {path.name: path.read_bytes() for path in earlier.iterdir() if path.is_file()}
    second = scene.start(*FRESH, frozen=1_767_225_600).done()
    assert (first.code, second.code) == (0, 0), second.output
    assert sorted(path.name for path in runs.iterdir()) == [earlier.name, f"{earlier.name}-2"]
    assert before == {path.name: path.read_bytes() for path in earlier.iterdir() if path.is_file()}
    lost = scene.completed() - sum(len(load(run).records) for run in runs.iterdir())
    found = Seen("(nothing)", second.code, scene.completed(), lost)
    return found.then("the second run's folder ends in -2; the first is untouched")


def no_utf8(scene: Scene) -> Seen:
    finished(scene)
    scene.environ.update(ASCII)
    done = scene.interpreter(*scene.python("run", "--resume", "--out", str(scene.run)))
    assert done.code == 0, done.output
    assert "×" in (scene.run / "report.md").read_text(encoding="utf-8")
    return seen(scene, done, "written: ").then("signs that it lacks are shown as ?; the report's files are UTF-8")


def no_hub(scene: Scene) -> Seen:
    environ = {"HF_HUB_OFFLINE": "", "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(scene.place / "hub")}
    scene.environ.update(environ)
    done = scene.start(*FRESH, "--model", "example/no-such-model", "--out", str(scene.run)).done()
    assert not scene.run.exists()
    return seen(scene, done, "bitledger: ").then("nothing was measured")


FAULTS = (
    Fault("GPU already in use", "NVML names another process on it", in_use),
    Fault("Throttling during a run", "NVML reports a thermal slowdown while the fourth Record is measured",
          _during("throttled", "gpu-throttled")),
    Slow("NVML gone during a run", "NVML answers \"GPU is lost\" while it is measured",
          _during("gpu lost", "gpu-unanswering")),
    Slow("NVML gone in an energy window", "the same between a window's two readings", energy_without_nvml),
    Fault("Clock jumps forward", "the wall clock gains another hour at each look", _clock(3600.0)),
    Slow("Clock jumps back", "the wall clock loses another hour at each look", _clock(-3600.0)),
    Slow("Clock set back under all processes", "libfaketime sets it back by a day after the third Record", set_back),
    Slow("Clock set back to an earlier start", "two runs begin in the same second of the clock", same_second),
    Slow("Terminal without UTF-8", "LC_ALL=C with Python's UTF-8 mode off", no_utf8),
    Fault("Hub out of reach", "the hub's address refuses connections, the cache is empty", no_hub),
)  # fmt: skip

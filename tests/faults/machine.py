"""The GPU, the clock, the terminal and the network, when they fail or change under a run."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise

from bench.record.schema import Record
from bench.record.store import load
from tests.faults.fault import Fault, Seen, Slow, resume_command, seen
from tests.faults.plans import FRESH, plan
from tests.faults.processes import FOURTH
from tests.faults.run import Scene
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
    Slow("Clock set back to an earlier start", "two runs begin in the same second of the clock", same_second),
    Slow("Terminal without UTF-8", "LC_ALL=C with Python's UTF-8 mode off", no_utf8),
    Fault("Hub out of reach", "the hub's address refuses connections, the cache is empty", no_hub),
)  # fmt: skip

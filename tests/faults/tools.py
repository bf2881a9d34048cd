"""Profilers and CodeCarbon that are missing, refused, crash, hang, are too old, or write into a full disk."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from bench import presets
from bench.record.store import load
from bench.run.plan import generation_case
from bench.workloads.sources import resolve
from tests.faults import disks
from tests.faults.fault import NOTHING, Fault, Seen, Slow, seen
from tests.faults.run import Running, Scene, alive, until
from tests.faults.storage import finished
from tests.profiling import fake_tools

SCHEME = "nf4"
ENDED = "the profiler is ended too; the earlier Records are kept"
TOOLS = ("ncu", "nsys", "py-spy")


def _prepared(scene: Scene, how: str, present: tuple[str, ...] = TOOLS) -> None:
    """A finished run, and fake profilers first on the search path that do ``how``."""
    finished(scene)
    fake_tools.install(scene.place / "bin", *TOOLS)
    scene.told["tools"] = list(present)
    scene.environ.update(
        PATH=f"{scene.place / 'bin'}{os.pathsep}{os.environ['PATH']}", BITLEDGER_FAKE=how, BITLEDGER_FAKE_CASE=_case(),
        BITLEDGER_FAKE_PID=str(scene.place / "pid"), BITLEDGER_FAKE_RESULT=str(scene.place / "result"),
    )  # fmt: skip


def _case() -> str:
    """The case_id that the capture asks for: the target would tell it."""
    preset = presets.preset("smoke")
    sweep = preset.sweeps[0]
    cache, batch = sweep.caches[0], sweep.batch_sizes[0]
    return generation_case(sweep, resolve(preset.model), SCHEME, batch, cache, "cuda", 0).case_id


def _command(scene: Scene, verb: str, *options: str) -> tuple[str, ...]:
    caches = ("--ncu-caches", "cold") if verb in ("ncu", "all") else ()
    told = ("--scheme", SCHEME, "--device", "cuda", "--out", str(scene.run), "--no-report")
    return ("profiling", verb, *told, *caches, *options)


def _tool(verb: str, how: str, *options: str, present: tuple[str, ...] = TOOLS) -> Callable[[Scene], Seen]:
    def provoke(scene: Scene) -> Seen:
        _prepared(scene, how, present)
        if how == "ok":
            fake_tools.timeline(scene.place / "result", 4, ranges=False)
            scene.environ["BITLEDGER_FAKE_VERSION"] = "2022.4.2"
        found = seen(scene, scene.start(*_command(scene, verb, *options)).done(), "[1/")
        return _filed(scene, found)

    return provoke


def _filed(scene: Scene, found: Seen) -> Seen:
    """The reason is a Record too; nothing half-written is left beside it."""
    new = load(scene.run).records[scene.completed() :]
    for record in new:
        assert record.status in ("skipped", "failed") and record.reason in found.message, record.reason
    logs = {scene.run / item.path for record in new for item in record.artifacts}
    assert logs == {path for path in (scene.run / "artifacts").rglob("*") if path.is_file()}
    assert {path.name for path in logs} <= {"log.txt"}
    return found.then(f"a {new[-1].status} Record holds the reason{', the log is kept' if logs else ''}")


def disk_full(scene: Scene) -> Seen:
    _prepared(scene, "disk full")
    done = disks.on_small_disk(scene, "256k", _command(scene, "nsys"))
    return _filed(scene, seen(scene, done, "[1/"))


def killed(scene: Scene) -> Seen:
    running = _hanging(scene)
    tool = int((scene.place / "pid").read_text())
    os.kill(running.process.pid, signal.SIGKILL)
    code = running.done().code
    assert until(lambda: not alive(tool), 5.0), "the profiler outlived its parent"
    return Seen(NOTHING, code, scene.completed(), scene.lost()).then(ENDED)


def interrupted(scene: Scene) -> Seen:
    running = _hanging(scene)
    os.kill(running.process.pid, signal.SIGTERM)
    found = seen(scene, running.done(), "bitledger: ")
    assert not alive(int((scene.place / "pid").read_text()))
    return found.then(ENDED)


def _hanging(scene: Scene) -> Running:
    """A capture whose tool does not end."""
    _prepared(scene, "hang")
    running = scene.start(*_command(scene, "nsys"))
    pid = scene.place / "pid"
    assert until(lambda: pid.exists() and bool(pid.read_text()), 30.0), running.log.read_text()
    return running


FAULTS = (
    Slow("Profiler missing", "`profiling ncu` where no ncu is on the search path", _tool("ncu", "ok", present=())),
    Fault("Counters refused", "ncu ends with ERR_NVGPUCTRPERM", _tool("ncu", "refused")),
    Slow("Tracing refused", "py-spy ends with Permission Denied", _tool("host", "no tracing")),
    Slow("Profiler crashes", "nsys prints a line and ends with code 3", _tool("nsys", "crash")),
    Slow("Profiler's program fails", "the observed program cannot load the model", _tool("nsys", "target fails")),
    Slow("Profiler of another version", "nsys 2022.4 and nvtx 0.2.17, which it does not see", _tool("nsys", "ok")),
    Slow("Profiler hangs", "nsys never ends; --limit 1", _tool("nsys", "hang", "--limit", "1")),
    Slow("Disk full while a profiler writes", "the report of nsys fills a tmpfs of 256 KiB", disk_full),
    Fault("Capture killed", "SIGKILL to `profiling nsys` while nsys runs", killed),
    Slow("Capture asked to end", "SIGTERM to it", interrupted),
)

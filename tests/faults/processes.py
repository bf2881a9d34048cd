"""Processes that are killed, stop, hang or crash."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

from bench.record.store import load
from tests.faults.fault import Fault, Seen, Slow, resume_command, resumed, seen
from tests.faults.plans import FRESH, plan
from tests.faults.run import Running, Scene

FAILED = "failed: generation"
# At the fourth of six Records.
FOURTH, THREE = "int8/energy", 3


def _hanging(scene: Scene, limit_s: float = 30.0, **told: object) -> Running:
    """A run whose child never gives its fourth Record."""
    plan(scene.run, limit_s=limit_s)
    running = scene.start(*resume_command(scene), **{"child": {FOURTH: "hang"}, **told})
    running.until_acknowledged(THREE)
    return running


def _ended(number: signal.Signals, *words: str) -> object:
    def provoke(scene: Scene) -> Seen:
        running = _hanging(scene)
        os.kill(running.process.pid, number)
        found = seen(scene, running.done(), *words)
        assert not scene.survivors(), "the child outlived its parent"
        return found.then(f"no process is left; {resumed(scene)}")

    return provoke


def _child(number: signal.Signals, limit_s: float = 30.0) -> object:
    def provoke(scene: Scene) -> Seen:
        running = _hanging(scene, limit_s=limit_s)
        os.kill(running.child(), number)
        return _repaired(scene, running)

    return provoke


def _repaired(scene: Scene, running: Running) -> Seen:
    """The run goes on without the Record that failed, and a later one makes it."""
    found = seen(scene, running.done(), FAILED)
    assert len(scene.keys()) == len(set(scene.keys())), "a Record came twice"
    return found.then(f"the run goes on; {resumed(scene, '--retry-failed')}")


def _misbehaves(how: str, limit_s: float = 20.0) -> object:
    def provoke(scene: Scene) -> Seen:
        plan(scene.run, limit_s=limit_s)
        return _repaired(scene, scene.start(*resume_command(scene), child={FOURTH: how}))

    return provoke


def fork_server_killed(scene: Scene) -> Seen:
    return _repaired(scene, _hanging(scene, after=THREE, parent="fork server killed"))


def fork_server_stopped(scene: Scene) -> Seen:
    running = _hanging(scene, limit_s=3.0, after=THREE, parent="fork server stopped", start_s=5.0)
    found = _repaired(scene, running)
    assert not scene.survivors()
    return found


def fork_server_hangs(scene: Scene) -> Seen:
    plan(scene.run)
    done = scene.start(*resume_command(scene), fork_server="hangs at its start", start_s=0.5).done()
    found = seen(scene, done, "[3/3]")
    assert scene.whole() and not scene.survivors()
    return found.then("processes start from scratch instead: 6 of 6, each once")


def parent_stopped(scene: Scene) -> Seen:
    """Longer than the block's limit, as by ctrl-Z and, after a while, fg."""
    plan(scene.run, limit_s=3.0)
    running = scene.start(*resume_command(scene), child={FOURTH: "moment"})
    running.until_acknowledged(THREE)
    os.kill(running.process.pid, signal.SIGSTOP)
    time.sleep(4.5)
    os.kill(running.process.pid, signal.SIGCONT)
    found = seen(scene, running.done(), "[3/3]")
    assert scene.whole()
    assert not scene.survivors()
    return found.then("the child goes on meanwhile, and its limit does not count the pause: 6 of 6, each once")


def child_paused(scene: Scene) -> Seen:
    plan(scene.run)
    found = seen(scene, scene.start(*resume_command(scene), child={FOURTH: "paused"}).done(), "[3/3]")
    told = [record for record in load(scene.run).records for one in record.findings if one.code == "process-stopped"]
    assert [f"{one.case.scheme}/{one.instrument}" for one in told] == [FOURTH]
    assert scene.whole()
    return found.then("the Record holds the finding process-stopped: 6 of 6, each once")


def endless_line(scene: Scene) -> Seen:
    """The parent needs no memory for it."""
    plan(scene.run, limit_s=60.0)
    running = scene.start(*resume_command(scene), child={FOURTH: "endless line"})
    peaks = []
    while running.process.poll() is None:
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{running.process.pid}/status").read_text()
            peaks += [int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM")]
        time.sleep(0.02)
    found = seen(scene, running.done(), "[3/3]")
    assert max(peaks) - min(peaks) < 300 << 20, (min(peaks), max(peaks))
    assert scene.whole()
    return found.then("the line is dropped, in at most 300 MiB: 6 of 6, each once")


def describing_hangs(scene: Scene) -> Seen:
    done = scene.start(*FRESH, "--out", str(scene.run), describe_s=0.5).done()
    assert not scene.run.exists() and not scene.survivors()
    return seen(scene, done, "bitledger: ").then("nothing was measured, no process is left")


def reader_gone(scene: Scene) -> Seen:
    plan(scene.run)
    command = scene.python(*resume_command(scene))
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=scene.place, env=scene.environment(), text=True
    )
    assert process.stdout and process.stderr
    line = process.stdout.readline()
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    code = process.wait(60)
    assert "Traceback" not in error, error
    assert line.startswith("resuming ")
    assert scene.whole(), (code, error)
    return Seen("(the lines up to the end of the reader)", code, scene.completed(), scene.lost()).then(
        "the run goes on unseen: 6 of 6, each once"
    )


FAULTS = (
    Fault("Parent killed", "SIGKILL while the fourth of six Records is measured", _ended(signal.SIGKILL)),
    Fault("Parent asked to end", "SIGTERM at that moment", _ended(signal.SIGTERM, "bitledger: ")),
    Slow("Ctrl-C", "SIGINT at that moment", _ended(signal.SIGINT, "bitledger: ")),
    Slow("Terminal closed", "SIGHUP at that moment", _ended(signal.SIGHUP, "bitledger: ")),
    Slow("Reader of the output gone", "the run's pipe is closed after one line, as by `| head -1`", reader_gone),
    Fault("Child killed", "SIGKILL to the child at that moment", _child(signal.SIGKILL)),
    Slow("Child out of host memory, killed", "the child gets SIGKILL, as from the kernel", _misbehaves("killed")),
    Slow("Child out of host memory, refused", "the child allocates 1 TiB under RLIMIT_AS", _misbehaves("host memory")),
    Slow(
        "torch out of host memory", "the child raises torch's RuntimeError of its allocator",
        _misbehaves("torch host memory")),
    Slow("GPU out of memory", "the child raises torch.OutOfMemoryError, in torch's words", _misbehaves("gpu memory")),
    Slow("Child hangs", "the child sleeps; its block's limit is 2 s", _misbehaves("hang", limit_s=2.0)),
    Slow("Child stops", "SIGSTOP to the child; its block's limit is 4 s", _child(signal.SIGSTOP, limit_s=4.0)),
    Slow("Child stopped for a while", "SIGSTOP to the child while it measures, and SIGCONT", child_paused),
    Slow(
        "Parent stopped for a while", "SIGSTOP to the parent, as by ctrl-Z, for longer than the block's limit; SIGCONT",
        parent_stopped),
    Slow("Child crashes", "SIGSEGV in the child", _misbehaves("segmentation fault")),
    Slow("Child ends early", "a library prints a line and calls exit(3)", _misbehaves("exit")),
    Fault("Child writes something else", "a library prints into the pipe of Records", _misbehaves("garbage")),
    Slow("Child writes a line of 1 GB", "a library prints it into the pipe of Records", endless_line),
    Slow(
        "Code replaced during a run", "the child's Records have schema version 99, the parent knows 1",
        _misbehaves("newer record")),
    Slow("NaN in a metric", "a measured value is NaN", _misbehaves("nan metric")),
    Slow("Infinity beside the metrics", "a value in a Record's setup is infinite", _misbehaves("nan setup")),
    Slow("Model's description hangs", "the child that finds its shapes sleeps; 0.5 s are allowed", describing_hangs),
    Fault("Fork server killed", "SIGKILL to the process that forks the children", fork_server_killed),
    Slow("Fork server stops", "SIGSTOP to it; the block's limit is 3 s", fork_server_stopped),
    Slow("Fork server hangs at its start", "its imports never end; 0.5 s are allowed", fork_server_hangs),
)  # fmt: skip

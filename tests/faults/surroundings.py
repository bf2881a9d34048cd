"""What surrounds the program under test: its GPU, its clock, its disk."""

from __future__ import annotations

import datetime
import errno
import fcntl
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

from tests.instruments.fake_nvml import FakeGpu, FakeNvml, FakeNvmlError

STRANGER = 4242
# The modules that look at the wall clock; a test reads the code for others.
LOOKING = ("bench.run.runner", "bench.run.child", "bench.run.planfile", "bench.quality.of_run")


def arrange(told: Mapping[str, Any]) -> None:
    """Make the process see what ``told`` says. ``nvml``: a GPU; ``clock``: seconds by which it jumps at each look."""
    if "nvml" in told:
        sys.modules["pynvml"] = LosableNvml([FakeGpu(pids=[STRANGER] if told["nvml"] == "in use" else [])])
        sys.modules.setdefault("torch", SimpleNamespace(cuda=NoCuda()))
    if "clock" in told:
        looks, real = iter(range(1, 1 << 30)), time.time
        set_the_clock(lambda: real() + told["clock"] * next(looks))
    if "frozen" in told:
        set_the_clock(lambda: told["frozen"])
    if "no locks" in told:
        fcntl.flock = _no_locks
    if "tools" in told:
        _profilers(told["tools"])


def _input_output_error(*_: object) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def _no_locks(*_: object) -> None:
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


class NoCuda:
    """As much of torch.cuda as is asked where no model is loaded."""

    def is_available(self) -> bool:
        return False

    is_initialized = is_available


class LosableNvml(FakeNvml):
    """A GPU whose energy counter ticks, and that can fall off the bus."""

    lost = False
    energy = 1_000_000

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("nvml") and object.__getattribute__(self, "lost"):
            return _lost
        return object.__getattribute__(self, name)

    def nvmlDeviceGetTotalEnergyConsumption(self, gpu: FakeGpu) -> int:
        LosableNvml.energy += 1000
        return LosableNvml.energy


def _lost(*_: object) -> None:
    raise FakeNvmlError("GPU is lost")


def set_the_clock(now: Callable[[], float]) -> None:
    """Every look at the wall clock sees ``now()``; monotonic clocks go on."""

    class Shifted(datetime.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime.datetime:
            return datetime.datetime.fromtimestamp(now(), tz)

    time.time = now
    for name in LOOKING:
        import_module(name).datetime = Shifted


def _profilers(names: Sequence[str]) -> None:
    """A machine with a GPU and these (fake) tools from the search path."""
    from profiling.availability import ProfilingTools, find_tool
    from profiling.verbs import capture

    tools = {name: find_tool(name) for name in names}
    capture.probe = lambda: ProfilingTools(tools, gpu=True, driver_parameters=None, capabilities=0, ptrace_scope=1)


def strike(told: Mapping[str, Any], count: int) -> None:
    """What happens to the parent once ``count`` Records are acknowledged."""
    if count != told.get("after"):
        return
    run = Path(told["run"])
    match told.get("parent"):
        case "file size":
            size = (run / "records.jsonl").stat().st_size
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, resource.RLIM_INFINITY))
        case "sync fails":
            os.fsync = _input_output_error
        case "removed":
            shutil.rmtree(run)
        case "moved":
            run.rename(run.with_name("elsewhere"))
        case "fork server killed" | "fork server stopped" as what:
            _fork_server(signal.SIGKILL if what.endswith("killed") else signal.SIGSTOP)


def _fork_server(number: signal.Signals) -> None:
    for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        if b"_fork_server" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(int(pid), number)


def until_full(file: BinaryIO) -> None:
    """Write until the disk refuses even one byte; raises the OSError of that. Never on a disk of some size."""
    size, written = 1 << 12, 0
    while written < 64 << 20:
        try:
            written += file.write(b"0" * size) or 0
        except OSError:
            if size == 1:
                raise
            size = 1
    raise AssertionError("this is no small disk")

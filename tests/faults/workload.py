"""A workload without a model: each asked Record after a moment, unless it is told to misbehave at one.

``told["child"]`` maps "scheme/instrument" (or a scheme alone) to the name of a function here.
"""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bench.record.schema import Case, metric
from bench.run import child
from bench.run.plan import Block
from bench.workloads.annotation import Tools
from bench.workloads.outcome import Outcome
from tests.faults import stub_model, surroundings

# Of the forked child: what its Records go into.
PIPE = -1
PADDING = 8192  # so that a Record never fits into the last page of a full disk


def tools(folder: Path) -> Any:
    """What the profiling room lends: the run folder is all that is needed of it."""
    return Tools(lambda: None, lambda *_: folder)


def outcomes(block: Block, lent: Any, told: Mapping[str, Any]) -> Iterator[Outcome]:
    """The block's outcomes, each after ``told["seconds"]`` (a random share of twice that)."""
    if "model" in told:
        yield from stub_model.run(block, lent, told["model"])
        return
    for request in block.requests:
        time.sleep(told.get("seconds", 0.0) * 2 * random.random())
        name = f"{request.case.scheme}/{request.instrument}"
        how = told.get("child", {}).get(name)
        if how:
            found = MISBEHAVE[how](request.case, request.instrument, lent)
            if found is not None:
                yield found
                continue
        yield _good(request.case, request.instrument)


def _good(case: Case, instrument: str, **more: Any) -> Outcome:
    setup = {"arm": {"name": case.scheme}, "padding": "x" * PADDING}
    return Outcome(case, instrument, setup=setup, metrics=(metric("generate_time", (0.01, 0.02)),), **more)


def hang(*_: object) -> None:
    """Never come back."""
    time.sleep(600)


def moment(*_: object) -> None:
    """A measurement that takes a while."""
    time.sleep(0.5)


def _signal(number: signal.Signals) -> Callable[..., None]:
    def die(*_: object) -> None:
        os.kill(os.getpid(), number)

    return die


def _exit(*_: object) -> None:
    print("the last words of a library", flush=True)
    os._exit(3)


def _host_memory(*_: object) -> None:
    """The kernel refuses memory, as it does under ulimit -v."""
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, resource.RLIM_INFINITY))
    bytearray(1 << 40)


class OutOfMemoryError(RuntimeError):
    """torch's own has this name, is a RuntimeError, and says this."""


def _torch_host_memory(*_: object) -> None:
    raise RuntimeError(
        "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
        "allocate 10995116277760 bytes. Error code 12 (Cannot allocate memory)"
    )


def _gpu_memory(*_: object) -> None:
    raise OutOfMemoryError(
        "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 79.11 GiB of which 5.12 MiB is "
        "free. Process 4242 has 79.10 GiB memory in use."
    )


def _nan_metric(case: Case, instrument: str, _lent: Any) -> Outcome:
    return Outcome(case, instrument, metrics=(metric("generate_time", (0.01, float("nan"))),))


def _nan_setup(case: Case, instrument: str, _lent: Any) -> Outcome:
    return Outcome(case, instrument, setup={"relative_error": float("inf")}, metrics=(metric("generate_time", 0.01),))


def _garbage(*_: object) -> None:
    os.write(PIPE, b"Loading weights: 100%")


def _endless_line(*_: object) -> None:
    """A library fills the pipe of Records with a line that is longer than any Record."""
    for _block in range(1 << 10):
        rest = memoryview(b"x" * (1 << 20))
        while rest:
            rest = rest[os.write(PIPE, rest) :]
    os.write(PIPE, b"\n")


def _paused(*_: object) -> None:
    """Somebody stops this process, and lets it go on after a moment."""
    subprocess.Popen(("sh", "-c", f"sleep 0.3; kill -CONT {os.getpid()}"))
    os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(0.01)


def _newer(*_: object) -> None:
    """From now on this process gives what a later program would."""
    real = child.to_json
    child.to_json = lambda record: {**real(record), "schema_version": 99}


def _fill(case: Case, instrument: str, lent: Any) -> None:
    """Another program fills the disk of the run folder to its last byte, once the Records before are there."""
    while (lent.timeline() / "records.jsonl").read_bytes().count(b"\n") < 3:
        time.sleep(0.01)
    with (lent.timeline() / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        surroundings.until_full(file)


def _timeline(case: Case, instrument: str, lent: Any) -> Outcome:
    """The real pass that writes a trace, on a disk that has no room for it."""
    from profiling import inrun

    def trace_of(_session: Any, trace: Path, *_: Any) -> None:
        with trace.open("wb", buffering=0) as file:
            surroundings.until_full(file)

    inrun.observe_kineto = trace_of
    options = {"repeat": 0, "timeline_steps": 4, "timeline_keep": True}
    found = inrun.timeline(SimpleNamespace(case=case), options, lent.timeline())
    return replace(found, instrument=instrument)


def _throttled(*_: object) -> None:
    sys.modules["pynvml"].gpus[0].throttle = 0x40


def _gpu_lost(*_: object) -> None:
    sys.modules["pynvml"].lost = True


def _energy(case: Case, _instrument: str, lent: Any) -> Outcome:
    """The real pass over energy windows, on a GPU that is lost in their middle."""
    from bench.workloads import observers

    observers.gpu_uuid = lambda _device: sys.modules["pynvml"].gpus[0].uuid
    session = SimpleNamespace(case=case, batches=(None,), generate=_losing_the_gpu)
    return observers.energy(session, {"energy_seconds": 0.01, "energy_windows": 2}, lent)


def _losing_the_gpu(_batch: object) -> Any:
    _gpu_lost()
    return SimpleNamespace(tokens=8)


MISBEHAVE: dict[str, Callable[..., Outcome | None]] = {
    "hang": hang,
    "moment": moment,
    "stop": _signal(signal.SIGSTOP),
    "killed": _signal(signal.SIGKILL),
    "segmentation fault": _signal(signal.SIGSEGV),
    "exit": _exit,
    "host memory": _host_memory,
    "torch host memory": _torch_host_memory,
    "gpu memory": _gpu_memory,
    "nan metric": _nan_metric,
    "nan setup": _nan_setup,
    "garbage": _garbage,
    "endless line": _endless_line,
    "paused": _paused,
    "newer record": _newer,
    "fill": _fill,
    "timeline": _timeline,
    "throttled": _throttled,
    "gpu lost": _gpu_lost,
    "energy": _energy,
}

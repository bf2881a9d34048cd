"""Sweeps whose processes measure nothing and take milliseconds."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import presets
from bench.cluster import folder as places
from bench.cluster.attempt import Means
from bench.cluster.blocks import Shares, divide
from bench.record.schema import Environment, Record, Status, environment_from_json, to_json
from bench.run.plan import Block, Request
from bench.run.planfile import Run
from bench.run.processes import Process, Start
from bench.workloads.sources import resolve
from tests.factories import CPU

Give = Callable[[Block, Request], tuple[Status, str]]
# What describes the smoke model, without looking at it.
SMOKE_FACTS = {"decoder_layers": 6, "layers": [], "cuda": False, "dtype": "float16"}


def good(_block: Block, _request: Request) -> tuple[Status, str]:
    """Every Record is ok."""
    return "ok", ""


class _Ended:
    """A process that has done its work and ended."""

    pid, returncode = 0, 0

    def poll(self) -> int:
        return 0

    def wait(self, timeout: float | None = None) -> int:
        return 0

    def terminate(self) -> None: ...

    kill = terminate


def starting(give: Give = good) -> Start:
    """Starts no process: the Records that one would have given, as ``give`` says, are in the pipe at once."""

    def start(task: Mapping[str, Any], records_fd: int, log: Path) -> Process:
        if "describe" in task:
            os.write(records_fd, json.dumps(SMOKE_FACTS).encode())
            return _Ended()
        block = Block.from_json(task["block"])
        for request in block.requests:
            status, reason = give(block, request)
            record = Record(
                task["run_id"], request.instrument, request.case, block.repeat, status,
                environment_from_json(task["environment"]), "2026-01-01T00:00:00+00:00", tuple(task["argv"]),
                reason=reason, setup={"block": block.options["block"]},
            )  # fmt: skip
            os.write(records_fd, json.dumps(to_json(record)).encode() + b"\n")
        return _Ended()

    return start


def preset(schemes: Sequence[str] = ("fp16", "int8", "nf4"), repeats: int = 3) -> presets.Preset:
    changes = {"schemes": tuple(schemes), "repeats": repeats, "tasks": 0, "matmul_m": ()}
    return presets.for_layers(presets.preset("smoke", changes), 6)


def shares(**options: Any) -> tuple[Shares, ...]:
    return divide(preset(**options), resolve("smoke"), [], "cpu", 0)


def plan(folder: Path, **options: Any) -> places.Sweep:
    """A sweep of as many blocks as ``repeats``, written into ``folder``."""
    made, source = shares(**options), resolve("smoke")
    runs = [Run("the-sweep", preset(**options), source, "cpu", 0, one.processes) for one in made]
    whole = Run("the-sweep", preset(**options), source, "cpu", 0, tuple(b for run in runs for b in run.blocks))
    sweep = places.Sweep("the-sweep", ("python", "-m", "bench", "run"), 1, tuple(one.name for one in made), "cpu")
    folder.mkdir(parents=True, exist_ok=True)
    places.create(folder, sweep, whole, runs)
    return sweep


class Silent(contextlib.AbstractContextManager["Silent"]):
    """Progress that nobody sees; ``on_start`` is called with each process."""

    def __init__(self, on_start: Callable[[Block], None] = lambda _: None) -> None:
        self._on_start = on_start
        self.records: list[Record] = []

    def __exit__(self, *_: object) -> None:
        return None

    def start(self, block: Block) -> None:
        self._on_start(block)

    def record(self, block: Block, record: Record) -> None:
        self.records.append(record)

    def end(self, block: Block) -> None:
        return None


def means(
    machine: Environment = CPU, on_start: Callable[[Block], None] = lambda _: None, give: Give = good, **options: Any
) -> Means:
    fields = {"judge": lambda _: None, **options}
    return Means(machine, starting(give), lambda *_: Silent(on_start), **fields)

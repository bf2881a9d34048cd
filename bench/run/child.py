"""The measuring process: one block, fresh, then gone. Records leave through a pipe, one JSON line each.

The block comes as JSON on standard input. Everything that libraries print goes to the log file that the parent made
of standard output and error.

The process notices that it was told to go on: after ctrl-Z, kill -STOP, or a job that its cluster suspends. Nothing
else in a Record would show a pause: monotonic clocks go on meanwhile, and one step is merely long. A process that was
not stopped may get SIGCONT too (Slurm sends it before SIGTERM), so that a pause is possible and not sure.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from bench.analysis.energy.windows import judge
from bench.instruments import environment
from bench.record.errors import BitledgerError
from bench.record.origin import BLOCK
from bench.record.schema import Environment, Finding, Record, environment_from_json, to_json
from bench.run.plan import Block
from bench.run.processes import die_with_parent
from bench.workloads.annotation import Tools, ToolsFor
from bench.workloads.outcome import Outcome, failed

STATE_AGE_S = 1.0
# The first state of a process does not tell how busy others are: sleeping for that took 0.2 s of every block. What
# follows tells it, of the time since then, as soon as there is enough of it.
FIRST_STATE_AGE_S = 0.25


def main(tools: ToolsFor) -> int:
    """Run the task on standard input; returns the exit code (0 also when Cases failed: their Records say so)."""
    task = json.load(sys.stdin)
    return run_task(task, task["records_fd"], tools)


def run_task(task: dict[str, Any], records_fd: int, tools: ToolsFor) -> int:
    """Measure a block, or describe a model, and write the answer to ``records_fd``."""
    die_with_parent(task.get("parent"))
    watch()
    with os.fdopen(records_fd, "w", buffering=1) as pipe:
        if "describe" in task:
            pipe.write(json.dumps(_describe(task["describe"])) + "\n")
            return 0
        for record in run_block(task, tools):
            pipe.write(_line(record) + "\n")
    return 0


def _line(record: Record) -> str:
    """The Record as JSON; where it holds what JSON cannot hold, such as infinity, a failed one that says so."""
    try:
        return json.dumps(to_json(record), allow_nan=False)
    except (ValueError, TypeError) as error:
        reason = f"what was measured cannot be recorded: {error}"
        bare = replace(record, status="failed", reason=reason, setup={}, metrics=(), not_collected={}, findings=())
        return json.dumps(to_json(bare), allow_nan=False)


def run_block(task: dict[str, Any], tools: ToolsFor) -> Iterator[Record]:
    """The block's Records. An error ends the block; what it had still to give becomes failed Records."""
    block = Block.from_json(task["block"])
    machine = _with_cuda_facts(environment_from_json(task["environment"]), block.requests[0].case.device)
    open_requests = {request.key(block.repeat): request for request in block.requests}
    make = _RecordMaker(task, block, machine)
    try:
        for outcome in outcomes(block, tools(Path(task["folder"])), task.get("windows", ())):
            record = make(outcome)
            open_requests.pop(record.key, None)
            yield record
    except Exception as error:
        if task.get("debug"):
            raise
        yield from (make(failed(request.case, request.instrument, error)) for request in list(open_requests.values()))


def _with_cuda_facts(machine: Environment, device: str) -> Environment:
    """What CUDA knows of the measured GPU and NVML does not: its multiprocessors and L2 cache."""
    if device != "cuda" or not machine.gpus:
        return machine
    import torch

    if not torch.cuda.is_available():
        return machine
    known = torch.cuda.get_device_properties(0)
    facts = {"multiprocessors": known.multi_processor_count, "l2_bytes": known.L2_cache_size}
    measured = str(known.uuid)
    gpus = tuple({**gpu, **facts} if measured in str(gpu.get("uuid")) else gpu for gpu in machine.gpus)
    return replace(machine, gpus=gpus)


def outcomes(block: Block, tools: Tools, windows: Sequence[Mapping[str, Any]] = ()) -> Iterator[Outcome]:
    """What the workload of this kind of block gives. ``windows``: what was observed of other arms so far."""
    cases = [request.case for request in block.requests]
    if block.options.get("threads"):
        import torch

        torch.set_num_threads(block.options["threads"])
    if block.kind == "machine":
        from bench.workloads import machine

        return machine.run(cases)
    if block.kind == "matmul":
        from bench.workloads import matmul

        return matmul.run(cases, block.options)
    if block.kind == "intervention":
        from bench.interventions import process

        return process.run(block.source, cases[0], block.options)
    from bench.interventions.tries import tries_on
    from bench.workloads import generation

    wanted = [(request.case, request.instrument) for request in block.requests]
    options = {**block.options, "repeat": block.repeat, "windows": windows}
    return generation.run(block.source, wanted, options, tools, tries_on)


class _RecordMaker:
    """Turns Outcomes into Records: adds the run, the repeat, the time and the machine's state around it."""

    def __init__(self, task: dict[str, Any], block: Block, machine: Environment) -> None:
        self._task = task
        self._block = block
        self._place = block.options.get(BLOCK)
        self._machine = machine
        self._look()
        self._before = self._now
        self._started, self._paused = _now(), count()

    def __call__(self, outcome: Outcome) -> Record:
        after = self._state()
        record = Record(
            run_id=self._task["run_id"],
            instrument=outcome.instrument,
            case=outcome.case,
            repeat=self._block.repeat,
            status=outcome.status,
            reason=outcome.reason,
            environment=replace(self._machine, before=self._before, after=after),
            started_at=self._started,
            argv=tuple(self._task["argv"]),
            setup={**outcome.setup, BLOCK: self._place} if self._place else outcome.setup,
            metrics=outcome.metrics,
            not_collected=outcome.not_collected,
            findings=(*outcome.findings, *self._noticed(outcome, after), *told(self._paused)),
            artifacts=outcome.artifacts,
        )
        self._before, self._started, self._paused = after, _now(), count()
        return replace(record, findings=(*record.findings, *judge(record)))

    def _noticed(self, outcome: Outcome, after: dict[str, Any]) -> tuple[Finding, ...]:
        """What the GPU went through meanwhile."""
        on_gpu = outcome.case.device == "cuda"
        return environment.during(self._machine, self._before, after) if on_gpu else ()

    def _state(self) -> dict[str, Any]:
        """The machine now, looked at again only after a second: hundreds of matmul Records may come in one."""
        age = STATE_AGE_S if "busy_others_cores" in self._now else FIRST_STATE_AGE_S
        if time.monotonic() - self._looked > age:
            self._look()
        return self._now

    def _look(self) -> None:
        self._now, self._looked = environment.state(wait=False), time.monotonic()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _describe(document: dict[str, Any]) -> dict[str, Any]:
    """The distinct Linear shapes of a model, for the plan."""
    from bench.workloads.describe import describe
    from bench.workloads.sources import Source

    try:
        return describe(Source(**document))
    except BitledgerError as error:
        return {"error": str(error)}


_seen = 0


def watch() -> None:
    """Count from now on how often the process is told to go on. For the main thread."""
    signal.signal(signal.SIGCONT, _note)


def count() -> int:
    """How often it was so far."""
    return _seen


def told(since: int) -> tuple[Finding, ...]:
    """A finding where that happened again after ``count`` gave ``since``."""
    times = _seen - since
    if not times:
        return ()
    return (
        Finding(
            "process-stopped",
            "warning",
            "the measuring process was sent SIGCONT, as after ctrl-Z: if it had been stopped, its times hold the pause",
            f"SIGCONT, {times} times" if times > 1 else "SIGCONT, once",
            "measure again without ctrl-Z, kill -STOP or a suspended job",
        ),
    )


def _note(_number: int, _frame: FrameType | None) -> None:
    global _seen
    _seen += 1

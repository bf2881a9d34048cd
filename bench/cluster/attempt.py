"""Measure a block, or what earlier attempts at it left: on a node of a cluster, or here."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from bench.record.errors import BitledgerError
from bench.record.origin import node_of
from bench.record.schema import Environment, Record
from bench.record.store import RECORDS, Writer, load, open_run
from bench.run import runner
from bench.run.plan import Block, Key, remaining
from bench.run.processes import Start

from . import folder as places
from .folder import AttemptState

# A process that was under way when this many attempts ended is not tried again: it may be what takes the nodes down.
TRIES = 3


class OutOfTimeError(BaseException):
    """The job's time is nearly up, or the node is wanted back: end now, go on in another job. Not an Exception, so
    that nothing on the way takes it for a failed Case."""


class OvertakenError(BaseException):
    """A later attempt at the same block has begun: Slurm believes this node lost."""


class Progress(Protocol):
    """Told how a block goes on."""

    def start(self, block: Block) -> None: ...
    def record(self, block: Block, record: Record) -> None: ...
    def end(self, block: Block) -> None: ...


@dataclass(frozen=True)
class Means:
    """What an attempt works with. ``progress`` makes the display for so many processes under a headline; ``judge`` is
    called when all is measured; ``job`` is Slurm's number, or "" here."""

    machine: Environment
    start: Start
    progress: Callable[[Sequence[Block], str], AbstractContextManager[Progress]]
    judge: Callable[[Writer], None]
    job: str = ""
    retry_failed: bool = False
    debug: bool = False


def measure_block(folder: Path, number: int, means: Means) -> dict[str, int]:
    """Measure what is left of a block and return the number of this attempt's Records by status.

    Raises as read_plan and open_run; OvertakenError where another attempt has begun meanwhile. What was measured is
    kept whatever happens, and state.json says how the attempt ended.
    """
    sweep, run = places.read(folder), places.block_run(folder, number)
    done = runner.records_done(records(folder, number), retry_failed=means.retry_failed)
    hopeless = stuck(folder, number, done)
    left = remaining(run.blocks, done | hopeless.keys())
    attempt = places.claim(folder, number)
    tracker = _Tracker(attempt, means)
    context = runner.Context(sweep.run_id, sweep.argv, means.machine, attempt, means.debug)
    headline = f"block {number} of {len(sweep.blocks)} on {node_of(means.machine)}: {sweep.name(number)}"
    with tracker, open_run(attempt) as writer:
        for record in _given_up(run.blocks, hopeless, context):
            tracker.record(writer, record)
        with means.progress(left, headline) as progress:
            _run(left, writer, context, tracker, progress, means.start)
        means.judge(writer)
    return dict(tracker.counts)


def _run(
    blocks: Sequence[Block],
    writer: Writer,
    context: runner.Context,
    tracker: _Tracker,
    progress: Progress,
    start: Start,
) -> None:
    def on_start(block: Block) -> None:
        tracker.start(block)
        progress.start(block)

    def on_record(block: Block, record: Record) -> None:
        tracker.counts[record.status] += 1
        progress.record(block, record)

    runner.run_blocks(blocks, writer, context, on_start, on_record, progress.end, start)


def records(folder: Path, number: int) -> tuple[Record, ...]:
    """All Records of a block, attempt by attempt. A damaged line is left out: its Record is made again."""
    return tuple(record for attempt in places.attempts(folder, number) for record in records_of(attempt))


def records_of(attempt: Path) -> tuple[Record, ...]:
    """The Records of one attempt, those that can be read."""
    return load(attempt, lambda _: None).records if (attempt / RECORDS).exists() else ()


def stuck(folder: Path, number: int, done: frozenset[Key]) -> dict[Key, str]:
    """The keys not ``done`` whose process was under way when TRIES attempts ended, and on which nodes those were."""
    nodes: dict[Key, list[str]] = {}
    for state in places.states(folder, number):
        if state.ended not in ("complete", "cancelled", "overtaken"):
            for key in state.keys:
                nodes.setdefault(key, []).append(state.node)
    return {key: ", ".join(names) for key, names in nodes.items() if len(names) >= TRIES and key not in done}


def _given_up(blocks: Sequence[Block], hopeless: dict[Key, str], context: runner.Context) -> list[Record]:
    """A failed Record for each of ``hopeless``."""
    return [
        runner.lost(
            request, block, context,
            f"its process did not end in {TRIES} attempts (on {hopeless[request.key(block.repeat)]}): give it more "
            "time or memory, then run again with --resume --retry-failed",
        )
        for block in blocks for request in block.requests if request.key(block.repeat) in hopeless
    ]  # fmt: skip


class _Tracker:
    """Keeps state.json. Leaving the ``with`` block writes how the attempt ended."""

    def __init__(self, attempt: Path, means: Means) -> None:
        now = _now()
        self._attempt = attempt
        self._later = places.after(attempt)
        self._state = AttemptState(node_of(means.machine), means.job, os.getpid(), now, now)
        self.counts: Counter[str] = Counter()

    def __enter__(self) -> _Tracker:
        self._write()
        return self

    def record(self, writer: Writer, record: Record) -> None:
        writer.append(record)
        self.counts[record.status] += 1

    def start(self, block: Block) -> None:
        if self._later.exists():
            raise OvertakenError
        keys = tuple(request.key(block.repeat) for request in block.requests)
        self._write(running=block.label, keys=keys)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if error is None:
            self._write(running="", keys=(), ended="complete")
        else:
            self._write(ended=_reason(error))

    def _write(self, **changes: object) -> None:
        self._state = replace(self._state, now=_now(), counts=dict(self.counts), **changes)  # type: ignore[arg-type]
        places.write_state(self._attempt, self._state)


def _now() -> float:
    return time.time()


def _reason(error: BaseException) -> str:
    known: dict[type[BaseException], str] = {
        OutOfTimeError: "out of time", OvertakenError: "overtaken", KeyboardInterrupt: "cancelled",
    }  # fmt: skip
    return known.get(type(error)) or (str(error) if isinstance(error, BitledgerError) else repr(error))

"""Run a plan: one fresh child process per block, every Record appended and synced as it arrives.

The parent sleeps in ``select`` on the child's pipe until a Record comes, the child ends, or the block's time is up.
It never polls and never imports torch, so it takes no processor time from the measurement.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.record import logs
from bench.record.errors import BitledgerError, MachineError, RecordError, StorageError
from bench.record.instruments import TIMELINE
from bench.record.lines import LONGEST
from bench.record.origin import BLOCK
from bench.record.schema import Environment, Record, from_json
from bench.record.store import Writer, remedy, why
from bench.run.plan import Block, Request
from bench.run.processes import Process, Start, start_from_scratch

TERMINATE_GRACE_S = 5.0
# A child's time is counted in steps of so many seconds; a longer one is a time in which this process was stopped.
LOOK_S = 1.0
# Looking at a model's shapes takes seconds; its configuration may come from a slow disk or hub.
DESCRIBE_S = 600.0


@dataclass
class RunOutcome:
    """How a run went so far: counts of Records by status."""

    counts: dict[str, int] = field(default_factory=lambda: {"ok": 0, "skipped": 0, "failed": 0})

    def add(self, record: Record) -> None:
        self.counts[record.status] += 1


@dataclass(frozen=True)
class Context:
    """What every child needs besides its block."""

    run_id: str
    argv: tuple[str, ...]
    environment: Environment
    folder: Path
    debug: bool = False

    def task(self) -> dict[str, Any]:
        """What a measuring process is told of the run, as JSON."""
        return {
            "run_id": self.run_id,
            "folder": str(self.folder.resolve()),
            "argv": list(self.argv),
            "environment": asdict(self.environment),
            "debug": self.debug,
        }


Listener = Callable[[Block, Record], None]


def run_blocks(
    blocks: Sequence[Block],
    writer: Writer,
    context: Context,
    on_start: Callable[[Block], None],
    on_record: Listener,
    on_end: Callable[[Block], None],
    start: Start = start_from_scratch,
    before: Callable[[Block], Iterable[Record]] = lambda _: (),
) -> RunOutcome:
    """Measure ``blocks`` in order; ``before`` gives what is to be recorded ahead of a block. A child that dies leaves
    failed Records and the run goes on.

    Raises StorageError when a Record cannot be written; what was written before is kept.
    """
    outcome, windows = RunOutcome(), list[dict[str, Any]]()
    for number, block in enumerate(blocks):
        writer.check()
        on_start(block)
        for record in before(block):
            writer.append(record)
        log = logs.child_log(writer.folder, os.getpid(), number)
        for record in measure(block, context, log, start, windows):
            writer.append(record)
            windows += _window(record)
            outcome.add(record)
            on_record(block, record)
        on_end(block)
    return outcome


def _window(record: Record) -> list[dict[str, Any]]:
    """What a timeline tells of its observed window, for later processes of the same setting to compare theirs with."""
    if record.instrument != TIMELINE or record.status != "ok":
        return []
    scale = record.setup.get("ledger", {}).get("observer_scale")
    setup = {"operators": record.setup.get("operators", {}), "ledger": {"observer_scale": scale}}
    return [{"case": record.case.coordinates(), "setup": setup}]


def measure(
    block: Block,
    context: Context,
    log: Path,
    start: Start = start_from_scratch,
    windows: Sequence[Mapping[str, Any]] = (),
) -> Iterator[Record]:
    """The block's Records as its child gives them, then a failed Record for each that it did not give.

    ``log`` receives what the child prints. It is kept, cut to its tail, only where something failed. ``windows``: what
    was observed of other arms so far.
    """
    missing = {request.key(block.repeat): request for request in block.requests}
    failed, unread = False, ""
    try:
        with _Child(block, context, log, start, windows) as child:
            for line in child.lines():
                try:
                    record = from_json(json.loads(line))
                except (ValueError, RecursionError, RecordError) as error:
                    unread = f"the child gave something that is no record of this program ({error})"
                    continue
                missing.pop(record.key, None)
                failed = failed or record.status == "failed"
                yield record
            why = unread or child.why_it_ended()
    except BaseException:  # the run ends: what the child printed is kept, but no log without a word
        with contextlib.suppress(OSError):
            if not log.stat().st_size:
                log.unlink()
        raise
    tail = _keep_tail(log, keep=failed or bool(missing))
    for request in missing.values():
        yield lost(request, block, context, why + (f"; it last printed: {tail}" if tail else ""))


def lost(request: Request, block: Block, context: Context, reason: str) -> Record:
    """The failed Record of what was not measured, and why."""
    place = block.options.get(BLOCK)
    return Record(
        run_id=context.run_id,
        instrument=request.instrument,
        case=request.case,
        repeat=block.repeat,
        status="failed",
        reason=reason,
        environment=context.environment,
        started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        argv=context.argv,
        setup={BLOCK: place} if place else {},
    )


def _keep_tail(log: Path, *, keep: bool) -> str:
    """Remove the log, or cut it to its tail; returns its last printed line."""
    if not keep:
        log.unlink(missing_ok=True)
        return ""
    try:
        content = logs.keep_tail(log)
    except OSError:
        return ""
    lines = [line for line in content.splitlines() if line.strip()]
    return lines[-1].strip()[:300] if lines else ""


class _Child:
    """One measuring process. Leaving the ``with`` block ends it, whatever happened."""

    def __init__(
        self, block: Block, context: Context, log: Path, start: Start, windows: Sequence[Mapping[str, Any]]
    ) -> None:
        self._limit = block.limit_s
        self._timed_out = False
        read_end, write_end = os.pipe()
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            task = context.task() | {"block": block.to_json(), "windows": list(windows)}
            self._process = start(task, write_end, log)
        except OSError as error:
            os.close(read_end)
            raise StorageError(
                f"cannot start a child with its log at {log}: {why(error)}; everything measured before is kept: "
                f"{remedy(error)}, then run again with --resume"
            ) from error
        except BaseException:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
        self._pipe = os.fdopen(read_end, "rb", buffering=0)

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # Without an error the child may be tearing down, and a clean end is quick.
        _stop(self._process, at_once=self._timed_out or kind is not None)
        self._pipe.close()

    def lines(self) -> Iterator[bytes]:
        """Whole lines until the child closes its pipe or its time is up. A line cut off by its end is dropped, and one
        that is longer than any Record loses its beginning. Time in which this process itself was stopped, as by ctrl-Z,
        is not the child's."""
        left, last = self._limit, time.monotonic()
        parts, size = list[bytes](), 0
        with selectors.DefaultSelector() as selector:
            selector.register(self._pipe, selectors.EVENT_READ)
            while left > 0:
                if selector.select(min(left, LOOK_S)):
                    chunk = os.read(self._pipe.fileno(), 1 << 20)
                    if not chunk:
                        return
                    first, *others = chunk.split(b"\n")
                    if size > LONGEST:
                        parts.clear()
                        size = 0
                    parts.append(first)
                    size += len(first)
                    if others:
                        yield b"".join(parts)
                        yield from others[:-1]
                        parts, size = [others[-1]], len(others[-1])
                now = time.monotonic()
                left, last = left - min(now - last, LOOK_S), now
        self._timed_out = True

    def why_it_ended(self) -> str:
        """One line on why Records are missing."""
        if self._timed_out:
            return f"timed out: the child was ended after its limit of {self._limit:.0f} s"
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(TERMINATE_GRACE_S)
        code = self._process.returncode
        if code is None:
            return "the child closed its pipe but did not end"
        if code < 0:
            hint = " (often: out of memory on the host)" if code == -signal.SIGKILL else ""
            return f"the child was killed by {signal.Signals(-code).name}{hint}"
        return f"the child ended with exit code {code} before measuring this"


def _stop(process: Process, *, at_once: bool) -> None:
    """Let the child end, then ask it to, then make it."""
    gentle: tuple[Callable[[], None], ...] = () if at_once else (lambda: None,)
    for end in (*gentle, process.terminate, process.kill):
        end()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(TERMINATE_GRACE_S)
            return


def describe_model(source: Any, log: Path, start: Start = start_from_scratch) -> dict[str, Any]:
    """The model's Linear shapes, found in a child so that the parent stays free of torch.

    Raises StorageError, MachineError or the child's own error in one line.
    """
    read_end, write_end = os.pipe()
    try:
        process = start({"describe": source}, write_end, log)
    except OSError as error:
        os.close(read_end)
        raise StorageError(f"cannot start a process with its log at {log}: {why(error)}; {remedy(error)}") from error
    finally:
        os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        in_time = bool(select.select([pipe], [], [], DESCRIBE_S)[0])
        answer = pipe.read() if in_time else b""
    _stop(process, at_once=not in_time)
    code = process.returncode
    tail = _keep_tail(log, keep=code != 0)
    if not in_time:
        raise MachineError(f"the model could not be described within {DESCRIBE_S:g} s: {tail or 'no message'}")
    if not answer:  # after one the child may take its time to end, or be ended
        raise MachineError(f"the model could not be described (child exit code {code}): {tail or 'no message'}")
    document = json.loads(answer)
    if "error" in document:
        raise BitledgerError(document["error"])
    return dict(document)


def records_done(records: Sequence[Record], *, retry_failed: bool) -> frozenset[tuple[str, str, int]]:
    """The keys of Records that a resumed run need not make again."""
    return frozenset(record.key for record in records if not (retry_failed and record.status == "failed"))

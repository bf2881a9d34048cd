"""What submitit runs on a node: one block, or the rest of one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from bench import hooks
from bench.cluster import folder as places
from bench.cluster.attempt import Means, OutOfTimeError, OvertakenError, measure_block
from bench.cluster.cluster import AGAIN
from bench.instruments import environment
from bench.record.schema import Environment
from bench.record.store import Writer
from bench.run.plan import Block
from bench.run.processes import ForkServer
from bench.verbs.progress import RunProgress, make_progress


@dataclass(frozen=True)
class OnNode:
    """One job. Called, it measures what is left of block ``number`` of the sweep in ``folder``."""

    folder: str
    number: int
    retry_failed: bool
    debug: bool

    def __call__(self) -> int:
        """How many Records failed. Ends the process with AGAIN where the job is to go on in another one."""
        folder = Path(self.folder)
        machine = environment.capture(Path.cwd())
        try:
            with _signals(folder), ForkServer(gpu=bool(machine.gpus)) as fork_server:
                made = means(folder, machine, fork_server, retry_failed=self.retry_failed, debug=self.debug)
                return measure_block(folder, self.number, made).get("failed", 0)
        except OvertakenError:
            print("another job measures this block now: ended here")
            return 0
        except OutOfTimeError:
            raise SystemExit(AGAIN) from None
        except KeyboardInterrupt:
            raise SystemExit(128 + signal.SIGTERM) from None


def means(folder: Path, machine: Environment, fork_server: ForkServer, *, retry_failed: bool, debug: bool) -> Means:
    """What an attempt works with, here and on a node."""
    sweep = places.read(folder)

    def progress(blocks: Sequence[Block], headline: str) -> RunProgress:
        return make_progress(blocks, headline, environment.unfit(machine, environment.state(folder)))

    def judge(writer: Writer) -> None:
        hooks.after_run(writer, machine, sweep.argv, sweep.workers)

    return Means(machine, fork_server.start, progress, judge, job_number(), retry_failed, debug)


def job_number() -> str:
    """Slurm's number of this job, such as "1234_7"; "" outside one."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    return f"{array}_{os.environ.get('SLURM_ARRAY_TASK_ID')}" if array else os.environ.get("SLURM_JOB_ID", "")


@contextmanager
def _signals(folder: Path) -> Iterator[None]:
    """SIGUSR2: the time is nearly up. SIGTERM: the node is wanted back, or the sweep was cancelled. Both end the
    measurement in order, once; submitit's own handlers come back afterwards."""
    ending = False

    def end(number: int, _: FrameType | None) -> None:
        nonlocal ending
        if ending:
            return
        ending = True
        print(f"{signal.Signals(number).name}: ending; what was measured is kept", flush=True)
        raise KeyboardInterrupt if (folder / places.CANCELLED).exists() else OutOfTimeError

    before = {number: signal.signal(number, end) for number in (signal.SIGUSR2, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

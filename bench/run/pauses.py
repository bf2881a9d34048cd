"""Notices that this process was told to go on: after ctrl-Z, kill -STOP, or a job that its cluster suspends.

Nothing else in a Record would show a pause: monotonic clocks go on meanwhile, and one step is merely long. A process
that was not stopped may get SIGCONT too (Slurm sends it before SIGTERM), so that a pause is possible and not sure.
"""

from __future__ import annotations

import signal
from types import FrameType

from bench.record.schema import Finding

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

"""Notices that this process was stopped and went on: ctrl-Z and fg, kill -STOP, a job that its cluster suspends.

Nothing else in a Record would show it: monotonic clocks go on meanwhile, and one step is merely long.
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
            "the measuring process was stopped and went on: its times may hold the pause",
            f"SIGCONT, {times} times" if times > 1 else "SIGCONT, once",
            "measure again without ctrl-Z, kill -STOP or a suspended job",
        ),
    )


def _note(_number: int, _frame: FrameType | None) -> None:
    global _seen
    _seen += 1

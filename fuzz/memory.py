"""How much memory one input takes: the resident peak for every input, Python's own allocations for a sample of them.

The kernel's peak of the resident set (VmHWM, reset through /proc/self/clear_refs) costs a tenth of a millisecond and
sees native code too: SQLite's, numpy's, NVIDIA's. It does not see memory that an earlier input had freed and the
allocator kept, so every ``TRACED``-th input runs under tracemalloc besides, which sees all of Python's and numpy's
allocations and none of the native ones.
"""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TRACED = 50
_PAGE = os.sysconf("SC_PAGE_SIZE")
_CLEAR, _STATM, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/statm"), Path("/proc/self/status")


@dataclass
class Peak:
    """``bytes``: the most that was in use above what was in use before."""

    bytes: int = 0


@contextmanager
def measured(traced: bool) -> Iterator[Peak]:
    """The peak of what happens inside; ``traced``: of Python's allocations too."""
    peak = Peak()
    if traced:
        tracemalloc.start()
    _CLEAR.write_text("5")
    before = int(_STATM.read_text().split()[1]) * _PAGE
    try:
        yield peak
    finally:
        peak.bytes = max(_highest() - before, 0)
        if traced:
            # tracemalloc's own tables are resident too, so that the resident peak says little here.
            peak.bytes = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()


def _highest() -> int:
    """VmHWM, in bytes."""
    status = _STATUS.read_bytes()
    start = status.index(b"VmHWM:") + 6
    return int(status[start : status.index(b"kB", start)]) * 1024

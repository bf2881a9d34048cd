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
from functools import cache

TRACED = 50
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Peak:
    """``bytes``: the most that was in use above what was in use before."""

    bytes: int = 0


@contextmanager
def measured(peak: Peak, traced: bool) -> Iterator[None]:
    """Note the peak of what happens inside; ``traced``: of Python's allocations and not of the resident set."""
    if traced:
        tracemalloc.start()
    os.write(_opened("clear_refs", os.O_WRONLY), b"5")
    before = int(os.pread(_opened("statm"), 200, 0).split()[1]) * _PAGE
    try:
        yield
    finally:
        peak.bytes = max(_highest() - before, 0)
        if traced:
            # tracemalloc's own tables are resident too, so that the resident peak says little here.
            peak.bytes = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()


def _highest() -> int:
    """VmHWM, in bytes."""
    status = os.pread(_opened("status"), 1 << 14, 0)
    start = status.index(b"VmHWM:") + 6
    return int(status[start : status.index(b"kB", start)]) * 1024


@cache
def _opened(name: str, how: int = os.O_RDONLY) -> int:
    """A file of this process in /proc, which is opened once because that takes longest."""
    return os.open(f"/proc/self/{name}", how)

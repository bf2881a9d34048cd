"""The memory that a process and all that it started hold together, looked at while they run.

Forked processes share most of their memory, so what is added up is each process's proportional share (PSS, proc(5)).
A look costs some milliseconds, so there is one a second.
"""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

PERIOD_S = 1.0


def peak_of(process: subprocess.Popen[bytes], period: float = PERIOD_S) -> int:
    """Wait for the process to end; the most bytes that it and its descendants held at one look. ``period``: s between
    two looks."""
    most = 0
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(period)
            return most
        most = max(most, held_by(process.pid))


def held_by(pid: int) -> int:
    """Bytes of the process and its descendants now."""
    return sum(map(_share, tree(pid)))


def tree(pid: int) -> set[int]:
    """The process and its descendants."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                after_name = (folder / "stat").read_text().rpartition(")")[2]
                children.setdefault(int(after_name.split()[1]), []).append(int(folder.name))
    found, left = set[int](), [pid]
    while left:
        one = left.pop()
        found.add(one)
        left += children.get(one, [])
    return found


def _share(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0

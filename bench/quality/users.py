"""Under which user a program runs: the kernel limits a user's threads all together, so no two programs share one."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import socket
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from bench.record.errors import MachineError

# So many that two evaluations that do not see each other (in containers with networks of their own) do not meet.
WIDE = range(1 << 30, 1 << 31)
# Where a container's user namespace has no such numbers. It has its own count of threads too, see COUNTED_APART.
NARROW = range(61_000, 64_000)
MOST_TRIES = 3000
# Since then the kernel counts a user's threads in each user namespace apart (ucounts).
COUNTED_APART = (5, 14)


@contextlib.contextmanager
def own_user(ids: range | None = None) -> Iterator[int]:
    """A user id that no other program of any evaluation on this machine has now; one of ``ids``, if given.

    Raises MachineError where all are taken.
    """
    ids = ids or usable()
    # No two evaluations try the same ones in the same order.
    start = secrets.randbelow(len(ids))
    with contextlib.ExitStack() as held:
        tried = (ids[(start + step) % len(ids)] for step in range(min(len(ids), MOST_TRIES)))
        number = next((number for number in tried if _marked(number, held)), None)
        if number is None:
            raise MachineError(f"other evaluations use all user ids from {ids[0]} to {ids[-1]}: wait for them")
        yield number


@cache
def usable(maps: Path = Path("/proc/self")) -> range:
    """The ids that this user namespace has for users and for groups."""
    return WIDE if all(_holds(maps / name, WIDE) for name in ("uid_map", "gid_map")) else NARROW


def _holds(file: Path, ids: range) -> bool:
    try:
        parts = [tuple(map(int, line.split())) for line in file.read_text().splitlines()]
    except (OSError, ValueError):
        return False
    return any(first <= ids[0] and ids[-1] < first + count for first, _, count in parts)


def _marked(number: int, held: contextlib.ExitStack) -> bool:
    """Whether the id is ours: whoever has the socket of that name has it, until its process ends at the latest."""
    mark = held.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    try:
        mark.bind(f"\0bitledger-user-{number}")
    except OSError as error:
        # Where there are no such sockets nobody can mark one.
        return error.errno != errno.EADDRINUSE
    return True


def threads_elsewhere(release: str | None = None, processes: Path = Path("/proc")) -> int:
    """How many threads of ours the kernel counts with those of a box that an ordinary user makes: none, or before
    ucounts all."""
    version = re.findall(r"\d+", os.uname().release if release is None else release)
    if tuple(map(int, version[:2])) >= COUNTED_APART:
        return 0
    return sum(_threads(status) for status in processes.glob("[0-9]*/status"))


def _threads(status: Path) -> int:
    try:
        text = status.read_text()
    except OSError:  # it has just ended
        return 0
    user, threads = re.search(r"^Uid:\s*(\d+)", text, re.M), re.search(r"^Threads:\s*(\d+)", text, re.M)
    return int(threads[1]) if user and threads and int(user[1]) == os.getuid() else 0

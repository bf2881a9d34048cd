"""Under which user a program runs: the kernel limits a user's threads all together, so no two programs share one."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import random
import re
import socket
from collections.abc import Iterator
from pathlib import Path

from bench.record.errors import MachineError

FIRST, LAST = 61_000, 63_999
# Since then the kernel counts a user's threads in each user namespace apart (ucounts).
COUNTED_APART = (5, 14)
_order = list(range(FIRST, LAST + 1))
# Two evaluations that begin at the same number would try the same ones for ever.
_start = random.randrange(len(_order))
_numbers = itertools.cycle(_order[_start:] + _order[:_start])


@contextlib.contextmanager
def own_user() -> Iterator[int]:
    """A user id that no other program of any evaluation on this machine has now."""
    with contextlib.ExitStack() as held:
        free = (number for number in itertools.islice(_numbers, len(_order)) if _marked(number, held))
        number = next(free, None)
        if number is None:
            raise MachineError(f"other evaluations use all user ids from {FIRST} to {LAST}: wait for them")
        yield number


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

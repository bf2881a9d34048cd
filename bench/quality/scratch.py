"""How many files a box holds: bubblewrap limits the bytes of a tmpfs, not its files, and each takes 1 KB of memory."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator, Mapping

# How often it is looked at, s: in that time a program makes some thousands.
EVERY = 0.03


class Watch:
    """Counts the files of a box from outside. ``info``: the pipe in which bubblewrap says the box's first process;
    ``sizes``: place in the box → B of the tmpfs that is mounted there, which tells it from the host's own folder."""

    def __init__(self, info: int, most: int, sizes: Mapping[str, int]) -> None:
        self._info, self._most, self._sizes = info, most, sizes
        self._told = b""
        self._next = time.monotonic() + EVERY

    def is_over(self) -> bool:
        """Whether there are more files than allowed; looks only now and then."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + EVERY
        return (self.count() or 0) > self._most

    def count(self) -> int | None:
        """Files, folders and links; None before the box is made, after its end, and where it cannot be seen."""
        root = self._root()
        if root is None:
            return None
        try:
            found = {place: os.statvfs(f"{root}{place}") for place in self._sizes}
        except OSError:
            return None
        if any(one.f_blocks * one.f_frsize != self._sizes[place] for place, one in found.items()):
            return None
        return sum(one.f_files - one.f_ffree for one in found.values())

    def _root(self) -> str | None:
        with contextlib.suppress(BlockingIOError):
            self._told += os.read(self._info, 4096)
        match = re.search(rb'"child-pid": (\d+)[^\d]', self._told)
        return f"/proc/{int(match[1])}/root" if match else None


@contextlib.contextmanager
def info() -> Iterator[tuple[int, int]]:
    """A pipe for bubblewrap's ``--info-fd``: (to read without waiting, to write)."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    try:
        yield reader, writer
    finally:
        os.close(reader)
        os.close(writer)

"""How many files a box holds: bubblewrap limits the bytes of a tmpfs, not its files, and each takes 1 KB of memory."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

# How often it is looked at, s: in that time a program makes some thousands.
EVERY = 0.03


class Watch:
    """Counts the files of a box from outside. ``first``: the number of its first process, None where there is none;
    ``sizes``: place in the box → B of the tmpfs that is mounted there, which tells it from the host's own folder."""

    def __init__(self, first: int | None, most: int, sizes: Mapping[str, int]) -> None:
        self._first, self._most, self._sizes = first, most, sizes
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
        if self._first is None:
            return None
        try:
            found = {place: os.statvfs(f"/proc/{self._first}/root{place}") for place in self._sizes}
        except OSError:
            return None
        if any(one.f_blocks * one.f_frsize != self._sizes[place] for place, one in found.items()):
            return None
        return sum(one.f_files - one.f_ffree for one in found.values())

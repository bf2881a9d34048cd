"""What this process has read before, by the file's content: a notebook asks of one run again and again.

What was read is frozen, so that it can be handed out again; a file that was changed has another digest, and is read
anew. Large files are not kept, for their Records may fill the memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

Made = TypeVar("Made")
# The size of a gzipped file says little of what is in it: runs that are kept in a repository have 1 to 2 MB.
_MOST_BYTES = 32 << 20
_MOST_PACKED = 4 << 20
_State = tuple[str, int, int, str]


class ReadBefore(Generic[Made]):
    """The last ``most`` files that were read."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._made: dict[_State, Made] = {}

    def get(self, file: Path, read: Callable[[], Made]) -> Made:
        """What ``read`` gives of the file, or gave of the same bytes. Raises as ``read`` does."""
        state = _state(file)
        if state is None:
            return read()
        found = self._made.pop(state, None)
        made = read() if found is None else found
        # Not of a file that was written to meanwhile.
        if found is not None or _state(file) == state:
            self._made[state] = made
        while len(self._made) > self._most:
            del self._made[next(iter(self._made))]
        return made


def _state(file: Path) -> _State | None:
    """Its name as it is told in messages, size, time and digest; None for a file that is large or cannot be read."""
    try:
        facts = file.stat()
        if not file.is_file() or facts.st_size > (_MOST_PACKED if file.suffix == ".gz" else _MOST_BYTES):
            return None
        return str(file), facts.st_size, facts.st_mtime_ns, hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return None

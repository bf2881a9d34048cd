"""The first process in a box, which bubblewrap starts: how it is known outside, limited and ended."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import select
import signal

# bubblewrap takes milliseconds to say it, if nobody stops it.
MOST_SECONDS = 10.0


class First:
    """``pid`` is its number outside, None where bubblewrap ended before it made one.

    bubblewrap lets it outlive its own death while the box is being made, and only its death ends all that is in the
    box. So it is known before anything runs, and ended by what cannot mean another process: a handle.
    """

    def __init__(self, info: int, memory: int | None) -> None:
        """``info``: what bubblewrap's --info-fd writes to; waits for it. ``memory``: B that it may have, because a
        program of the same user can write to it, and have it do what has limits there; None: it is another user's."""
        self.pid = _pid(info)
        self._handle: int | None = None
        if self.pid is None:
            return
        with contextlib.suppress(OSError):  # before Linux 5.3
            self._handle = os.pidfd_open(self.pid)
        with contextlib.suppress(OSError):  # it has just ended
            if memory is not None:
                resource.prlimit(self.pid, resource.RLIMIT_AS, (memory, memory))

    def close(self) -> None:
        """Let go of its handle."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def kill(self) -> None:
        """End it, and with it all that is in the box."""
        with contextlib.suppress(OSError):
            if self._handle is not None:
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)
            elif self.pid is not None:
                os.kill(self.pid, signal.SIGKILL)


def _pid(info: int) -> int | None:
    text = b""
    while select.select([info], [], [], MOST_SECONDS)[0] and (part := os.read(info, 4096)):
        text += part
        match = re.search(rb'"child-pid": (\d+)[^\d]', text)
        if match:
            return int(match[1])
    return None

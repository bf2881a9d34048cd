"""The kernel's keyrings: what is started from here must not find those of whoever started the judge.

A session keyring is handed on to every process, through namespaces too: tokens of file systems and of logins lie there.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import threading
from collections.abc import Mapping

# keyctl(2) and its operation that gives the calling thread a new, empty session keyring.
_KEYCTL: Mapping[str, int] = {"x86_64": 250, "aarch64": 219}
_JOIN_SESSION_KEYRING = 1
# No such call in this kernel, or refused to this process and so, because filters are handed on, to all that it starts.
_NONE = (errno.ENOSYS, errno.EPERM, errno.EACCES)
_of_thread = threading.local()


def leave() -> str:
    """Leave the session keyring, for this thread and what it starts. Returns why that is not possible, or "".

    The kernel keeps a session keyring for each thread, so others of this process keep theirs.
    """
    if getattr(_of_thread, "left", False):
        return ""
    why = _join()
    _of_thread.left = not why
    return why


def _join() -> str:
    number = _KEYCTL.get(platform.machine())
    if number is None:
        return f"the number of keyctl on {platform.machine()} is not known here"
    if ctypes.CDLL(None, use_errno=True).syscall(number, _JOIN_SESSION_KEYRING, None) >= 0:
        return ""
    error = ctypes.get_errno()
    return "" if error in _NONE else f"keyctl: {errno.errorcode.get(error, error)}"

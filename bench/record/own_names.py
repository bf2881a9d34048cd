"""What this machine, its user and their folders are called, as far as this process knows."""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import socket
from pathlib import Path

_HOME = re.compile(rb"/(?:home|Users)/([A-Za-z0-9][A-Za-z0-9._-]+)")


def own_roots() -> tuple[Path, ...]:
    """The folders of the user and of this process."""
    return (Path.home(), Path.cwd())


def users_in(content: bytes) -> set[str]:
    """Whose home folders are named."""
    return {name.decode() for name in _HOME.findall(content)}


def own_hosts() -> set[str]:
    """What this machine is called."""
    name = socket.gethostname()
    return {name, name.split(".")[0]}


def own_users() -> set[str]:
    """Who runs this process, as far as it is known."""
    named = {os.environ.get(name, "") for name in ("USER", "LOGNAME", "SUDO_USER", "USERNAME")}
    with contextlib.suppress(OSError, KeyError):  # a user id that has no name
        named.add(getpass.getuser())
    home = Path("~").expanduser()
    return {name for name in (*named, home.name if len(home.parts) > 2 else "") if name}

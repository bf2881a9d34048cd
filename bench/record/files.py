"""Files replaced as a whole: a reader sees the old content or the new one, whatever stops meanwhile.

What is written stands beside the file until it is complete. So no writer can damage what it reads, whichever name
(a link, another path) it was given for it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO


@contextlib.contextmanager
def replacing(file: Path, *, durable: bool = False) -> Iterator[IO[bytes]]:
    """A stream whose content takes the place of ``file`` at the end of the block; an error leaves ``file`` as it was.

    ``durable``: also when the machine stops in the next moment. A terminal or a pipe is written to as it is. Raises
    OSError where the file cannot be written.
    """
    if file.exists() and not file.is_file() and not file.is_dir():
        with file.open("wb") as stream:
            yield stream
        return
    new = file.with_name(f".{file.name[:60]}.{os.getpid()}.new")
    mode = _mode(file)
    new.unlink(missing_ok=True)
    try:
        with new.open("xb") as stream:
            if mode is not None:
                os.fchmod(stream.fileno(), mode)
            yield stream
            stream.flush()
            if durable:
                os.fsync(stream.fileno())
        new.replace(file)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(file.parent)


def _mode(file: Path) -> int | None:
    """The permissions of the file that is there, which stay; None where there is none."""
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
    except FileNotFoundError:
        return None
    if not os.access(file, os.W_OK):  # renaming asks the folder alone, and would take a protected file's place
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file))
    return mode


def replace_bytes(file: Path, content: bytes) -> None:
    """Write ``content`` in the place of what the file held. Raises OSError where it cannot be written."""
    with replacing(file) as stream:
        stream.write(content)


def replace_text(file: Path, text: str | Iterable[str]) -> None:
    """Write ``text``, or its pieces, in the place of what the file held, to last. Raises OSError where it cannot be
    written."""
    with replacing(file, durable=True) as stream:
        for piece in (text,) if isinstance(text, str) else text:
            stream.write(piece.encode())


def sync_folder(folder: Path) -> None:
    """Make the names of new files last: syncing a file alone does not. Some file systems cannot, and need not."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)

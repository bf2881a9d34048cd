"""What measuring processes and profilers print: a log each, in the run folder, kept masked and cut to its tail.

A process writes its log as its libraries print, secrets included; whoever waits for the process masks the log when it
has ended. Where that one was killed, the next that opens the folder does it. Every text is masked before it is cut,
because half a secret is not recognised any more.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from .anonymous import of_folder
from .files import replace_bytes
from .secrets import mask_text

TAIL_BYTES = 64 << 10
# Linux passes on no longer variable (execve(2), MAX_ARG_STRLEN), so that no secret of the environment is longer.
LONGEST_SECRET = 128 << 10
_NAMES = "artifacts/child-*.log"


def child_log(folder: Path, process: int, number: int) -> Path:
    """Of the block ``number`` that ``process`` has measured."""
    return folder / _NAMES.replace("*", f"{process}-{number:04d}")


def keep_tail(log: Path) -> str:
    """Mask the log and cut it to its tail; returns what is kept. Raises OSError where it cannot be read or written."""
    kept = masked_tail(log)
    names = next((found for folder in log.parents[:3] if (found := of_folder(folder))), None)
    kept = names.text(kept) if names else kept
    replace_bytes(log, kept.encode())
    return kept


def masked_tail(log: Path, begin: int = 0, most: int | None = None) -> str:
    """At most the last ``most`` bytes (None: TAIL_BYTES) of what was printed from byte ``begin`` on, without secrets.

    Raises OSError where the log cannot be read.
    """
    most = TAIL_BYTES if most is None else most
    with log.open("rb") as stream:
        # So much more that a secret which the cut goes through is read from its beginning.
        stream.seek(max(begin, stream.seek(0, os.SEEK_END) - most - LONGEST_SECRET))
        content = stream.read()
    cut = _letter(content, max(0, len(content) - most))
    kept = mask_text(os.fsdecode(content), begin=len(os.fsdecode(content[:cut])))
    return os.fsencode(kept)[-most:].decode(errors="replace")


def _letter(content: bytes, at: int) -> int:
    """Where the letter begins that the byte ``at`` is part of: in UTF-8 all but the first have the form 10xxxxxx."""
    while at and at < len(content) and content[at] & 0xC0 == 0x80:
        at -= 1
    return at


def mask_leftover(folder: Path) -> None:
    """Mask the logs that a killed run left. Only for who holds the folder's lock: nobody else then writes to one."""
    for log in folder.glob(_NAMES):
        if log.is_file() and not log.is_symlink():
            with contextlib.suppress(OSError):
                keep_tail(log)

"""What measuring processes print: a log each, in the run folder, kept masked and cut to its tail.

A process writes its log as its libraries print, secrets included; whoever waits for the process masks the log when it
has ended. Where that one was killed, the next that opens the folder does it.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from .secrets import mask_text

TAIL_BYTES = 64 << 10
LONGEST_SECRET = 4 << 10
_NAMES = "artifacts/child-*.log"


def child_log(folder: Path, process: int, number: int) -> Path:
    """Of the block ``number`` that ``process`` has measured."""
    return folder / _NAMES.replace("*", f"{process}-{number:04d}")


def keep_tail(log: Path) -> str:
    """Mask the log and cut it to its tail; returns what is kept. Raises OSError where it cannot be read or written."""
    # A little more than is kept, so that a secret which the cut would go through is masked first.
    end = log.read_bytes()[-(TAIL_BYTES + LONGEST_SECRET) :]
    kept = mask_text(end.decode(errors="replace")).encode()[-TAIL_BYTES:]
    log.write_bytes(kept)
    return kept.decode(errors="replace")


def mask_leftover(folder: Path) -> None:
    """Mask the logs that a killed run left. Only for who holds the folder's lock: nobody else then writes to one."""
    for log in folder.glob(_NAMES):
        if log.is_file() and not log.is_symlink():
            with contextlib.suppress(OSError):
                keep_tail(log)

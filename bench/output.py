"""Standard output and error that no terminal can break, and how a program ends: an exit code, one line at most.

A program that measures for hours must not end by a print.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable

from bench.record.errors import BitledgerError, one_line
from bench.record.secrets import mask_text


def accept_any_terminal() -> None:
    """Where the terminal knows only ASCII or Latin-1, "×" becomes "?" instead of an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def ended(call: Callable[[], int], *, debug: bool, interrupted: str = "interrupted") -> int:
    """The exit code of ``call``, or that of what ended it, which is told in one line. With ``debug`` it is raised."""
    try:
        code = call()
        sys.stdout.flush()
        return code
    except KeyboardInterrupt as stop:
        _tell(interrupted)
        return int(stop.args[0]) if stop.args else 130
    except BrokenPipeError:
        # The reader of a pipe (head, less) has what it wanted; do not let the interpreter complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (BitledgerError, OSError, MemoryError) as error:
        if debug:
            raise
        _tell(_one_line(error))
        return 2


def _one_line(error: Exception) -> str:
    if isinstance(error, BitledgerError):
        return str(error)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return one_line(mask_text(f"{where}{error.strerror or error}: see to that and try again"))
    return "not enough memory on this machine: close other programs, or give less to read"


def _tell(text: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone
        print(f"bitledger: {text}", file=sys.stderr)

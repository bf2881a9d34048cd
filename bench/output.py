"""Standard output and error that no terminal can break: a program that measures for hours must not end by a print."""

from __future__ import annotations

import io
import sys


def accept_any_terminal() -> None:
    """Where the terminal knows only ASCII or Latin-1, "×" becomes "?" instead of an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")

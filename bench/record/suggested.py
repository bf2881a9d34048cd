"""The commands that messages, pages and help suggest, as the user would type them.

Who called ``bitledger`` is told ``bitledger run …``, everybody else ``python -m bench run …``: both are always there
where the first is installed, and only the second from a checkout. What a Record keeps of a command (``argv``) is not
made here and always says ``python -m bench``.
"""

from __future__ import annotations

import shlex
from pathlib import Path

FACE = "bitledger"
MODULE = "python -m bench"

_called = MODULE


def called_as(program: str) -> None:
    """Remember what the user called: "bitledger", or anything else for the packages by their names."""
    global _called
    _called = FACE if program == FACE else MODULE


def start() -> tuple[str, ...]:
    """The words that every suggested command begins with."""
    return tuple(_called.split())


def command(words: str, *more: str | Path) -> str:
    """The command of these words; ``more`` are arguments as they are, and quoted for a shell."""
    return " ".join((_called, words, *(shlex.quote(str(word)) for word in more)))


def quoted(words: str, *more: str | Path) -> str:
    """The same inside quotation marks, for the middle of a sentence."""
    return f"'{command(words, *more)}'"

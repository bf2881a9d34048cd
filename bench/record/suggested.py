"""The commands that messages, pages and help suggest, as the user would type them.

Who called ``bitledger`` is told ``bitledger run …``, everybody else ``python -m bench run …``: both are always there
where the first is installed, and only the second from a checkout. What a Record keeps of a command (``argv``) is not
made here and always says ``python -m bench``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

FACE = "bitledger"
MODULE = "python -m bench"
# How the command lines begin that are kept with Records.
RECORDED = ("python", "-m", "bench")

_called = MODULE


@contextmanager
def called_as(program: str) -> Iterator[None]:
    """Meanwhile the user has called ``program``: "bitledger", or anything else for the packages by their names."""
    global _called
    before, _called = _called, FACE if program == FACE else MODULE
    try:
        yield
    finally:
        _called = before


def start() -> tuple[str, ...]:
    """The words that every suggested command begins with."""
    return tuple(_called.split())


def again(argv: Sequence[str]) -> tuple[str, ...]:
    """A recorded command line as the user would type it now; that of another program stays as it is."""
    rooms = (RECORDED, (*RECORDED[:-1], "profiling")) if _called == FACE else (RECORDED,)
    return (*start(), *argv[len(RECORDED) :]) if tuple(argv[: len(RECORDED)]) in rooms else tuple(argv)


def command(words: str, *more: str | Path) -> str:
    """The command of these words; ``more`` are arguments as they are, and quoted for a shell."""
    return " ".join((_called, words, *(shlex.quote(str(word)) for word in more)))


def quoted(words: str, *more: str | Path) -> str:
    """The same inside quotation marks, for the middle of a sentence."""
    return f"'{command(words, *more)}'"


_WORD = re.compile(r"""(?:[^\s'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+|\S""")


def broken(text: str, width: int) -> str:
    """The command in lines of at most ``width``, which a shell reads as one; a word that is longer stays whole."""
    if len(text) <= width:
        return text
    indent = text[: len(text) - len(text.lstrip())]
    first, *words = _WORD.findall(text)
    lines = [indent + first]
    for word in words:
        if len(f"{lines[-1]} {word} \\") > width:
            lines.append(f"{indent}  {word}")
        else:
            lines[-1] += f" {word}"
    return " \\\n".join(lines)

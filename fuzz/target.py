"""The property, shared by both engines and the tests: what may happen when a reader is given any bytes.

- it gives a result, and the result can be printed as strict JSON, or
- it raises a BitledgerError of one printable line that names the file, and
- it takes at most ``SECONDS`` of processor time, and at most ``TIMES`` × the input's size + ``FLOOR`` bytes.
"""

from __future__ import annotations

import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from types import FrameType

from bench.record.errors import BitledgerError

from .kinds import Reader
from .memory import measured
from .messages import class_of

SECONDS = 2.0
TIMES = 10
# What a reader holds whatever the input: blocks of 1 MiB of text (Kineto) with the events decoded from them, 131,072
# rows at a time (SQLite, 10 MiB), SQLite's page cache (2 MiB), zlib's window, and regular expressions compiled once.
FLOOR = 64 << 20
LONGEST_MESSAGE = 1000


class TooSlow(BaseException):
    """Raised inside a reader that takes too long; no ``except Exception`` stops it."""


@dataclass(frozen=True)
class Outcome:
    """``kind``: "accepted", a class of refusals, or what was violated (then ``fault`` tells more)."""

    kind: str
    seconds: float
    peak: int
    fault: str = ""


@dataclass(frozen=True)
class Target:
    """One reader and the file through which it is given its inputs."""

    reader: Reader
    file: Path

    def run(self, data: bytes, traced: bool = False) -> Outcome:
        """Give the reader one input and judge what happens."""
        self.file.write_bytes(data)
        started = process_time()
        with measured(traced) as peak:
            kind, fault = self._read()
        seconds = process_time() - started
        allowed = FLOOR + TIMES * self.reader.size(data)
        if not fault and peak.bytes > allowed:
            fault = f"{peak.bytes:,} bytes of memory for an input of {len(data):,} bytes"
        return Outcome(kind, seconds, peak.bytes, fault)

    def _read(self) -> tuple[str, str]:
        """(kind, fault) of one reading."""
        try:
            with _limited():
                self.reader.read(self.file)
        except BitledgerError as error:
            return class_of(error, self.file), self._wrong_message(str(error))
        except TooSlow:
            return "too slow", f"more than {SECONDS:g} s of processor time: {_where()}"
        except Exception as error:
            return f"escaped: {type(error).__name__}", traceback.format_exc(limit=-6)
        return "accepted", ""

    def _wrong_message(self, message: str) -> str:
        if str(self.file) not in message:
            return f"the message does not name the file: {message!r}"
        if not message.isprintable():
            return f"the message is not one printable line: {message!r}"
        if len(message) > LONGEST_MESSAGE:
            return f"the message has {len(message)} characters: {message[:200]!r}"
        return ""


def _where() -> str:
    return traceback.format_exc(limit=-6)


@contextmanager
def _limited() -> Iterator[None]:
    """Raise TooSlow after SECONDS of processor time: a busy machine makes no input slow."""
    signal.signal(signal.SIGPROF, _stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise TooSlow

"""The property, shared by both engines and the tests: what may happen when a reader is given any bytes.

- it gives a result, and the result can be printed as strict JSON, or
- it raises a BitledgerError of one printable line that names the file, and
- it takes at most ``SECONDS`` of processor time (and ``SECONDS_PER_MIB`` of input), and reading takes at most
  ``TIMES`` × the input's size + ``FLOOR`` bytes of memory.
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
from .memory import Peak, measured
from .messages import class_of

SECONDS, SECONDS_PER_MIB = 2.0, 2.0
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
    """One reader, the file through which it is given its inputs, and how long it may take (s) besides the input's
    size."""

    reader: Reader
    file: Path
    seconds: float = SECONDS

    def run(self, data: bytes, traced: bool = False) -> Outcome:
        """Give the reader one input and judge what happens."""
        self.file.write_bytes(data)
        started = process_time()
        size = self.reader.size(data)
        peak = Peak()
        kind, fault = self._read(size, peak, traced)
        seconds = process_time() - started
        if not fault and peak.bytes > FLOOR + TIMES * size:
            fault = f"{peak.bytes:,} bytes of memory for an input of {len(data):,} bytes"
        return Outcome(kind, seconds, peak.bytes, fault)

    def _read(self, size: int, peak: Peak, traced: bool) -> tuple[str, str]:
        """(kind, fault) of one reading, and the memory that it takes into ``peak``."""
        try:
            # tracemalloc takes several times as long, which is no fault of the reader's.
            with _limited((self.seconds + SECONDS_PER_MIB * size / 2**20) * (8 if traced else 1)):
                with measured(peak, traced):
                    result = self.reader.read(self.file)
                self.reader.use(result)
        except BitledgerError as error:
            return class_of(error, self.file), self._wrong_message(str(error))
        except TooSlow:
            return "too slow", f"too much processor time: {_where()}"
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
def _limited(seconds: float) -> Iterator[None]:
    """Raise TooSlow after so much processor time: a busy machine makes no input slow."""
    signal.signal(signal.SIGPROF, _stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise TooSlow

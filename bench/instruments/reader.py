"""Reads RAPL every few seconds while the work runs, so that no wrap passes unseen; the readings are kept as proof."""

from __future__ import annotations

import threading
from types import TracebackType

from bench.record.errors import MachineError

from .counters import RaplCounter


class Reader:
    """Reads ``counter`` every ``counter.period`` seconds from entry to exit of a ``with`` block."""

    def __init__(self, counter: RaplCounter) -> None:
        self._counter, self._stop = counter, threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"bitledger-rapl-{counter.name}", daemon=True)

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def period(self) -> float:
        """Seconds between two readings."""
        return self._counter.period

    def read(self) -> bool:
        """Take one reading; False where the counter is lost: it keeps the reason, and whoever reads it next is told."""
        try:
            self._counter.note()
        except MachineError:
            return False
        except Exception as error:  # the windows must not go on as if somebody were reading
            self._counter.distrust(f"the thread that reads it died ({type(error).__name__}: {error})")
            return False
        return True

    def _run(self) -> None:
        while self.read() and not self._stop.wait(self.period):
            pass

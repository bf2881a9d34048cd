"""Reads RAPL every few seconds while the work runs, so that no wrap passes unseen; the readings are kept as proof."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType

from bench.record.errors import MachineError

from .counters import EnergyCounter, RaplCounter


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

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._counter.note()
            except MachineError:
                return  # the counter keeps the reason: whoever reads it next is told
            except Exception as error:  # the windows must not go on as if somebody were reading
                self._counter.distrust(f"the thread that reads it died ({type(error).__name__}: {error})")
                return
            self._stop.wait(self._counter.period)


def readers(counters: Sequence[EnergyCounter]) -> ExitStack:
    """A ``with`` block in which every RAPL counter of ``counters`` is read often enough."""
    stack = ExitStack()
    for counter in counters:
        if isinstance(counter, RaplCounter):
            stack.enter_context(Reader(counter))
    return stack

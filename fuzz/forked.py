"""Calls a function in a forked process: what ends the process, or takes too much of it, ends only that one.

The same as what profiling/readers/ncu_report_file.py does with a fresh process for each file; here a process serves
until it breaks down, because forking takes longer than most calls.
"""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import signal
from collections.abc import Callable, Iterable
from typing import Any

from .target import SECONDS, TooSlow

Make = Callable[[str], Iterable[Any]]


class Forked:
    """A process that calls ``make`` with whatever it is asked."""

    def __init__(self, make: Make) -> None:
        self._make, self._process = make, 0

    def rows(self, asked: str) -> list[Any]:
        """What ``make`` gives. Raises ValueError where it raises or its process breaks down, TooSlow after SECONDS."""
        if not self._process:
            self._start()
        os.write(self._to, asked.encode() + b"\n")
        line = self._from.readline()
        if not line:
            self._ended()
        answer = json.loads(line)
        if answer is None:
            raise ValueError("the library refuses it")
        return list(answer)

    def _start(self) -> None:
        (asks, self._to), (told, answers) = os.pipe(), os.pipe()
        self._process = os.fork()
        if not self._process:
            os.close(self._to)
            os.close(told)
            _serve(self._make, asks, answers)
        os.close(asks)
        os.close(answers)
        self._from = os.fdopen(told, "rb")

    def _ended(self) -> None:
        status = os.waitpid(self._process, 0)[1]
        self._process = 0
        os.close(self._to)
        self._from.close()
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF:
            raise TooSlow
        raise ValueError("NVIDIA's library broke down on it")


def _serve(make: Make, asks: int, answers: int) -> None:
    """Answer until nobody asks."""
    faulthandler.disable()
    for number in (signal.SIGABRT, signal.SIGSEGV, signal.SIGPROF):
        signal.signal(number, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with os.fdopen(asks, "rb") as asked, os.fdopen(answers, "wb") as out:
        for line in iter(asked.readline, b""):
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            try:
                answer = list(make(line.decode().rstrip("\n")))
            except Exception:
                answer = None
            signal.setitimer(signal.ITIMER_PROF, 0)
            out.write(json.dumps(answer).encode() + b"\n")
            out.flush()
    os._exit(0)

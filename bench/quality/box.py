"""One program in its box: what it is asked, and what comes out."""

from __future__ import annotations

import contextlib
import marshal
import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bench.record.errors import MeasurementError

from . import scratch
from .answer_lines import AnswerLines, Caps

End = Literal["done", "time", "output", "long", "files", "memory"]
# What is to leave the box of an answer: itself, whether there is one, or what it is made of (inside.py).
Asked = Literal["answer", "whether", "items"]
_MIB = 1 << 20
# What inside.py says before the program can say anything.
BEGUN = b"begun\n"
# Of wall time, until it says so.
START_SECONDS = 60.0
# Of wall time, until a process whose output ended has ended, too; how one ends that the kernel killed, by bubblewrap's
# word or by itself.
END_SECONDS = 1.0
_KILLED = (128 + signal.SIGKILL, -signal.SIGKILL)
_COUNTS = Path("/proc/vmstat")


@dataclass(frozen=True)
class ProgramOutcome:
    """What came out, a line each, and how it ended: by itself, over time, over the limit of output, of an answer's
    length or of files, or killed as the machine's memory was used up."""

    lines: list[bytes]
    end: End


class NotBegunError(MeasurementError):
    """The box ended, or took all the time, before the program was begun: nothing is known of it."""


class Box:
    """One program in its box, to be asked for the answers of one set of inputs after another."""

    def __init__(
        self, process: subprocess.Popen[bytes], output: int, before: bytes, watch: scratch.Watch | None = None
    ) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._process, self._kills = process, kills_for_memory()
        self._into, self._out = process.stdin.fileno(), process.stdout.fileno()
        self._left, self._before, self._begun, self.watch = output, before, False, watch
        os.set_blocking(self._into, False)

    def ask(
        self,
        inputs: Sequence[Any],
        limits: Sequence[float],
        load: float,
        most: float,
        longest: Sequence[int | None] | None = None,
    ) -> ProgramOutcome:
        """The lines of inside.py for these inputs; ``limits``: seconds of each call, ``load``: of loading the program,
        ``most``: of wall time in all; ``longest``: B that each answer's line may have (None: any).

        Raises NotBegunError.
        """
        if not self._begun:
            self._begin()
        # Version 2 keeps no references: no two inputs share a list that a program may change.
        job = marshal.dumps({"inputs": list(inputs), "seconds": list(limits), "load_seconds": load}, 2)
        lines = AnswerLines(Caps(longest or [None] * len(inputs), self._left))
        end = self._converse(job, most, lines.add)
        if end == "done" and not lines.over and self._is_out_of_memory():
            end = "memory"
        return ProgramOutcome(lines.lines, lines.over or end)

    def _is_out_of_memory(self) -> bool:
        """Whether the kernel, and not the program itself, ended it: it counts whom it kills for memory."""
        if kills_for_memory() == self._kills:
            return False
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(END_SECONDS) in _KILLED
        return False

    def _begin(self) -> None:
        """Wait until the box stands: a machine that is slow or lacks something then is no fault of the program's."""
        heard = bytearray()

        def add(part: bytes) -> bool:
            heard.extend(part)
            return len(heard) < len(BEGUN)

        end = self._converse(self._before, START_SECONDS, add)
        if heard != BEGUN:
            took = f"took more than {START_SECONDS:.0f} s to begin" if end == "time" else "ended before it began"
            raise NotBegunError(f"a box of the sandbox {took}")
        self._begun = True

    def _converse(self, text: bytes, most: float, heard: Callable[[bytes], bool]) -> End:
        """Write the text, and read as long as ``heard`` asks for more; ``most``: seconds."""
        rest, until = memoryview(text), time.monotonic() + most
        with selectors.DefaultSelector() as ready:
            ready.register(self._into, selectors.EVENT_WRITE)
            ready.register(self._out, selectors.EVENT_READ)
            while (left := until - time.monotonic()) > 0:
                for key, _ in ready.select(min(left, scratch.EVERY) if self.watch else left):
                    if key.fd == self._into:
                        rest = _written(self._into, rest)
                        if not rest:
                            ready.unregister(self._into)
                    elif not self._heard(heard):
                        return "done"
                if self.watch and self.watch.is_over():
                    return "files"
        return "time"

    def _heard(self, heard: Callable[[bytes], bool]) -> bool:
        """Whether there may be more to hear."""
        part = os.read(self._out, _MIB)
        self._left -= len(part)
        return heard(part) and bool(part)


def kills_for_memory() -> int:
    """How many processes the kernel has killed because a machine or a container had no memory left; 0 where it does not
    say."""
    with contextlib.suppress(OSError):
        found = re.search(r"^oom_kill (\d+)$", _COUNTS.read_text(), re.MULTILINE)
        return int(found[1]) if found else 0
    return 0


def _written(pipe: int, rest: memoryview) -> memoryview:
    """What is left to be written; nothing where the reader is gone."""
    try:
        return rest[os.write(pipe, rest[:_MIB]) :]
    except BlockingIOError:
        return rest
    except BrokenPipeError:
        return memoryview(b"")

"""A process of its own, with limits, that reads what judged programs answered: its death costs one program.

In, a length of 8 bytes and the marshalled question; out, one byte. The questions are the judge's own, and the answer in
them is a text of bytes that compare.py reads.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from .box import kills_for_memory

if TYPE_CHECKING:
    from .tasks import Rule

# Of CPU time for one answer: the largest right answers of HumanEval+ take one or two.
SECONDS = 20.0
# However loaded the machine is, or stopped the process.
MOST_SECONDS = 120.0
MEMORY = 4 << 30
_ROOT = Path(__file__).parents[2]
_SIZE = 8
_YES, _NO = b"y", b"n"


class Limited:
    """Compares answers in a child, which starts with the first question and anew after its death. One at a time."""

    command: Sequence[str] = (sys.executable, "-m", __name__)

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False
        self._lock = threading.Lock()

    def is_right(self, rule: Rule, given: Sequence[Any], answer: bytes, right: bytes, atol: float) -> bool:
        """As compare.is_right; no where that takes too much."""
        question, kills = marshal.dumps((rule, list(given), answer, right, atol), 2), kills_for_memory()
        said = self._told(question)
        if said not in (_YES, _NO) and kills_for_memory() != kills:
            said = self._told(question)  # the machine had no memory left, which need not be the answer's fault
        return said == _YES

    def _told(self, question: bytes) -> bytes:
        process = self._started()
        if process is None:
            return _NO
        assert process.stdin is not None and process.stdout is not None
        answer, too_long = b"", threading.Timer(MOST_SECONDS, process.kill)
        too_long.start()
        # ValueError: close has closed the pipes.
        with contextlib.suppress(OSError, ValueError):
            process.stdin.write(len(question).to_bytes(_SIZE, "little") + question)
            process.stdin.flush()
            answer = process.stdout.read(1)
        too_long.cancel()
        if answer not in (_YES, _NO):
            self._end()
        return answer

    def close(self) -> None:
        """End the child for good, also while it compares for another thread."""
        with self._lock:
            self._closed = True
        self._end()

    def _started(self) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if self._process is None and not self._closed:
                self._process = subprocess.Popen(
                    self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                    cwd=_ROOT, env=_environment(), start_new_session=True,
                )  # fmt: skip
            return self._process

    def _end(self) -> None:
        with self._lock:
            process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]


def _environment() -> dict[str, str]:
    """The same packages, and no secret of the user's. Without PYTHONHASHSEED nobody knows how a text hashes."""
    path = os.pathsep.join(place for place in sys.path if place)
    return {"PATH": os.defpath, "PYTHONPATH": path, "PYTHONUTF8": "1", "OPENBLAS_NUM_THREADS": "1"}


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the questions end."""
    from .compare import is_right

    while size := questions.read(_SIZE):
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        question = marshal.loads(questions.read(int.from_bytes(size, "little")))  # noqa: S302 - the judge's own words
        answers.write(_YES if is_right(*question) else _NO)
        answers.flush()
        signal.setitimer(signal.ITIMER_PROF, 0)


def main() -> None:
    """The child: limits first. The timer's signal ends it, whatever it is busy with."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()

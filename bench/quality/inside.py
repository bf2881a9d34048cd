"""The part that runs inside the sandbox: one program, called with each input, its answers written down.

``python inside.py``, with the job as JSON on standard input. It runs on the standard library alone and knows inputs
but no answers. The program shares this process and may do to it what it likes: what comes out of standard output is
judged outside as a stranger's, and what the process may touch was settled by the sandbox before the program began.

Lines out, one per input in order: ``v`` and the answer (values.py), ``e`` and why there is none, or ``s`` for one
that took too long. At the end ``t`` and the seconds of each call. After the first input without an answer it ends.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from typing import Any


class TooSlow(BaseException):
    """The time of one call is over."""


def main() -> None:
    """Read the job, give up all rights that it says, run it."""
    job = json.loads(sys.stdin.buffer.read())
    answers = os.fdopen(os.dup(1), "w", buffering=1 << 16, encoding="ascii")
    sys.path[:0] = job["path"]
    from values import dump  # type: ignore[import-not-found]  # lies beside this file in the sandbox

    sys.set_int_max_str_digits(0)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    give_up(job)
    try:
        run(job, answers, dump)
    finally:
        answers.flush()
        os._exit(0)


def give_up(job: dict[str, Any]) -> None:
    """The rights of another user, and hard limits on memory, processes and file sizes."""
    if job["user"] is not None:
        os.setgroups([])
        os.setresgid(job["user"], job["user"], job["user"])
        os.setresuid(job["user"], job["user"], job["user"])
    for name, most in job["limits"].items():
        resource.setrlimit(getattr(resource, name), (most, most))


def run(job: dict[str, Any], answers: Any, dump: Any) -> None:
    """Call the program with each input, until there is no answer."""
    signal.signal(signal.SIGALRM, _on_alarm)
    try:
        call(job, answers, dump)
    except TooSlow:
        answers.write("s\n")
    except BaseException as error:
        answers.write("e " + type(error).__name__ + "\n")


def call(job: dict[str, Any], answers: Any, dump: Any) -> None:
    """Write the answers. Raises what the program raises, TooSlow, or what dump does."""
    program: dict[str, Any] = {}
    with Limit(job["load_seconds"]):
        exec(compile(job["code"], "<program>", "exec"), program)  # noqa: S102 - what the sandbox is for
    function = program[job["entry_point"]]
    seconds = []
    for given, most in zip(job["inputs"], job["seconds"]):  # noqa: B905 - as many, by construction
        begun = time.perf_counter()
        with Limit(most):
            answer = function(*given)
        line = "v " + dump(answer)
        seconds.append(time.perf_counter() - begun)
        answers.write(line + "\n")
    answers.write("t " + json.dumps(seconds) + "\n")


class Limit:
    """Raises TooSlow when the seconds are over."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __enter__(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, self.seconds)

    def __exit__(self, *_error: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _on_alarm(_number: int, _frame: object) -> None:
    raise TooSlow


if __name__ == "__main__":
    main()

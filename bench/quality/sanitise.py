"""What EvalPlus takes to be the program in an answer of a chat model. Needs evalplus (the extra "quality").

evalplus.sanitize parses what a stranger's model wrote, and of a long answer it tries every range of lines. So it runs
in a process of its own with limits, whose death or patience costs one answer: only the fences at its ends
are taken off, and it is counted.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from bench.record.errors import UsageError
from bench.workloads.completions import unfenced

from .samples import Sample

# CPU time for one answer, s, and address space, B.
SECONDS = 10.0
MEMORY = 4 << 30
_ROOT = Path(__file__).parents[2]
_NEEDED = "pip install 'bitledger[quality]'"


@dataclass(frozen=True)
class Sanitised:
    """``samples`` with their programs taken out. ``changed``: how many became another text; ``left``: how many stayed
    as they were because they took too much, but for fences at their ends; ``by``: which sanitiser."""

    samples: tuple[Sample, ...]
    changed: int
    left: int
    by: str

    def facts(self) -> dict[str, Any]:
        """For the document."""
        return {"by": self.by, "changed": self.changed, "left": self.left}


def version() -> str:
    """That of evalplus here. Raises UsageError where it is not installed."""
    try:
        return f"evalplus {metadata.version('evalplus')}"
    except metadata.PackageNotFoundError as error:
        raise UsageError(f"this needs evalplus: {_NEEDED}") from error


def sanitise(samples: Sequence[Sample], entry_points: Mapping[str, str]) -> Sanitised:
    """Each sample's program as evalplus.sanitize gives it. ``entry_points``: task → the function that is asked for.

    Raises UsageError where evalplus is not installed, or cannot be imported.
    """
    by, texts = version(), dict[int, str | None]()
    questions = [{"code": one.program, "entry": entry_points[one.task_id]} for one in samples]
    while len(texts) < len(questions):
        before = len(texts)
        texts |= dict(enumerate(_asked(questions[before:]), before))
        if len(texts) < len(questions):
            if not texts and before == 0 and not _imports():
                raise UsageError(f"evalplus is installed but cannot be imported: {_NEEDED}")
            texts[len(texts)] = None  # at this one the process died
    made = tuple(replace(one, program=texts[at] or unfenced(one.program)) for at, one in enumerate(samples))
    changed = sum(one.program != other.program for one, other in zip(samples, made, strict=True))
    return Sanitised(made, changed, sum(text is None for text in texts.values()), by)


def _asked(questions: Sequence[Mapping[str, str]]) -> list[str | None]:
    """The answers up to the question at which the process dies; None for one that took too long."""
    text = "".join(json.dumps(question) + "\n" for question in questions)
    done = subprocess.run(
        _command(), input=text, capture_output=True, text=True, cwd=_ROOT, env=_environment(), check=False
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def _imports() -> bool:
    command = [sys.executable, "-c", "import evalplus.sanitize"]
    return not subprocess.run(command, capture_output=True, cwd=_ROOT, env=_environment(), check=False).returncode


def _command() -> list[str]:
    return [sys.executable, "-m", __name__]


def _environment() -> dict[str, str]:
    """The same packages, and no secret of the user's."""
    path = os.pathsep.join(place for place in sys.path if place)
    return {"PATH": os.defpath, "PYTHONPATH": path, "PYTHONUTF8": "1", "HOME": os.devnull}


class _TooLongError(Exception):
    """An answer took more than SECONDS."""


def answers(lines: Iterator[str]) -> Iterator[str | None]:
    """The child: one sanitised program per question; None for one that took too long or made the sanitiser fail."""
    from evalplus.sanitize import sanitize

    for line in lines:
        question = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            made = str(sanitize(question["code"], question["entry"]))
        except (_TooLongError, Exception):
            made = None
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        yield made  # what is done with it is out of the limit


def main() -> None:
    """The child: limits first."""

    def too_long(*_: Any) -> None:
        raise _TooLongError

    signal.signal(signal.SIGPROF, too_long)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the packages print is no answer
    with contextlib.suppress(BrokenPipeError):
        for answer in answers(iter(sys.stdin)):
            out.write(json.dumps(answer) + "\n")
            out.flush()


if __name__ == "__main__":
    main()

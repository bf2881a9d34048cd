"""A fault: its name, how it is provoked, and what was seen when it was."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import pytest

from tests.faults.run import Done, Scene

NOTHING = "(nothing: the program is gone)"


@dataclass(frozen=True)
class Seen:
    """What a fault did. ``message``: the line that the user sees; ``completed``: Records that were handed to the disk
    before or in spite of the fault; ``lost``: how many of them are not there afterwards; ``after``: how it goes on."""

    message: str
    code: int
    completed: int
    lost: int
    after: str = ""

    def then(self, after: str) -> Seen:
        """The same with what came afterwards."""
        return replace(self, after=after)


@dataclass(frozen=True)
class Fault:
    """``provoke`` makes it happen to the real program; it raises, or skips, where that is not what happens. ``slow``:
    not for every run of the tests, because it takes seconds or differs from another in its message alone."""

    name: str
    provoked: str
    provoke: Callable[[Scene], Seen]
    slow: bool = False


Slow = partial(Fault, slow=True)


def resume_command(scene: Scene) -> tuple[str, ...]:
    """The command line that finishes a run."""
    return ("run", "--resume", "--out", str(scene.run), "--no-report")


def seen(scene: Scene, done: Done, *words: str) -> Seen:
    """What is to be seen now. ``words``: the line of the output that holds one of them; without, nothing was told."""
    line = done.line(*words) if words else NOTHING
    assert line, f"none of {words} in: {done.output}"
    assert "Traceback" not in done.output, done.output
    return Seen(plain(line, scene), done.code, scene.completed(), scene.lost())


def plain(line: str, scene: Scene) -> str:
    """A line without what differs from run to run: folders, seconds, numbers of processes."""
    line = line.replace(str(scene.run), "RUN").replace(str(scene.place), "…")
    line = re.sub(r"child-\d+-(\d+)\.log", r"child-N-\1.log", line)
    line = re.sub(r"(?<=, )\d+\.\d s\b", "T s", line)
    line = re.sub(r"(:| at:) line \d+ column \d+ \(char \d+\)", "", line)
    line = re.sub(r"about \d+ (s|min) left", "about T left", line)
    return re.sub(r"\s+", " ", line).strip()


def resumed(scene: Scene, *options: str) -> str:
    """Finish the run, and see that each planned Record is there once and that none of the earlier ones was touched."""
    before = (scene.run / "records.jsonl").read_bytes() if (scene.run / "records.jsonl").exists() else b""
    had = len(scene.keys(ok=True)) if before else 0
    done = scene.start(*resume_command(scene), *options).done()
    assert done.code == 0, done.output
    assert scene.whole(), scene.keys(ok=True)
    assert (scene.run / "records.jsonl").read_bytes().startswith(before)
    assert not scene.survivors()
    total = len(scene.keys(ok=True))
    return f"`{' '.join(('--resume', *options))}` measures {total - had} more: {total} of {total}, each once"


def exit_code(code: int) -> str:
    """As the shell shows it."""
    return f"{128 - code} ({signal.Signals(-code).name})" if code < 0 else str(code)


def skip(why: str) -> None:
    """This machine cannot provoke the fault."""
    pytest.skip(why)

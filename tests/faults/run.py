"""Starts the program under test, strikes it, and looks at what it left."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.record.schema import Record
from bench.record.store import RECORDS, load
from bench.run.processes import ForkServer, Process
from tests.faults.plans import planned
from tests.faults.program import FAULT, ITSELF

ROOT = Path(__file__).parents[2]
LIMIT_S = 60.0
# In the environment of every process of one program: finds those that outlived it.
MARK = "BITLEDGER_FAULT_MARK"
Key = tuple[str, str, int]


@contextlib.contextmanager
def launcher() -> Iterator[ForkServer]:
    """Forks programs that have their imports already; real interpreters where a fault needs one."""
    with ForkServer((*ITSELF, "_serve")) as fork_server:
        yield fork_server


@dataclass
class Scene:
    """One fault's stage: a folder with a run in it, and the programs that work on it."""

    place: Path
    launch: ForkServer
    told: dict[str, Any] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    started: int = 0

    @property
    def run(self) -> Path:
        return self.place / "run"

    @property
    def acks(self) -> Path:
        return self.place / "acks"

    def start(self, *argv: str, **told: Any) -> Running:
        """Start ``python -m bench ARGV`` with the fault that is ``told``."""
        self.started += 1
        log = self.place / f"output-{self.started}.txt"
        environ = self._told(told)
        read_end, write_end = os.pipe()
        os.close(read_end)
        task = {"argv": list(argv), "environ": environ, "cwd": str(self.place)}
        try:
            process = self.launch._fork(task, write_end, log)
        finally:
            os.close(write_end)
        return Running(process, log, self)

    def _told(self, told: dict[str, Any]) -> dict[str, str]:
        whole = {"acks": str(self.acks), "run": str(self.run), **self.told, **told}
        return {**self.environ, FAULT: json.dumps(whole), MARK: str(self.place), "PYTHONPATH": str(ROOT)}

    def start_beside(self, *argv: str) -> Done:
        """Run a second program while another one runs; the launcher serves one at a time."""
        return self.interpreter(*self.python(*argv))

    def environment(self, **told: Any) -> dict[str, str]:
        """Of a program that is started in an interpreter of its own."""
        return os.environ | self._told(told)

    def interpreter(self, *command: str, **told: Any) -> Done:
        """The same in an interpreter of its own, for what a fork cannot show. ``command``: the whole of it."""
        self.started += 1
        log = self.place / f"output-{self.started}.txt"
        with log.open("wb") as output:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, timeout=LIMIT_S,
                cwd=self.place, env=self.environment(**told), check=False,
            )  # fmt: skip
        return Done(done.returncode, log.read_text(errors="replace"))

    def python(self, *argv: str) -> tuple[str, ...]:
        """The command line of an interpreter of its own."""
        del self
        return (sys.executable, *ITSELF[1:], *argv)

    def acknowledged(self) -> list[Key]:
        """The keys of the Records that were handed to the disk, in order; failed ones too."""
        return [(case, instrument, repeat) for case, instrument, repeat, _ in self._acks()]

    def acknowledge(self, record: Record) -> None:
        """Count a Record that the test itself handed to the disk."""
        with self.acks.open("a") as file:
            file.write(json.dumps([*record.key, record.status]) + "\n")

    def _acks(self) -> list[Any]:
        return [json.loads(line) for line in self.acks.read_bytes().splitlines()] if self.acks.exists() else []

    def completed(self) -> int:
        """How many of them hold a measurement."""
        return sum(status == "ok" for *_, status in self._acks())

    def lost(self, folder: Path | None = None) -> int:
        """Acknowledged Records that the run folder does not hold, or not as they were."""
        file = (folder or self.run) / RECORDS
        kept = {(*record.key, record.status) for record in load(file).records} if file.exists() else set()
        return len({tuple(ack) for ack in self._acks()} - kept)

    def keys(self, *, ok: bool = False) -> list[Key]:
        """The keys of the run's Records, with ``ok`` of those alone that hold a measurement."""
        return [record.key for record in load(self.run).records if record.status == "ok" or not ok]

    def whole(self) -> bool:
        """Whether each planned Record is there and measured exactly once."""
        return sorted(self.keys(ok=True)) == sorted(planned(self.run))

    def survivors(self) -> list[int]:
        """Processes of this scene that still run; waits a little for those that are being ended."""
        return (until(lambda: not _marked(str(self.place)), 5.0) and []) or _marked(str(self.place))


@dataclass(frozen=True)
class Done:
    """How a program ended: its exit code (less than 0: by that signal) and all that it printed."""

    code: int
    output: str

    def line(self, *words: str) -> str:
        """The one line that holds one of these words; "" where there is none."""
        lines = [line.strip() for line in self.output.splitlines() if any(word in line for word in words)]
        return lines[-1] if lines else ""


@dataclass(frozen=True)
class Running:
    """A program that runs."""

    process: Process
    log: Path
    scene: Scene

    def until_acknowledged(self, count: int) -> None:
        """Wait until so many Records are handed to the disk."""
        assert until(lambda: len(self.scene.acknowledged()) >= count, LIMIT_S), self.log.read_text()

    def done(self, limit_s: float = LIMIT_S) -> Done:
        """Wait for the end."""
        try:
            code = self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(LIMIT_S)
            raise AssertionError(f"the program hangs: {self.log.read_text()}") from None
        return Done(code, self.log.read_text(errors="replace"))

    def child(self) -> int:
        """The process that measures; waits for one."""
        found: list[int] = []
        assert until(lambda: bool(found.extend(self.measuring()) or found), LIMIT_S)
        return found[0]

    def measuring(self) -> list[int]:
        """Processes that measure now: the fork server's children, or our own where they started from scratch."""
        forked = [child for fork_server in self.fork_servers() for child in children(fork_server)]
        return forked + _playing("_child", self.process.pid)

    def fork_servers(self) -> list[int]:
        """The process from which the measuring ones are forked, where there is one now."""
        return _playing("_fork_server", self.process.pid)


def until(true: Callable[[], bool], seconds: float, every: float = 0.005) -> bool:
    """Wait until it is true; returns whether it became so in time."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(every)
    return True


def children(pid: int) -> list[int]:
    """The children of a process."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _playing(part: str, parent: int) -> list[int]:
    """The children of ``parent`` that were started as this part of the program."""
    found = []
    for pid in children(parent):
        with contextlib.suppress(OSError):
            if part.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                found.append(pid)
    return found


def _marked(mark: str) -> list[int]:
    """Running processes with this mark in their environment, zombies left out."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and _holds(folder, f"{MARK}={mark}".encode()):
            found.append(int(folder.name))
    return found


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    return _state(Path(f"/proc/{pid}")) not in "ZX"


def _state(folder: Path) -> str:
    try:
        return (folder / "stat").read_text().rsplit(")", 1)[1].split()[0]
    except (OSError, IndexError):
        return "X"


def _holds(folder: Path, text: bytes) -> bool:
    try:
        return _state(folder) not in "ZX" and text in (folder / "environ").read_bytes().split(b"\0")
    except OSError:
        return False

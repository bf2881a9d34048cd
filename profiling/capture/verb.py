"""What the capturing verbs do: ask, observe, file, report; and their exit codes."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from bench.instruments import environment
from bench.record.schema import Record
from bench.record.store import open_run

from ..availability import probe
from .filing import Filer
from .observers import observers
from .request import Request, request
from .settings import Settings


def main(options: argparse.Namespace) -> int:
    """Observe and file. Exit code 1 where a tool failed; 2 where a verb of one tool could collect nothing here."""
    signal.signal(signal.SIGTERM, _interrupt)
    machine = environment.capture(Path.cwd())
    wanted = request(options, machine)
    settings = Settings(
        options.steps, options.skip, Settings.warmup, options.seconds, options.rate, options.tier, options.limit,
        options.keep_mb << 20,
    )  # fmt: skip
    argv = ("python", "-m", "profiling", *sys.argv[1:])
    chosen = observers(options.verb)
    with open_run(wanted.folder) as writer:
        progress = _Progress(len(wanted.cases) * len(chosen))
        records = Filer(wanted, writer, settings, probe(), machine, argv).run(chosen, progress.start, progress.filed)
    _report(wanted)
    return _exit_code(records, options.verb)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """End like ctrl-C, so that the tool that runs is ended too."""
    raise KeyboardInterrupt


def _report(wanted: Request) -> None:
    """Write the run's report again, now with the evidence."""
    from bench.record.store import load
    from bench.report.page import write_report

    loaded = load(wanted.folder)
    write_report(wanted.folder, loaded.records, loaded.findings, reference=wanted.preset.reference)
    print(f"filed in {wanted.folder}; report: {wanted.folder / 'report.html'}")


def _exit_code(records: Sequence[Record], verb: str) -> int:
    if any(record.status == "failed" for record in records):
        return 1
    nothing = not any(record.status == "ok" for record in records)
    return 2 if nothing and verb != "all" else 0


class _Progress:
    """One line per observer and Case, with the time that is left."""

    def __init__(self, count: int) -> None:
        self._count, self._number = count, 0
        self._began = self._started = time.monotonic()
        self._what = ""

    def start(self, what: str) -> None:
        self._number += 1
        self._what, self._started = what, time.monotonic()

    def filed(self, record: Record) -> None:
        took = time.monotonic() - self._started
        told = f"ok, {took:.1f} s" if record.status == "ok" else self._why(record)
        print(f"[{self._number}/{self._count}] {self._what}: {told}{self._left()}", flush=True)

    @staticmethod
    def _why(record: Record) -> str:
        return record.reason if record.status == "skipped" else f"failed: {record.reason}"

    def _left(self) -> str:
        left = (time.monotonic() - self._began) / self._number * (self._count - self._number)
        return f" (about {left:.0f} s left)" if left >= 1 else ""

"""What the capturing verbs do: ask, observe, file, report; and their exit codes."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from bench.instruments import environment
from bench.record.schema import Record
from bench.record.secrets import mask_argv
from bench.record.store import open_run
from bench.report.console import console
from bench.run.progress import StepProgress

from ..availability import probe
from .filing import Filer
from .observers import observers
from .request import Request, request
from .settings import Settings


def main(options: argparse.Namespace) -> int:
    """Observe and file. Exit code 1 where a tool failed; 2 where a verb of one tool could collect nothing here."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)
    machine = environment.capture(Path.cwd())
    wanted = request(options, machine)
    settings = Settings(
        options.steps, options.skip, Settings.warmup, options.seconds, options.rate, options.tier, options.limit,
        options.keep_mb << 20,
    )  # fmt: skip
    argv = mask_argv(("python", "-m", "profiling", *sys.argv[1:]))
    chosen = tuple(item for item in observers(options.verb) if _asked(item.instrument, options.ncu_caches))
    with open_run(wanted.folder) as writer:
        count = len(wanted.cases) * len(chosen)
        with StepProgress(count, count, console()) as progress:
            filer = Filer(wanted, writer, settings, probe(), machine, argv)
            records = filer.run(chosen, progress.start, lambda record: _filed(progress, record))
    if not options.no_report:
        _report(wanted)
    return _exit_code(records, options.verb)


def _asked(instrument: str, ncu_caches: str) -> bool:
    return not instrument.startswith("ncu-") or ncu_caches in ("both", instrument.removeprefix("ncu-"))


def _filed(progress: StepProgress, record: Record) -> None:
    told = {"ok": "ok", "skipped": record.reason, "failed": f"failed: {record.reason}"}[record.status]
    progress.advance(1)
    progress.end(told, keep=record.status != "ok")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """End like ctrl-C, so that the tool that runs is ended too."""
    raise KeyboardInterrupt


def _report(wanted: Request) -> None:
    """Write the run's report again, now with the evidence."""
    from bench.verbs.report import write_run

    write_run(wanted.folder, wanted.preset.reference)
    print(f"filed in {wanted.folder}; report: {wanted.folder / 'report.html'}")


def _exit_code(records: Sequence[Record], verb: str) -> int:
    if any(record.status == "failed" for record in records):
        return 1
    nothing = not any(record.status == "ok" for record in records)
    return 2 if nothing and verb != "all" else 0

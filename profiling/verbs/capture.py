"""The verbs that observe: their options, and what they do: ask, observe, file, report; and their exit codes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from bench.commandline import COUNT, COUNT_OR_NONE, INTEGER, SECONDS, SEED, each_once, whole_number
from bench.instruments import environment
from bench.record.errors import MachineError, UsageError
from bench.record.schema import Record
from bench.record.store import open_run
from bench.report.console import console
from bench.run.progress import StepProgress
from bench.verbs.shared_options import add_no_report
from profiling.availability import probe
from profiling.capture.filing import CaptureRequest, Filer
from profiling.capture.observers import observers
from profiling.capture.settings import Settings
from profiling.passes import PASSES
from profiling.passes import text as passes

from .request import request

RATE = whole_number(1, 10_000)
EXAMPLES = """
all --preset smoke
nsys --out reports/runs/mine
ncu --out reports/runs/mine --scheme int8 --tier cause
host --model shape:starcoder2-7b --scheme fp16,nf4 --device cuda
"""
_DEFAULTS = Settings()
_BOTH = "both"
_TIERS = f"ncu: counters (default {_DEFAULTS.tier}; replay passes of each launch on A100/H100: {passes()})"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of every verb that observes."""
    add = parser.add_argument
    add("--out", type=Path, help="run folder to file in; the Cases are those of its plan (default: a new one)")
    add("--preset", help="whose Cases to observe (default: the run's, or quick with a GPU, else smoke)")
    add("--model", help="smoke, shape:NAME, a local folder, or a Hugging Face id (default: the preset's)")
    add("--revision", help="commit, tag or branch of a Hugging Face id")
    add("--scheme", type=each_once, metavar="A,B", help="only these schemes (default: all of the preset)")
    add("--batch", type=INTEGER, help="batch size (default: the preset's first)")
    add("--cache", choices=("dynamic", "static"), help="key-value cache (default: the preset's first)")
    add("--new-tokens", type=INTEGER, metavar="N", help="new tokens per sequence (default: the preset's)")
    add("--prompt-tokens", type=INTEGER, metavar="N", help="prompt length of random-weight models")
    add("--drop-layers", metavar="LIST", help="decoder layers to remove, such as 2-29: each is like the others")
    add("--device", choices=("cpu", "cuda"), help="default: cuda where it is usable")
    add("--seed", type=SEED, help="seed of weights and prompts (default: the run's, or 0)")
    add("--steps", type=COUNT, default=_DEFAULTS.steps, help="decode steps observed (default %(default)s; ncu: 1)")
    add("--skip", type=COUNT_OR_NONE, default=_DEFAULTS.skip, help="decode steps before them (default %(default)s)")
    add("--seconds", type=SECONDS, default=_DEFAULTS.seconds, help="host: how long to decode (default %(default)s)")
    add("--rate", type=RATE, default=_DEFAULTS.rate, help="host: samples per second (default %(default)s)")
    add_no_report(parser, "observe")
    add("--tier", choices=tuple(PASSES), default=_DEFAULTS.tier, help=_TIERS)
    add("--ncu-caches", choices=("cold", "warm", _BOTH), default=_BOTH, help="ncu: flushed, as left, or both")
    add("--limit", type=SECONDS, default=_DEFAULTS.limit_s, metavar="S", help="end a tool after this (default 900 s)")
    add("--keep-mb", type=COUNT_OR_NONE, default=200, metavar="MB", help="largest raw file to keep (default 200)")


def main(options: argparse.Namespace) -> int:
    """Observe and file. Exit code 1 where a tool failed; 2 where a verb of one tool could collect nothing here."""
    _refuse_of_others(options)
    machine = environment.capture(Path.cwd())
    wanted = request(options, machine)
    settings = Settings(
        options.steps, options.skip, Settings.warmup, options.seconds, options.rate, options.tier, options.limit,
        options.keep_mb << 20,
    )  # fmt: skip
    chosen = tuple(item for item in observers(options.verb) if _is_requested(item.instrument, options.ncu_caches))
    with open_run(wanted.folder) as writer:
        count = len(wanted.cases) * len(chosen)
        with StepProgress(count, count, console()) as progress:
            filer = Filer(wanted, writer, settings, probe(), machine, options.argv)
            records = filer.run(chosen, progress.start, lambda record: _filed(progress, record))
    if not options.no_report:
        _report(wanted)
    code = _exit_code(records, options.verb)
    if code == 2:  # what is said of each Case may be out of sight, or in a file
        raise MachineError(next((record.reason for record in records), "nothing was asked for that could be observed"))
    return code


# Options of some tools alone, with what they are where nobody gave them; "all" has them all.
_OWN = {
    "steps": (_DEFAULTS.steps, ("kineto", "nsys")), "skip": (_DEFAULTS.skip, ("kineto", "nsys", "ncu")),
    "seconds": (_DEFAULTS.seconds, ("host",)), "rate": (_DEFAULTS.rate, ("host",)),
    "tier": (_DEFAULTS.tier, ("ncu",)), "ncu_caches": (_BOTH, ("ncu",)),
}  # fmt: skip


def _refuse_of_others(options: argparse.Namespace) -> None:
    """Raises UsageError for an option that the verb's tool does not know."""
    for name, (unsaid, verbs) in _OWN.items():
        if getattr(options, name) != unsaid and options.verb not in (*verbs, "all"):
            option = name.replace("_", "-")
            raise UsageError(f"--{option} is for {' and '.join(verbs)}: {options.verb} has no use for it")


def _is_requested(instrument: str, ncu_caches: str) -> bool:
    return not instrument.startswith("ncu-") or ncu_caches in (_BOTH, instrument.removeprefix("ncu-"))


def _filed(progress: StepProgress, record: Record) -> None:
    told = {"ok": "ok", "skipped": record.reason, "failed": f"failed: {record.reason}"}[record.status]
    progress.advance(1)
    progress.end(told, keep=record.status != "ok")


def _report(wanted: CaptureRequest) -> None:
    """Write the run's report again, now with the evidence."""
    from bench.verbs.report import build_run, write_run

    write_run(wanted.folder, build_run(wanted.folder, wanted.preset.reference))
    print(f"filed in {wanted.folder}; report: {wanted.folder / 'report.html'}")


def _exit_code(records: Sequence[Record], verb: str) -> int:
    if any(record.status == "failed" for record in records):
        return 1
    nothing = not any(record.status == "ok" for record in records)
    return 2 if nothing and verb != "all" else 0

"""The command line: its verbs as a list, and what the process of a verb is given.

A verb is a line here and a module with its options, its examples and what it does. This is the one module of bench
that may open the profiling room.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bench import hooks
from bench.commandline import CommandLine, Verb
from bench.output import accept_any_terminal, ended
from bench.record.secrets import mask_argv
from bench.record.suggested import MODULE, RECORDED, called_as

EXIT_CODES = """exit codes:
  0    done
  1    done, but some Cases failed, compare --fail-on-slower found a difference,
       or verify or energy check found something amiss
  2    bad input, or this machine lacks what was asked for: one line says what
       to do
  130  interrupted; what was measured is kept (143: ended by SIGTERM, 129: by
       SIGHUP)
"""
DESCRIPTION = "Measure fp16 against bitsandbytes int8, fp4 and nf4, end to end and by layer, and report it."

VERBS = {
    "run": Verb("bench.verbs.run", "measure a preset and report it"),
    "gather": Verb("bench.cluster.verbs.gather", "make one run of the blocks of a sweep, and report it"),
    "explain": Verb(
        "bench.verbs.explain",
        "say why a scheme is slower: the ledger of a run, or of any two traces, as lines that add up",
    ),
    "intervene": Verb(
        "bench.verbs.intervene", "remove each cause by its switch: gain predicted by replay first, then measured"
    ),
    "whatif": Verb("bench.verbs.whatif", "predict a step's time with a cause removed or scaled, by replaying a trace"),
    "evaluate": Verb(
        "bench.quality.verbs.evaluate", "judge a model's programs on HumanEval+ or MBPP+ in a sandbox: pass@k"
    ),
    "tradeoff": Verb(
        "bench.quality.verbs.tradeoff",
        "weigh arms by quality, time, energy and memory, and map where quantising lowers joules",
    ),
    "energy": Verb(
        "bench.verbs.energy",
        "check joules that another tool wrote down: CodeCarbon's emissions.csv, and counters that wrapped unseen",
    ),
    "study": Verb(
        "bench.studies.starcoder2.verb",
        "settle the StarCoder2 study on its authors' own raw data: no GPU and no run of your own needed",
    ),
    "report": Verb(
        "bench.verbs.report", "write report.md, report.html and the figures of a run, and print the summary"
    ),
    "show": Verb("bench.verbs.show", "print a run's Cases and raw values"),
    "verify": Verb(
        "bench.verbs.verify",
        "check a run folder: schema of the records, hashes of the files they name, completeness against the plan",
    ),
    "share": Verb(
        "bench.verbs.share", "copy a run without host, user, folders and secrets, to be published, and say what went"
    ),
    "rerun": Verb(
        "bench.verbs.rerun",
        "measure again what a run measured, from its plan, into a new folder, and say what differs around it",
    ),
    "compare": Verb(
        "bench.verbs.compare",
        "say which of two runs, or two schemes of runs, is faster: FASTER, SLOWER, SAME or AMBIGUOUS",
    ),
    "list": Verb("bench.verbs.list", "list presets, schemes, models and metrics"),
    "doctor": Verb("bench.verbs.doctor", "say what this machine can measure and how to get the rest"),
}

# Not for users: processes that measure.
HIDDEN = ("_child", "_fork_server")
# What their passes that observe import.
PASSES = ("profiling.inrun", "profiling.readers.kineto")


def main(argv: Sequence[str] | None = None, program: str = MODULE) -> int:
    """Run one verb; returns the exit code. ``program``: what the user called, for help and errors."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if arguments and arguments[0] in HIDDEN:
        return _measuring_process(arguments)
    accept_any_terminal()
    kept = "interrupted; what was measured is kept"
    with called_as(program):
        return ended(lambda: _call(arguments, program), debug="--debug" in arguments, interrupted=kept)


def _call(arguments: Sequence[str], program: str) -> int:
    return _program(program).call(arguments, **_beside(arguments))


def options_of(arguments: Sequence[str], program: str = MODULE) -> argparse.Namespace:
    """What a verb's ``main`` is called with, for Python programs. Raises UsageError for what cannot be parsed."""
    return _program(program).options(arguments, **_beside(arguments))


def _beside(arguments: Sequence[str]) -> dict[str, Any]:
    """What the options of every verb hold beside their own."""
    return {"argv": mask_argv((*RECORDED, *arguments)), "read_timeline": _read_timeline}


def verbs_there() -> dict[str, Verb]:
    """Those whose room is there."""
    return {word: verb for word, verb in VERBS.items() if hooks.is_there(verb.module)}


def _program(name: str) -> CommandLine:
    return CommandLine(name, DESCRIPTION, EXIT_CODES, verbs_there())


def parser(program: str = MODULE) -> argparse.ArgumentParser:
    """All verbs and their options."""
    return _program(program).parser()


def _read_timeline(path: Path) -> Any:
    from profiling.summarize import read_timeline

    return read_timeline(path)


def _measuring_process(arguments: Sequence[str]) -> int:
    """Not for users: the process that measures, or the one from which such processes are forked."""
    from bench.run import child, preparing, processes

    if arguments[0] == "_child":
        return child.main(_tools)
    gpu = arguments[2:] == ["gpu"]
    preloaded = (*(processes.PRELOADED_GPU if gpu else processes.PRELOADED), *PASSES)
    prepare = partial(preparing.prepare, gpu=gpu)
    return processes.serve(int(arguments[1]), lambda task, pipe: child.run_task(task, pipe, _tools), preloaded, prepare)


def _tools(run_folder: Path) -> Any:
    from bench.workloads.annotation import Tools

    def timeline(session: Any, options: Any) -> Any:
        from profiling.inrun import timeline

        return timeline(session, options, run_folder)

    return Tools(_annotator, timeline)


def _annotator() -> Any:
    from profiling.annotate import NvtxAnnotator

    return NvtxAnnotator()

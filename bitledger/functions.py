"""What ``import bitledger`` gives: the verbs as functions. Names handed on; docs/python-api.md shows each.

Keywords are the options of the verb of the same name: ``reference_time=18.1`` is --reference-time 18.1. Every error is
a ``BitledgerError`` in one line, the one that the command would print.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bench.cli
from bench.api import calls
from bench.api.results import ComparisonResult, ExplanationResult, RunResult, SummaryResult
from bench.record.suggested import FACE, called_as

Place = str | Path


def load(run: Place) -> RunResult:
    """A run's records. ``run``: its folder. Raises RecordError where there are none that can be read."""
    with called_as(FACE):
        return calls.loaded(Path(run))


def explain(a: Place | RunResult, b: Place | None = None, **options: Any) -> ExplanationResult:
    """Why a scheme is slower: the ledger of a run ``a``, or of the traces ``a`` (reference) and ``b``.

    ``options``: those of ``bitledger explain``, such as scheme="nf4"; reference_time and candidate_time: ms per step.

    Raises RecordError for what cannot be read, UsageError for a scheme that is not there and for unknown options.
    """
    if b is None:
        arguments = [*calls.words(options), calls.place(a)]
    else:
        traces = {"reference": calls.place(a), "candidate": calls.place(b)}
        calls.refuse_folders(*traces.values())
        arguments = [*calls.words(traces | options)]
    with called_as(FACE):
        return calls.explanation(bench.cli.options_of(["explain", *arguments], FACE))


def compare(a: Place | RunResult, b: Place | RunResult, **options: Any) -> ComparisonResult:
    """B judged against A: two runs, or "FOLDER::SCHEME" each. ``options``: those of ``bitledger compare``.

    Raises UsageError where machines or conditions differ (allow=, force=True), RecordError for what cannot be read.
    """
    arguments = [*calls.words(options), calls.place(a), calls.place(b)]
    with called_as(FACE):
        return calls.comparison(bench.cli.options_of(["compare", *arguments], FACE))


def summarize(file: Place) -> SummaryResult:
    """Where the time of a trace goes, or what counters say; times in ns. Raises RecordError for what cannot be read."""
    from profiling.summarize import summarize as summary

    return SummaryResult(Path(file).name, json.dumps(summary(Path(file)), allow_nan=False))


def measure(
    model: Any,
    tokenizer: Any = None,
    schemes: Sequence[str] = ("fp16", "int8", "nf4"),
    *,
    out: Place | None = None,
    checkpoint: Place | None = None,
    **options: Any,
) -> RunResult:
    """Measure a model that is in memory, in each scheme, as ``bitledger run`` does: each in processes of its own.

    ``model``: of transformers; it is saved to ``checkpoint``, or to a temporary folder, so what is measured is its
    weights and configuration. ``tokenizer``: None for prompts of random tokens. ``out``: the run folder (default: a new
    one in reports/runs). ``options``: those of ``bitledger run``, such as preset="smoke", new_tokens=64, repeats=3;
    tasks=0, no programs for HumanEval+, is the default here. Raises UsageError for what cannot be asked, MachineError
    for what is not here. Records that failed say why: see ``findings`` and ``rows`` of what is returned.
    """
    from bench.record.files import RUNS, unused
    from bench.verbs import run

    folder = unused(RUNS / f"memory-{type(model).__name__}") if out is None else Path(out)
    asked = {"tasks": 0, "no_report": True, **options, "schemes": tuple(schemes), "out": folder}
    if tokenizer is None:
        asked = {"prompts": "random", **asked}
    kept = None if checkpoint is None else Path(checkpoint)
    with called_as(FACE), calls.saved(model, tokenizer, kept) as (place, name):
        parsed = bench.cli.options_of(["run", *calls.words({**asked, "model": place})], FACE)
        parsed.named = name
        run.main(parsed)
    return load(folder)

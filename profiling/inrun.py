"""The timeline passes of a run: torch.profiler in the measuring process, after its timed calls. One observes steps at
key-value lengths that the process has met, one steps at new ones, one the passes over the prompts.

A window in which the observer slowed the arm down more than it did other arms is taken once more, and the better of the
two is kept: see bench/analysis/ledger/windows.py. The first arm of a run has no others: its second window is what it is
compared with.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.analysis.grouping import OF_SCHEME
from bench.analysis.ledger.windows import Observed, against, of_setup
from bench.record.errors import BitledgerError
from bench.record.files import SUMMARY, artifact_folder
from bench.record.instruments import FIRST_VISITS, PREFILL, TIMELINE
from bench.record.schema import Artifact, Case
from bench.record.store import artifact
from bench.workloads.observers import FIRST_TOKENS
from bench.workloads.outcome import Outcome, failed
from bench.workloads.session import Session

from .capture.job import Observation
from .capture.kineto import of_trace
from .inside import Seen, no_first_visits, observe_first_visits, observe_kineto, observe_prefill

TRACE = "trace.json.gz"
# What is read once and thrown away need not be packed.
_PASSING = "trace.json"


def timeline(session: Session, options: Mapping[str, Any], run_folder: Path) -> Outcome:
    """The Outcome of a pass. The trace is kept as an artifact where ``options["timeline_keep"]`` says so."""
    case = session.case
    instrument = next((name for name in _TAKEN if options.get(name)), TIMELINE)
    if instrument == FIRST_VISITS and (reason := no_first_visits(session, options["timeline_steps"])):
        return Outcome(case, instrument, "skipped", reason)
    folder = artifact_folder(run_folder, instrument, case.scheme, case.case_id, options["repeat"])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = _TAKEN.get(instrument, _best)(session, folder, options)
        kept: tuple[Artifact, ...] = ()
        if options["timeline_keep"]:
            kept = tuple(artifact(run_folder, path, text) for path, text in found.files)
    except (BitledgerError, OSError) as error:
        shutil.rmtree(folder, ignore_errors=True)  # on a full disk a part of a trace would leave no room for Records
        return failed(case, instrument, error)
    except Exception as error:  # the passes that follow must not be lost with this one
        reason, trace = f"the timeline could not be read: {type(error).__name__}: {error}", folder / _name(options)
        kept = (artifact(run_folder, trace, "Chrome trace that could not be read"),) if trace.exists() else ()
        return Outcome(case, instrument, "failed", reason, artifacts=kept)
    if not kept:
        shutil.rmtree(folder, ignore_errors=True)
    return Outcome(
        case, instrument, setup=found.setup, metrics=found.metrics, not_collected=found.not_collected, artifacts=kept
    )


def _first_visits(session: Session, folder: Path, options: Mapping[str, Any]) -> Observation:
    """Taken once: a second window would be at other lengths."""
    trace = folder / _name(options)
    return _read(observe_first_visits(session, trace, options["timeline_steps"]), trace)


def _prefill(session: Session, folder: Path, options: Mapping[str, Any]) -> Observation:
    timed, trace = options.get(FIRST_TOKENS, {}).get(session.case.case_id, ()), folder / _name(options)
    return _read(observe_prefill(session, trace, options["timeline_steps"], timed), trace)


_TAKEN = {FIRST_VISITS: _first_visits, PREFILL: _prefill}


def _best(session: Session, folder: Path, options: Mapping[str, Any]) -> Observation:
    """The window, or the better of two. In ``folder`` lie the files of the one that is returned."""
    others = _windows_of_setting(session.case, options.get("windows", ()))
    once = _window(session, folder, options)
    if others and not against(_observed_window(session, once), others).slower:
        return once
    again_in = folder / "again"
    again_in.mkdir()
    try:
        again = _window(session, again_in, options)
        if _better(_observed_window(session, again), _observed_window(session, once), others):
            for name in (_name(options), SUMMARY):
                shutil.move(again_in / name, folder / name)
            once = replace(again, files=once.files)
    except BitledgerError:
        return once  # the first window is whole
    finally:
        shutil.rmtree(again_in, ignore_errors=True)
    return replace(once, setup={**once.setup, "observed": {**once.setup["observed"], "windows": 2}})


def _better(again: Observed, once: Observed, others: Sequence[Observed]) -> bool:
    """Whether the second window was slowed down less: against the others, else against the first one."""
    if not others:
        return 0.0 < against(again, (once,)).size < 1.0
    return against(again, others).size < against(once, others).size


def _window(session: Session, folder: Path, options: Mapping[str, Any]) -> Observation:
    steps = options["timeline_steps"]
    first = max(((session.case.new_tokens or 0) - 1 - steps) // 2, 0)
    trace = folder / _name(options)
    return _read(observe_kineto(session, trace, first, steps), trace)


def _name(options: Mapping[str, Any]) -> str:
    return TRACE if options.get("timeline_keep") else _PASSING


def _read(seen: Seen, trace: Path) -> Observation:
    return of_trace(seen, trace, trace.with_name(SUMMARY), {"observed": dict(seen.facts)}, {"in_run": True})


def _observed_window(session: Session, found: Observation) -> Observed:
    return of_setup(session.case.scheme, found.setup)


def _windows_of_setting(case: Case, windows: Sequence[Mapping[str, Any]]) -> list[Observed]:
    """The windows of the same setting."""

    def setting(coordinates: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in coordinates.items() if name not in OF_SCHEME}

    own = setting(case.coordinates())
    return [of_setup(w["case"]["scheme"], w["setup"]) for w in windows if setting(w["case"]) == own]

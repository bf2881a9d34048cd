"""The timeline passes of a run: torch.profiler in the measuring process, after its timed calls. One observes steps at
key-value lengths that the process has met, the other steps at new ones."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.record.errors import BitledgerError
from bench.record.instruments import FIRST_VISITS, TIMELINE
from bench.record.places import artifact_folder
from bench.record.schema import Artifact
from bench.record.store import artifact
from bench.workloads.outcome import Outcome, failed
from bench.workloads.session import Session

from .capture.kineto import of_trace
from .inside import Seen, no_first_visits, observe_first_visits, observe_kineto


def timeline(session: Session, options: Mapping[str, Any], run_folder: Path) -> Outcome:
    """The Outcome of the pass. The trace is kept as an artifact where ``options["timeline_keep"]`` says so."""
    case, first_visits = session.case, bool(options.get(FIRST_VISITS))
    instrument = FIRST_VISITS if first_visits else TIMELINE
    if first_visits and (reason := no_first_visits(session, options["timeline_steps"])):
        return Outcome(case, instrument, "skipped", reason)
    folder = artifact_folder(run_folder, instrument, case.scheme, case.case_id, options["repeat"])
    trace, summary = folder / "trace.json.gz", folder / "summary.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        seen = _observed(session, trace, options["timeline_steps"], first_visits=first_visits)
        found = of_trace(seen, trace, summary, {"observed": dict(seen.facts)}, {"in_run": True})
        kept: tuple[Artifact, ...] = ()
        if options["timeline_keep"]:
            kept = tuple(artifact(run_folder, path, text) for path, text in found.files)
    except (BitledgerError, OSError) as error:
        shutil.rmtree(folder, ignore_errors=True)  # on a full disk a part of a trace would leave no room for Records
        return failed(case, instrument, error)
    except Exception as error:  # the passes that follow must not be lost with this one
        reason = f"the timeline could not be read: {type(error).__name__}: {error}"
        kept = (artifact(run_folder, trace, "Chrome trace that could not be read"),) if trace.exists() else ()
        return Outcome(case, instrument, "failed", reason, artifacts=kept)
    if not kept:
        shutil.rmtree(folder, ignore_errors=True)
    return Outcome(
        case, instrument, setup=found.setup, metrics=found.metrics, not_collected=found.not_collected, artifacts=kept
    )


def _observed(session: Session, trace: Path, steps: int, *, first_visits: bool) -> Seen:
    if first_visits:
        return observe_first_visits(session, trace, steps)
    first = max(((session.case.new_tokens or 0) - 1 - steps) // 2, 0)
    return observe_kineto(session, trace, first, steps)

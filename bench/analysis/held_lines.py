"""Records from before rows were kept: they hold lines, classified when they were recorded.

By the table of classes that there was when rows came, those lines are what their traces say (held by tests over the
committed runs), but for what their idle time led to: that of a step's start and end stood with its first work then. By
any other table they are read from the traces again where a setting has all of them, since arms and repeats must be
classified alike, and a finding names the others.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.record.integrity import problem_of
from bench.record.schema import Finding, Record, to_json
from bench.record.store import Loaded, load
from bench.record.timeline import Timeline

from .grouping import setting_of
from .ledger.classes import rules_said
from .ledger.cpu import cpu_rows
from .ledger.gpu import gpu_rows, work_of
from .ledger.read import STEP_RANGE
from .ledger.rows import GpuRows
from .ledger.stored import packed_rows
from .observer.costs import recorded_costs
from .replay.undisturb import Undisturbed
from .timeline import Analysis

ReadTrace = Callable[[Path], Timeline]
# What ledger.classes.rules_said() gave for the table when rows came.
THEN = "37c8b2ab7330"
_TRACES = (".json.gz", ".sqlite")
_KEPT_BYTES = 32 << 20
_LINES = ("observed_", "ledger_")
_KEPT_RECORDS = 64
_AGAIN: dict[tuple[str, str], Record] = {}


def is_held(record: Record) -> bool:
    """Whether its lines were classified when it was recorded, by another table than today's."""
    held = record.setup.get("ledger", {}) if record.status == "ok" else {}
    return bool(held) and "rows" not in held and rules_said() != THEN


def read_once(read: ReadTrace) -> ReadTrace:
    """Reads a trace once that is asked for again, as one is whose lines are made anew and whose step is drawn. Those
    read first are kept, of up to 32 MiB of files in all, whose tables take about as much memory twice."""
    kept: dict[Path, Timeline] = {}
    left = _KEPT_BYTES

    def reading(path: Path) -> Timeline:
        nonlocal left
        if path in kept:
            return kept[path]
        timeline = read(path)
        size = path.stat().st_size
        if size <= left:
            left -= size
            kept[path] = timeline
        return timeline

    return reading


def classified(folder: Path, read: ReadTrace | None) -> Loaded:
    """What ``load`` gives; records that hold lines of another table are read from their traces again, where the folder
    has these; ``read``: reads one, None: none is read. Raises RecordError as it does."""
    loaded = load(folder)
    if read is None or not any(map(is_held, loaded.records)):
        return loaded
    return replace(loaded, records=classified_again(loaded.records, folder, read))


def classified_again(records: Sequence[Record], folder: Path, read: ReadTrace) -> tuple[Record, ...]:
    """The Records, with rows from their traces where all of a setting's are in the run folder, as they were
    recorded. Raises RecordError for a trace that cannot be read."""
    settings: dict[Any, list[tuple[Record, Path | None]]] = defaultdict(list)
    for record in filter(is_held, records):
        settings[setting_of(record.case), record.instrument].append((record, _trace(record, folder)))
    whole = [found for found in settings.values() if all(path for _, path in found)]
    traces = {id(record): path for found in whole for record, path in found if path}
    return tuple(_read_again(one, traces[id(one)], read) if id(one) in traces else one for one in records)


def _trace(record: Record, folder: Path) -> Path | None:
    """Its trace as it was recorded; None where the file is gone or was changed."""
    traces = (item for item in record.artifacts if item.path.endswith(_TRACES))
    return next((folder / item.path for item in traces if not problem_of(folder, item)), None)


def _read_again(record: Record, path: Path, read: ReadTrace) -> Record:
    """What ``_reclassified`` gives, made once in a process: a notebook asks of one run again and again. A Record
    holds the digest of its trace, which the file was compared with: nothing else but the table decides."""
    asked = json.dumps(to_json(record)), rules_said()
    if asked not in _AGAIN:
        while len(_AGAIN) >= _KEPT_RECORDS:
            del _AGAIN[next(iter(_AGAIN))]
        _AGAIN[asked] = _reclassified(record, path, read)
    return _AGAIN[asked]


def _reclassified(record: Record, path: Path, read: ReadTrace) -> Record:
    analysis, held = Analysis(read(path)), record.setup["ledger"]
    rows = gpu_rows(analysis, work_of(analysis, STEP_RANGE), STEP_RANGE) if analysis.devices else None
    found = cpu_rows(analysis.timeline, STEP_RANGE) if rows is None else rows
    less = _undisturbed(record, analysis, rows) if rows is not None else None
    known = {name: held[name] for name in ("device", "bitsandbytes", "observer_scale") if name in held}
    metrics = tuple(item for item in record.metrics if not _is_line(item.name))
    return replace(record, setup={**record.setup, "ledger": {**known, **packed_rows(found, less)}}, metrics=metrics)


def _is_line(name: str) -> bool:
    return name.startswith(_LINES) and name.endswith("_per_step")


def _undisturbed(record: Record, analysis: Analysis, rows: GpuRows) -> GpuRows | None:
    """The rows without the observer, as far as the record's own were."""
    if not any(item.name.startswith("ledger_") for item in record.metrics):
        return None
    if not record.setup["ledger"].get("observer_scale"):
        return rows
    trace = Undisturbed(analysis, STEP_RANGE, record.setup["ledger"]["bitsandbytes"])
    return trace.rows(trace.plan(recorded_costs(record)))


def findings(records: Sequence[Record]) -> tuple[Finding, ...]:
    """That some lines are of another table of classes."""
    schemes = list(dict.fromkeys(record.case.scheme for record in filter(is_held, records)))
    if not schemes:
        return ()
    return (
        Finding(
            "classified-when-recorded", "info",
            "some lines were classified when they were recorded: by other rules than today's, and idle time at the "
            "start or end of a step is given to its first work",
            f"{', '.join(schemes)}: no rows in their records, and not all traces of their settings in the run folder",
            "observe them again, or put the traces back, to have them classified by today's rules",
        ),
    )  # fmt: skip

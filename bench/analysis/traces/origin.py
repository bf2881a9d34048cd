"""Where a trace comes from: the run folder that it lies in, and the record that names it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from bench.record.errors import RecordError
from bench.record.schema import Record
from bench.record.store import RECORDS, load

# artifacts/NAME/trace.json.gz is three below the run folder.
_LEVELS = 5


@dataclass(frozen=True)
class Origin:
    """``record`` names the trace; ``records`` are all of its run's."""

    folder: Path
    record: Record
    records: tuple[Record, ...]

    @property
    def timed(self) -> tuple[Record, ...]:
        """The unprofiled calls of the same Case."""
        return tuple(
            record
            for record in self.records
            if record.instrument == "generation" and record.status == "ok" and record.case == self.record.case
        )


@dataclass(frozen=True)
class TraceOrigin:
    """``origin``: None where the trace belongs to no run. ``note``: why, where it lies in a run folder."""

    origin: Origin | None = None
    note: str = ""


def origin_of(path: Path) -> TraceOrigin:
    """Looks for a run folder around the trace, and in its records for this very file."""
    file = path.resolve()
    for folder in list(file.parents)[:_LEVELS]:
        if (folder / RECORDS).exists() or (folder / f"{RECORDS}.gz").exists():
            return _in_run(file, folder)
    return TraceOrigin()


def _in_run(file: Path, folder: Path) -> TraceOrigin:
    try:
        records = load(folder).records
    except RecordError as error:
        return TraceOrigin(note=f"its run's times are not used: {error}")
    inside = file.relative_to(folder).as_posix()
    named = [(record, item) for record in records for item in record.artifacts if item.path == inside]
    if not named:
        return TraceOrigin(note=f"no record of {folder.name} names it, so that run's times are not used")
    record, artifact = named[-1]
    if hashlib.sha256(file.read_bytes()).hexdigest() != artifact.sha256:
        return TraceOrigin(note=f"it is not the file that {folder.name} recorded, so that run's times are not used")
    return TraceOrigin(Origin(folder, record, records))

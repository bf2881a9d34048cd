"""The recorded step of each scheme of one setting: its lanes, read from the trace in the run folder, and that trace."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.record.errors import BitledgerError
from bench.record.files import ARTIFACTS, SUMMARY
from bench.record.integrity import MISSING, problem_of
from bench.record.schema import Artifact, Record
from bench.record.timeline import Timeline

from .grouping import Coordinates, setting_of
from .ledger.classes import table_for
from .ledger.phases import DECODE
from .ledger.plain import at_new_lengths
from .ledger.read import STEP_RANGE
from .timeline import Analysis
from .timeline.lane import Lane, lane_of

# Of a scheme: a sweep over hundreds of nodes has one from each.
MOST = 4
# A longer file takes more time to read than a report should: it is linked, not drawn.
MOST_BYTES = 48 * 2**20
_TRACE = re.compile(rf"{ARTIFACTS}/[\w.-]+/(?!{SUMMARY})[\w-]+\.(json|json\.gz|sqlite|nsys-rep)", re.ASCII)
_READ = (".json", ".json.gz", ".sqlite")


@dataclass(frozen=True)
class KeptStep:
    """``traces``: in the run folder, as they were recorded. ``lane``: of a step of the first that can be drawn; None,
    and then ``missing`` says why."""

    traces: tuple[Artifact, ...] = ()
    lane: Lane | None = None
    missing: str = ""


def recorded_steps(
    records: Sequence[Record], folder: Path, setting: Coordinates, read: Callable[[Path], Timeline] | None
) -> Mapping[str, KeptStep]:
    """By scheme, those with a timeline in this setting. ``read``: reads a trace; None: none is read."""
    found: dict[str, list[Record]] = {}
    for record in records:
        known = record.instrument in DECODE.instruments and record.status == "ok" and not at_new_lengths(record)
        if known and setting_of(record.case) == setting:
            found.setdefault(record.case.scheme, []).append(record)
    return {scheme: _step(each, folder, read) for scheme, each in found.items()}


def _step(records: Sequence[Record], folder: Path, read: Callable[[Path], Timeline] | None) -> KeptStep:
    traces = [(record, item) for record in records for item in record.artifacts if _TRACE.fullmatch(item.path)][:MOST]
    if not traces:
        return KeptStep(missing="no trace was kept")
    problems = {item: problem_of(folder, item) for _, item in traces}
    whole = [(record, item) for record, item in traces if not problems[item]]
    if not whole:
        problem = next(iter(problems.values()))
        return KeptStep(
            missing="its trace is not in the run folder" if problem == MISSING else f"its trace is {problem}"
        )
    kept = tuple(item for _, item in whole)
    readable = [(record, item) for record, item in whole if item.path.endswith(_READ)]
    if read is None or not readable:
        return KeptStep(kept, missing="its trace was not read here")
    record, item = readable[0]
    try:
        return KeptStep(kept, *_drawn(record, folder / item.path, read))
    except (BitledgerError, OSError) as error:  # what can be told without the trace is told
        told = str(error).replace(f"{folder}/", "")  # a report is read elsewhere
        return KeptStep(kept, missing=f"its trace cannot be read ({told})")


def _drawn(record: Record, path: Path, read: Callable[[Path], Timeline]) -> tuple[Lane | None, str]:
    if path.stat().st_size > MOST_BYTES:
        return None, f"its trace is larger than {MOST_BYTES >> 20} MiB"
    classes = table_for(record.setup.get("ledger", {}).get("bitsandbytes"))
    return lane_of(Analysis(read(path)), classes, STEP_RANGE), ""

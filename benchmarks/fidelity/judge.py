"""What the diagnosis says of a planted case, against what is known of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.analysis.replay.change import Change
from bench.analysis.replay.diagnosis import Diagnosis
from bench.analysis.replay.whatif import Replay
from bench.analysis.timeline import Analysis
from profiling.summarize import read_timeline

from .planted import Case
from .writers import write_kineto, write_nsys

WITHIN = 0.10  # of the planted size
PREDICTED = 0.05  # of the reference
REPLAYED = 0.03  # of the measured step
# A difference under this share of the reference is none.
SILENT = 0.01
MACHINE = "machine"


@dataclass(frozen=True)
class Judged:
    """One row of the table. ``size_us``: the planted cause's true size, ``found_us`` what the diagnosis gives it;
    ``predicted``: what removing the cause gives, over the reference. ``ok``: all that is asked of the case holds."""

    case: str
    where: str
    kind: str
    cause: str
    named: str
    size_us: float
    found_us: float
    predicted: float | None
    replayed: float | None
    false_causes: tuple[str, ...]
    ok: bool

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def named_first(found: Diagnosis, rest_of: float) -> str:
    """The cause that the diagnosis names first; MACHINE where everything changed alike, "" where nothing did."""
    if found.uniform is not None:
        return MACHINE
    sure = [cost for cost in found.costs if cost.sure and abs(cost.mean) >= SILENT * rest_of]
    return sure[0].cause if sure else ""


def false_causes(found: Diagnosis, planted: str, size: float) -> tuple[str, ...]:
    """Causes above their interval that were not planted and are not small beside what was."""
    least = max(SILENT * found.reference, WITHIN * abs(size))
    others = [cost for cost in found.costs if cost.cause != planted and cost.sure and abs(cost.mean) > least]
    return tuple(cost.cause for cost in others)


def judge(case: Case, folder: Path) -> list[Judged]:
    """A made-up case through both readers."""
    happened = case.happened()
    rows = []
    for reader, suffix, write in (("nsys", "sqlite", write_nsys), ("Kineto", "json", write_kineto)):
        analyses = []
        for name, side in zip(("reference", "candidate"), happened, strict=True):
            path = folder / f"{name}.{suffix}"
            write(path, side)
            analyses.append(Analysis(read_timeline(path)))
        rows.append(_judged(case, reader, *analyses))
    return rows


def _judged(case: Case, reader: str, reference: Analysis, candidate: Analysis) -> Judged:
    before, after = Replay(reference), Replay(candidate)
    found = after.diagnose(before)
    named = named_first(found, found.reference)
    cost = next((item.mean for item in found.costs if item.cause == case.cause), 0.0)
    wrong = () if named == MACHINE else false_causes(found, case.cause, found.delta)
    predicted = replayed = None
    right = named == case.cause
    if case.cause and case.cause != MACHINE:
        right = right and abs(cost - found.delta) <= WITHIN * abs(found.delta)
    if case.remove:
        told = after.whatif(Change.removing(case.remove))
        predicted, replayed = told.predicted_ms / (found.reference * 1e-6), told.replayed_ms / told.measured_ms
        right = right and abs(predicted - 1) <= PREDICTED and abs(replayed - 1) <= REPLAYED
    return Judged(
        case.name, reader, case.regime, case.cause or "none", named or "none", found.delta * 1e-3, cost * 1e-3,
        predicted, replayed, wrong, right and not wrong,
    )  # fmt: skip

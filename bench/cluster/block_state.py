"""Where every block of a sweep stands, from what its attempts wrote and what Slurm knows of its jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.run.planfile import read_planned

from . import folder as places
from .folder import AttemptState, Sweep
from .queue import SlurmJob

StateName = Literal["not begun", "waiting", "starting", "running", "done", "stopped"]


@dataclass(frozen=True)
class BlockState:
    """One block. ``recorded`` of ``planned`` Records are there; ``detail`` says what runs, or why nothing does."""

    number: int
    name: str
    state: StateName
    planned: int
    recorded: int
    failed: int
    attempts: int
    node: str
    detail: str


def planned_records(folder: Path, sweep: Sweep) -> dict[int, int]:
    """How many Records each block is to give. Raises RecordError for a damaged plan."""
    plans = ((number, read_planned(places.block_folder(folder, number))) for number in sweep.numbers)
    return {number: len(plan.keys) if plan else 0 for number, plan in plans}


def block_states(
    folder: Path, sweep: Sweep, planned: Mapping[int, int], jobs: Mapping[int, SlurmJob | None], *, on_slurm: bool
) -> tuple[BlockState, ...]:
    """Every block. ``jobs``: by number of the block, what Slurm knows of its latest job."""
    return tuple(
        _block_state(folder, sweep, number, planned[number], jobs.get(number), on_slurm) for number in sweep.numbers
    )


def _block_state(
    folder: Path, sweep: Sweep, number: int, planned: int, job: SlurmJob | None, on_slurm: bool
) -> BlockState:
    states = places.states(folder, number)
    counts = _counts(states)
    state, detail = _state_and_detail(states, job, on_slurm)
    last = states[-1] if states else None
    return BlockState(
        number=number,
        name=sweep.name(number),
        state=state,
        planned=planned,
        recorded=planned if state == "done" else min(sum(counts.values()), planned),
        failed=counts["failed"],
        attempts=len(places.attempts(folder, number)),
        node=(job.node if job and job.alive else "") or (last.node if last else ""),
        detail=detail,
    )


def _counts(states: Iterable[AttemptState]) -> Counter[str]:
    total: Counter[str] = Counter()
    for state in states:
        total.update(state.counts or {})
    return total


def _state_and_detail(states: Sequence[AttemptState], job: SlurmJob | None, on_slurm: bool) -> tuple[StateName, str]:
    last = states[-1] if states else None
    if places.is_complete(states):
        return "done", ""
    if job is not None and job.alive:
        if job.state in ("PENDING", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT"):
            return "waiting", job.reason
        return ("running", last.running) if last and not last.ended else ("starting", job.state.lower())
    if on_slurm:
        ended = last.ended if last and last.ended else "its node or job is gone" if last else "its job is gone"
        return "stopped", f"{ended}{f' ({job.state.lower()})' if job else ''}"
    if last is None:
        return "not begun", ""
    return ("stopped", last.ended) if last.ended else ("running", last.running)

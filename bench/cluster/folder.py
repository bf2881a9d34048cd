"""A sweep on disk, in a folder that all nodes share.

    sweep.json              its blocks, and how it was asked for
    plan.json               all of it as one run: what the gathered run must hold
    jobs.jsonl              which Slurm job measures which block, a line per job
    cancelled               there while the sweep is cancelled
    slurm/                  what Slurm and submitit keep: scripts, logs
    blocks/0001/plan.json   one block as a run
    blocks/0001/attempt-1/  a run folder: records.jsonl, artifacts/, and state.json, where the attempt stands

Every attempt at a block writes to a folder of its own, which it claims by making it. So no two writers ever share a
file, and no lock is needed, which some file systems of clusters have not: the processes of a node that Slurm believes
lost may still be writing when the block has begun again elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.record.errors import RecordError, StorageError, UsageError
from bench.record.files import replace_text
from bench.record.store import remedy, why
from bench.record.suggested import quoted
from bench.record.typed import decode, typed
from bench.run.planfile import Run, read_plan, write_plan

SWEEP = "sweep.json"
BLOCKS = "blocks"
SLURM = "slurm"
CANCELLED = "cancelled"
_VERSION = 1
_ATTEMPT = "attempt-"


@dataclass(frozen=True)
class Sweep:
    """``blocks``: the names of the blocks; the first is number 1. ``argv``: the command that planned it, which all its
    Records give. ``workers``: programs judged at the same time where there are programs to judge."""

    run_id: str
    argv: tuple[str, ...]
    workers: int
    blocks: tuple[str, ...]
    device: str

    @property
    def numbers(self) -> range:
        return range(1, len(self.blocks) + 1)

    def name(self, number: int) -> str:
        return self.blocks[number - 1]


def create(folder: Path, sweep: Sweep, whole: Run, runs: Sequence[Run]) -> None:
    """Write the plan of every block, then sweep.json, whose being there says that all is. Raises StorageError."""
    _write(folder, sweep, whole, dict(zip(sweep.numbers, runs, strict=True)))


def add(folder: Path, sweep: Sweep, whole: Run, runs: Sequence[Run]) -> None:
    """Write the plans of the sweep's last blocks, which are new. Raises StorageError."""
    _write(folder, sweep, whole, dict(zip(sweep.numbers[len(sweep.blocks) - len(runs) :], runs, strict=True)))


def _write(folder: Path, sweep: Sweep, whole: Run, runs: Mapping[int, Run]) -> None:
    try:
        for number, run in runs.items():
            block_folder(folder, number).mkdir(parents=True, exist_ok=True)
            write_plan(block_folder(folder, number), run)
        write_plan(folder, whole)
        replace_text(folder / SWEEP, json.dumps({"version": _VERSION, **asdict(sweep)}, indent=1))
    except OSError as error:
        raise StorageError(f"cannot write the sweep to {folder}: {why(error)}; {remedy(error)}") from error


def is_sweep(folder: Path) -> bool:
    """Whether a sweep was planned in this folder."""
    return (folder / SWEEP).is_file()


def read(folder: Path) -> Sweep:
    """The sweep of a folder. Raises UsageError where there is none, RecordError where its file is damaged."""
    try:
        document = json.loads((folder / SWEEP).read_text(encoding="utf-8"))
        if document.pop("version") != _VERSION:
            raise ValueError("another version of bitledger wrote it")
        texts = {name: tuple(map(str, document[name])) for name in ("argv", "blocks")}
        return Sweep(str(document["run_id"]), workers=int(document["workers"]), device=str(document["device"]), **texts)
    except FileNotFoundError:
        raise UsageError(f"{folder} holds no sweep: plan one with {quoted('run --on slurm')} or --on local") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RecordError(f"{folder / SWEEP} is damaged ({error}): restore it") from error


def block_folder(folder: Path, number: int) -> Path:
    return folder / BLOCKS / f"{number:04d}"


def block_run(folder: Path, number: int) -> Run:
    """The block as a planned run. Raises as read_plan."""
    return read_plan(block_folder(folder, number))


def attempts(folder: Path, number: int) -> tuple[Path, ...]:
    """The attempts made at a block so far, oldest first."""
    found = block_folder(folder, number).glob(f"{_ATTEMPT}*")
    return tuple(sorted((path for path in found if path.name.removeprefix(_ATTEMPT).isdecimal()), key=_place))


def after(attempt: Path) -> Path:
    """The folder of the next attempt at the same block, whether or not there is one."""
    return attempt.with_name(f"{_ATTEMPT}{_place(attempt) + 1}")


def _place(attempt: Path) -> int:
    return int(attempt.name.removeprefix(_ATTEMPT))


def claim(folder: Path, number: int) -> Path:
    """A new attempt's folder, which no other attempt has or gets. Raises StorageError where it cannot be made."""
    before = attempts(folder, number)
    path = after(before[-1]) if before else block_folder(folder, number) / f"{_ATTEMPT}1"
    while True:
        try:
            path.mkdir()  # which either makes it or fails, on network file systems, too
        except FileExistsError:
            path = after(path)
        except OSError as error:
            raise StorageError(f"cannot make {path}: {why(error)}; {remedy(error)}") from error
        else:
            return path


STATE = "state.json"


@dataclass(frozen=True)
class AttemptState:
    """Where an attempt stands. ``running``: the process under way, and the keys of the Records that it is to give.
    ``counts``: Records of this attempt by status. ``ended``: "" while it runs, else "complete", "out of time",
    "cancelled", "overtaken" or what went wrong. Times: seconds since 1970 by the node's clock."""

    node: str
    job: str
    pid: int
    began: float
    now: float
    running: str = ""
    keys: tuple[tuple[str, str, int], ...] = ()
    counts: Mapping[str, int] | None = None
    ended: str = ""


def write_state(attempt: Path, state: AttemptState) -> None:
    """Raises StorageError where the folder cannot be written."""
    try:
        replace_text(attempt / STATE, json.dumps(asdict(state)))
    except OSError as error:
        raise StorageError(
            f"cannot write {attempt / STATE}: {why(error)}; everything measured is kept: {remedy(error)}, then --resume"
        ) from error


def read_state(attempt: Path) -> AttemptState | None:
    """None where the attempt has not come so far, or its file cannot be read: it is told and not relied upon."""
    try:
        found: AttemptState = typed(AttemptState, decode((attempt / STATE).read_bytes()))
        return found
    except (OSError, ValueError):
        return None


def states(folder: Path, number: int) -> tuple[AttemptState, ...]:
    """Where the attempts at a block stand, oldest first; those that have not come so far are left out."""
    found = (read_state(attempt) for attempt in attempts(folder, number))
    return tuple(state for state in found if state is not None)


def is_complete(states: Sequence[AttemptState]) -> bool:
    """Whether an attempt said that nothing of the block was left."""
    return any(state.ended == "complete" for state in states)

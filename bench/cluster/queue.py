"""Slurm's queue: which of a sweep's jobs wait, run, or are gone. By squeue and scancel, which every Slurm has; sacct
needs an accounting database."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.record.errors import MachineError, StorageError
from bench.record.store import remedy, why

JOBS = "jobs.jsonl"
# States of a job that still comes to measure, or does. The others are ends.
ALIVE = frozenset(
    ("PENDING", "RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING",
     "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD")
)  # fmt: skip


@dataclass(frozen=True)
class SlurmJob:
    """``state`` and ``reason`` in Slurm's words, ``node`` "" while it waits."""

    number: str
    state: str
    node: str
    reason: str

    @property
    def alive(self) -> bool:
        return self.state in ALIVE


def remember(folder: Path, jobs: Mapping[int, str]) -> None:
    """Note which job is to measure which block. Raises StorageError where it cannot be written."""
    try:
        with (folder / JOBS).open("a", encoding="utf-8") as stream:
            stream.writelines(json.dumps({"block": block, "job": job}) + "\n" for block, job in jobs.items())
    except OSError as error:
        raise StorageError(
            f"cannot write {folder / JOBS}: {why(error)}; {remedy(error)}; the jobs are {', '.join(jobs.values())}"
        ) from error


def remembered(folder: Path) -> dict[int, list[str]]:
    """The jobs of each block, oldest first. A line that cannot be read is left out: squeue shows its job anyway."""
    found: dict[int, list[str]] = {}
    if not (folder / JOBS).exists():
        return found
    for line in (folder / JOBS).read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            document = json.loads(line)
            found.setdefault(int(document["block"]), []).append(str(document["job"]))
        except (ValueError, KeyError, TypeError):
            continue
    return found


def states(numbers: Iterable[str]) -> dict[str, SlurmJob]:
    """Those of the jobs that Slurm still knows; it forgets ended ones after some minutes.

    Raises MachineError where squeue is missing or does not answer.
    """
    arrays = sorted({number.partition("_")[0] for number in numbers})
    if not arrays:
        return {}
    command = ["squeue", "--noheader", "--array", "--states=all", "--format=%i|%T|%N|%r", f"--jobs={','.join(arrays)}"]
    done = _run(command)
    if done.returncode and "Invalid job id" not in done.stderr:
        raise MachineError(f"Slurm does not answer: {done.stderr.strip() or done.returncode}")
    jobs = (_job(line) for line in done.stdout.splitlines())
    return {job.number: job for job in jobs if job is not None}


def latest(folder: Path) -> dict[int, SlurmJob | None]:
    """By block: its latest job as Slurm knows it, or None where Slurm knows it no more. {} where none was submitted."""
    known = remembered(folder)
    if not known:
        return {}
    found = states(job for jobs in known.values() for job in jobs)
    return {block: _job_found(jobs, found) for block, jobs in known.items()}


def _job_found(jobs: Sequence[str], found: Mapping[str, SlurmJob]) -> SlurmJob | None:
    known = [found[job] for job in jobs if job in found]
    return next((job for job in reversed(known) if job.alive), known[-1] if known else None)


def _job(line: str) -> SlurmJob | None:
    parts = line.strip().split("|", 3)
    return SlurmJob(*parts) if len(parts) == 4 else None


def cancel(numbers: Sequence[str]) -> None:
    """Take the jobs out of the queue, or end them. Raises MachineError where Slurm does not."""
    for first in range(0, len(numbers), 100):
        done = _run(["scancel", *numbers[first : first + 100]])
        if done.returncode and "Invalid job id" not in done.stderr:
            raise MachineError(f"Slurm does not cancel: {done.stderr.strip() or done.returncode}")


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=120, check=False)
    except FileNotFoundError:
        raise MachineError(f"no Slurm here: {command[0]} is not found; run this where jobs are submitted") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MachineError(f"{command[0]} does not answer: {error}") from error

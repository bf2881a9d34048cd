"""Runs observers on Cases and files one Record per observer and Case, with the raw files as artifacts."""

from __future__ import annotations

import contextlib
import shutil
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.instruments import environment
from bench.presets import Preset
from bench.record.anonymous import of_folder
from bench.record.anonymous_files import why_not
from bench.record.errors import BitledgerError, MachineError, UsageError
from bench.record.files import artifact_folder
from bench.record.logs import keep_tail
from bench.record.schema import Artifact, Case, Environment, Metric, Record, Status
from bench.record.secrets import found_in
from bench.record.store import Writer, load
from bench.schemes import arm
from bench.workloads.outcome import explain
from bench.workloads.sources import Source

from ..availability import ProfilingTools
from .job import Job
from .observers import Observer
from .settings import Settings

Listener = Callable[[Record], None]


@dataclass(frozen=True)
class RecordContent:
    """A Record's content before it is a Record."""

    status: Status
    reason: str = ""
    setup: Mapping[str, Any] = field(default_factory=dict)
    metrics: tuple[Metric, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    not_collected: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CaptureRequest:
    """The Cases to observe, one per scheme, and the run folder that they are filed in."""

    run_id: str
    folder: Path
    preset: Preset
    source: Source
    cases: tuple[Case, ...]


@dataclass(frozen=True)
class Filer:
    """Observes and files. ``argv``: the command line, for the records."""

    request: CaptureRequest
    writer: Writer
    settings: Settings
    machine: ProfilingTools
    environment: Environment
    argv: tuple[str, ...]

    def run(self, observers: Sequence[Observer], starts: Callable[[str], None], filed: Listener) -> tuple[Record, ...]:
        """Every observer on every Case, Case by Case. ``starts`` is told what begins, ``filed`` each Record."""
        records = []
        for case in self.request.cases:
            for observer in observers:
                job = self._job(observer, case)
                starts(f"{observer.instrument} on {case.scheme}, batch {case.batch_size}")
                record = self._record(job, observer)
                self.writer.append(record)
                filed(record)
                records.append(record)
        return tuple(records)

    def _job(self, observer: Observer, case: Any) -> Job:
        repeat = self._repeat(observer.instrument, case.case_id)
        folder = artifact_folder(self.writer.folder.resolve(), observer.instrument, case.scheme, case.case_id, repeat)
        threads = self.request.preset.threads
        return Job(self.request.source, case, folder, self.settings, self.machine, self._chip(), threads)

    def _chip(self) -> str | None:
        told = self.environment.gpus[0].get("compute_capability") if self.environment.gpus else None
        return f"sm_{str(told).replace('.', '')}" if told else None

    def _repeat(self, instrument: str, case_id: str) -> int:
        known = [
            r.repeat for r in load(self.writer.folder).records if (r.instrument, r.case_id) == (instrument, case_id)
        ]
        return max(known, default=-1) + 1

    def _record(self, job: Job, observer: Observer) -> Record:
        repeat = self._repeat(observer.instrument, job.case.case_id)
        before, started = environment.state(self.writer.folder), datetime.now(UTC).isoformat(timespec="milliseconds")
        found = self._observe(job, observer)
        after = environment.state(self.writer.folder)
        return Record(
            run_id=self.request.run_id,
            instrument=observer.instrument,
            case=job.case,
            repeat=repeat,
            environment=replace(self.environment, before=before, after=after),
            started_at=started,
            argv=self.argv,
            **vars(found),
        )

    def _observe(self, job: Job, observer: Observer) -> RecordContent:
        missing = observer.missing(job)
        if missing is not None:
            return RecordContent("skipped", str(missing), {"arm": arm(job.case.scheme).facts()})
        try:
            job.folder.mkdir(parents=True, exist_ok=True)
            seen = observer.observe(job)
            kept, left_out = self._keep(job, seen.files)
        except UsageError:
            raise
        except MachineError as error:
            return self._failed_content(job, "skipped", error)
        except Exception as error:  # a full disk, or a file that no reader expects: the other observers go on
            _keep_traceback(job, error)
            return self._failed_content(job, "failed", error)
        setup = {**seen.setup, **({"left_out": left_out} if left_out else {})}
        return RecordContent("ok", "", setup, seen.metrics, kept, seen.not_collected)

    def _failed_content(self, job: Job, status: Status, error: Exception) -> RecordContent:
        """Nothing usable came: only what was printed is kept, and not even that where the disk has no room."""
        kept: tuple[Artifact, ...] = ()
        try:
            for path in job.folder.iterdir():
                if path != job.log:
                    _remove(path)
            kept, _ = self._keep(job, ())
        except OSError:
            _remove(job.folder)
        reason = " ".join((str(error) if isinstance(error, BitledgerError) else explain(error)).split())
        return RecordContent(status, reason, {"arm": arm(job.case.scheme).facts()}, artifacts=kept)

    def _keep(self, job: Job, files: Sequence[tuple[Path, str]]) -> tuple[tuple[Artifact, ...], list[str]]:
        """(artifacts, notes on files that were too large or hold a secret). All else in the job's folder goes."""
        if job.log.exists():
            keep_tail(job.log)
            files = (*files, (job.log, "what the tools printed, its end"))
        why_not = {path: why for path, _ in files if (why := self._unfit(path))}
        left_out = [f"{path.name}: {why}" for path, why in why_not.items()]
        kept = [(path, text) for path, text in files if path not in why_not]
        wanted = {path for path, _ in kept}
        for path in list(job.folder.iterdir()):
            if path not in wanted:
                _remove(path)
        return tuple(self.writer.artifact(path, text) for path, text in kept), left_out

    def _unfit(self, path: Path) -> str:
        """Why a file is not kept; "" where it is."""
        if path.stat().st_size > self.settings.keep_bytes:
            return f"{path.stat().st_size} bytes"
        if of_folder(self.writer.folder) and (reason := why_not(path)):
            return reason
        secrets = found_in(path.read_bytes())
        return f"it holds the value of {', '.join(secrets)}" if secrets else ""


def _keep_traceback(job: Job, error: Exception) -> None:
    """Of an error that nobody foresaw, in the log that is kept."""
    if not isinstance(error, BitledgerError | OSError):
        with contextlib.suppress(OSError), job.log.open("a", encoding="utf-8") as log:
            traceback.print_exception(error, file=log)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)

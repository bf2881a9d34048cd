"""One Case under one observer: what is asked for, and what came back."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.record.errors import MeasurementError
from bench.record.logs import masked_tail
from bench.record.schema import Case, Metric
from bench.workloads.sources import Source

from .. import commands
from ..availability import ProfilingTools
from ..inside import Seen
from ..target import check_window
from .settings import Settings


@dataclass(frozen=True)
class Job:
    """``folder`` is the job's own, inside the run folder's artifacts. ``chip``: such as "sm_90", where there is one.
    ``threads``: of torch on the CPU, as the preset says, because with another number the timing is another.
    """

    source: Source
    case: Case
    folder: Path
    settings: Settings
    machine: ProfilingTools
    chip: str | None = None
    threads: int | None = None

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"

    @property
    def facts(self) -> Path:
        return self.folder / "facts.json"

    def file(self, name: str) -> Path:
        return self.folder / name

    def window(self, ranges: str, steps: int, extra: Sequence[str] = ()) -> tuple[str, ...]:
        """The target with a few steady decode steps open to the observer. Raises UsageError where they do not fit."""
        check_window(self.settings.skip, steps, self.case.new_tokens or 0)
        chosen = ("--ranges", ranges, "--skip", str(self.settings.skip), "--steps", str(steps))
        return self._target((*chosen, *extra))

    def loop(self) -> tuple[str, ...]:
        """The target that keeps decoding."""
        return self._target(("--ranges", "none", "--seconds", f"{self.settings.seconds:g}"))

    def _target(self, extra: Sequence[str]) -> tuple[str, ...]:
        told: dict[str, Any] = {
            "--case": self.case.canonical,
            "--warmup": self.settings.warmup,
            "--threads": self.threads,
            "--facts": self.facts,
        }
        arguments = [text for name, value in told.items() if value is not None for text in (name, str(value))]
        return commands.target((*arguments, *extra))

    def shown(self, argv: Sequence[str]) -> list[str]:
        """A command line as it is recorded: without this machine's folders."""
        return [self._shown(text) for text in argv]

    def _shown(self, text: str) -> str:
        return "python" if text == sys.executable else text.replace(f"{self.folder}/", "")

    def told_facts(self) -> dict[str, Any]:
        """What the target wrote of itself, less the Case. Raises MeasurementError where that is missing or another."""
        facts = self._facts_of_target()
        return {**facts, "observed": {name: value for name, value in facts["observed"].items() if name != "samples"}}

    def seen(self) -> Seen:
        """What the target observed, and what it timed beside that. Raises as ``told_facts`` does."""
        return Seen(self._facts_of_target()["observed"].get("samples", {}), self.told_facts()["observed"])

    def _facts_of_target(self) -> dict[str, Any]:
        try:
            facts = json.loads(self.facts.read_text())
        except (OSError, ValueError):
            raise MeasurementError(f"the observed program did not finish: {self._last_line()}") from None
        if facts["case_id"] != self.case.case_id:
            raise MeasurementError("the observed program ran another Case: the model changed meanwhile; run again")
        return {name: value for name, value in facts.items() if name not in ("case", "case_id")}

    def _last_line(self) -> str:
        lines = [line.strip() for line in masked_tail(self.log).splitlines() if line.strip()]
        own = [line for line in lines if line.startswith("bitledger: ")]
        return (own or lines or ["it printed nothing"])[-1][:300]


@dataclass(frozen=True)
class Observation:
    """What an observer found. ``files``: what to keep, with a description each."""

    setup: Mapping[str, Any]
    metrics: tuple[Metric, ...]
    files: tuple[tuple[Path, str], ...]
    not_collected: Mapping[str, str] = field(default_factory=dict)

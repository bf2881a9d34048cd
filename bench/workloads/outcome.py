"""What a workload hands over: everything of a Record that the workload knows. The child adds the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.record.schema import Artifact, Case, Finding, Metric, Status


@dataclass(frozen=True)
class Outcome:
    """See bench.record.schema.Record for the fields."""

    case: Case
    instrument: str
    status: Status = "ok"
    reason: str = ""
    setup: Mapping[str, Any] = field(default_factory=dict)
    metrics: tuple[Metric, ...] = ()
    not_collected: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    artifacts: tuple[Artifact, ...] = ()

"""What every instrument hands back: metrics, the reasons for those it lacks, findings, and how it was set up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.record.schema import Finding, Metric


@dataclass(frozen=True)
class Readings:
    """The parts of a Record that one instrument fills in. ``not_collected``: metric name → reason."""

    metrics: tuple[Metric, ...] = ()
    not_collected: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    setup: Mapping[str, Any] = field(default_factory=dict)

    def __add__(self, other: Readings) -> Readings:
        """Both together, for a Record that two instruments fill. The right one wins where keys clash."""
        return Readings(
            self.metrics + other.metrics,
            {**self.not_collected, **other.not_collected},
            self.findings + other.findings,
            {**self.setup, **other.setup},
        )

"""Counts what happened to the inputs, and keeps those that violated the property."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .target import FLOOR, TIMES, Outcome

_MOST_FAULTS = 200


@dataclass
class Tally:
    """``folder``: where inputs with a fault are kept, one file each and what was wrong beside it."""

    folder: Path
    inputs: int = 0
    bytes: int = 0
    largest: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    slowest_bytes: int = 0
    peak: int = 0
    ratio: float = 0.0
    share: float = 0.0

    def add(self, data: bytes, size: int, outcome: Outcome) -> bool:
        """Count one input; true where nothing like it was seen before."""
        new = outcome.kind not in self.kinds
        self.inputs += 1
        self.bytes += len(data)
        self.largest = max(self.largest, len(data))
        self.kinds[outcome.kind] += 1
        if outcome.seconds > self.slowest:
            self.slowest, self.slowest_bytes = outcome.seconds, len(data)
        self.peak = max(self.peak, outcome.peak)
        self.ratio = max(self.ratio, (outcome.peak - FLOOR) / max(size, 1))
        self.share = max(self.share, outcome.peak / (FLOOR + TIMES * size))
        if outcome.fault:
            self._keep(data, outcome)
        return new

    def _keep(self, data: bytes, outcome: Outcome) -> None:
        name = outcome.fault.strip().splitlines()[-1][:100] if outcome.kind != "accepted" else outcome.fault[:60]
        self.faults[f"{outcome.kind} · {name}"] += 1
        if len(self.faults) <= _MOST_FAULTS and self.faults[f"{outcome.kind} · {name}"] == 1:
            self.folder.mkdir(parents=True, exist_ok=True)
            stem = self.folder / hashlib.sha256(data).hexdigest()[:16]
            stem.with_suffix(".bin").write_bytes(data)
            stem.with_suffix(".txt").write_text(f"{outcome.kind}\n{outcome.fault}\n", errors="backslashreplace")

    def result(self) -> dict[str, Any]:
        """Plain numbers for the results file."""
        refused = {kind: count for kind, count in self.kinds.most_common() if kind != "accepted"}
        return {
            "inputs": self.inputs,
            "bytes": self.bytes,
            "largest_input": self.largest,
            "accepted": self.kinds["accepted"],
            "refused": sum(refused.values()),
            "classes_of_refusal": len(refused),
            "refusals": dict(list(refused.items())[:12]),
            "faults": sum(self.faults.values()),
            "fault_kinds": dict(self.faults.most_common(40)),
            "slowest_s": round(self.slowest, 4),
            "slowest_bytes": self.slowest_bytes,
            "peak_bytes": self.peak,
            "largest_share_of_limit": round(self.share, 4),
        }

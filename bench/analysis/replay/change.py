"""What is asked of a replay: causes scaled or removed, or the step as one CUDA graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.record import causes as c
from bench.record.errors import UsageError

MOST = 1_000_000


@dataclass(frozen=True)
class Change:
    """``factors``: cause → what its cost is multiplied with; 0 removes it with the host work that leads to it.

    A cause of work scales its kernels (on a CPU: its operators). ``host_gap`` scales the host's own work,
    ``sync_stall`` what synchronising costs; at 0 every synchronisation is left out but the last of a step, which hands
    the token over. ``cuda_graph``: each step's launches become one.
    """

    factors: Mapping[str, float] = field(default_factory=dict)
    cuda_graph: bool = False

    def __post_init__(self) -> None:
        for cause, factor in self.factors.items():
            if cause not in c.OBSERVED:
                raise UsageError(f"unknown cause {cause!r} of a trace: choose from {', '.join(c.OBSERVED)}")
            if not 0 <= factor <= MOST:
                raise UsageError(f"{cause} cannot be scaled by {factor}: give a number from 0 up to {MOST:,}")

    def of(self, cause: str) -> float:
        return self.factors.get(cause, 1.0)

    def removes(self, cause: str) -> bool:
        return self.of(cause) == 0.0

    @staticmethod
    def removing(*causes: str) -> Change:
        """Without these causes."""
        return Change(dict.fromkeys(causes, 0.0))

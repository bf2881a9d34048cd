"""The two phases of a generate call, each with a ledger of its own: decoding, told per token, and prefill, per prompt.

A workload that scores texts, or answers with a word, waits for prefill alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.record import instruments
from bench.record.schema import Record

from ..generation import call_times


@dataclass(frozen=True)
class Phase:
    """``instruments``: those that observe it, the better one first; ``times``: a timed record's unprofiled s per
    ``unit``, one for each call; ``observed``: what is observed of it."""

    name: str
    unit: str
    observed: str
    instruments: tuple[str, ...]
    times: Callable[[Record], tuple[float, ...]]
    remedy: str


def prompt_times(record: Record) -> tuple[float, ...]:
    """Time to first token of each call, s: over the batch size, as the time per token is."""
    batch = record.case.batch_size or 1
    return tuple(first / batch for first in record.values("time_to_first_token"))


DECODE = Phase(
    "decode", "token", "decode steps", ("kineto", "nsys"), call_times,
    "run 'make profile OUT=RUN_FOLDER', or a preset that observes them",
)  # fmt: skip
PREFILL = Phase(
    "prefill", "prompt", "passes over prompts", (instruments.PREFILL,), prompt_times,
    "measure it anew, with a preset that observes timelines",
)  # fmt: skip

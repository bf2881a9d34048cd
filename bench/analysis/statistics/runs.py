"""Of which run the parts of two arms are, and what that leaves to be assumed.

Two arms of one run were measured in turns, and share the day. Two runs do not, and one run of each shows nothing of how
runs differ: that is assumed. Where each arm has ENOUGH runs, whole runs are resampled, and their spread is seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bench.record.schema import Record

from .assumed import ENOUGH, NOTHING, Assumed, of_runs
from .resampling import Clusters, Samples

Runs = tuple[Sequence[str], Sequence[str]]


@dataclass(frozen=True)
class BetweenRuns:
    """``clusters``: by which the arms are resampled, None where their processes are."""

    clusters: tuple[Clusters | None, Clusters | None] = (None, None)
    assumed: Assumed = NOTHING


def run_of(record: Record) -> str:
    """A run; what was measured after a --resume is apart, because hours may lie between."""
    return record.run_id + (" resumed" if "--resume" in record.argv else "")


def between_runs(runs: Runs | None, samples: tuple[Samples, Samples]) -> BetweenRuns:
    """``runs``: the run of each part of ``samples``; parts without values do not count."""
    if runs is None:
        return BetweenRuns()
    one, other = (
        [name for name, part in zip(*side, strict=True) if len(part)] for side in zip(runs, samples, strict=True)
    )
    shares = _shares(one), _shares(other)
    apart = [shares[0].get(name, 0.0) - shares[1].get(name, 0.0) for name in {**shares[0], **shares[1]}]
    if any(apart) and min(map(len, shares)) >= ENOUGH:
        return BetweenRuns((Clusters(one, "between runs"), Clusters(other, "between runs")))
    return BetweenRuns(assumed=of_runs(apart))


def _shares(names: Sequence[str]) -> dict[str, float]:
    return {name: count / len(names) for name, count in Counter(names).items()}

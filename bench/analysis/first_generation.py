"""What someone who generates once waits for: decode steps at key-value lengths that are new to the process.

A server meets every length again and again; its figures are those of seen lengths (generation.py). The time per token
here is the median of a process's first visits: there is one first generation per process, and one interruption would
decide a mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.record.schema import Record

from .statistics import Estimate, Samples, ratio
from .statistics.pairing import estimate_of, ratio_between, taking
from .statistics.verdict import Verdict, verdict


@dataclass(frozen=True)
class FirstGeneration:
    """One scheme in one setting; s per token over the whole batch.

    ``ratio``: over the reference's first generation (None for the reference); ``own``: over the same scheme's time per
    token at seen lengths. ``first_token`` and ``call``: of the first call, None where it was not kept. ``place``: at
    which place in its process it was measured; after the first, libraries were loaded already.
    """

    scheme: str
    repeats: int
    steps: int
    time_per_token: Estimate
    ratio: Estimate | None
    own: Estimate | None
    verdict: Verdict | None
    first_token: Estimate | None
    call: Estimate | None
    place: int


def first_times(record: Record) -> tuple[float, ...]:
    """The process's time per token at new lengths, s; () where it met none that was timed."""
    latencies = record.values("first_visit_latency")
    return (float(np.median(latencies)) / (record.case.batch_size or 1),) if latencies else ()


def whole_calls(record: Record) -> tuple[tuple[float, float], ...]:
    """(wall time in s, tokens) of each timed call. Of a run that was warmed up without those that met new lengths
    all the same: they are neither a first generation nor calls at seen lengths."""
    times, tokens = record.values("generate_time"), record.values("tokens_generated")
    new = record.values("first_visit_steps") if record.values("warmup_time") else ()
    calls = zip(times, tokens or (0.0,) * len(times), new or (0.0,) * len(times), strict=False)
    return tuple((time, made) for time, made, first in calls if not first)


def first_generation(
    scheme: str, records: Sequence[Record], base: Sequence[Record], seen: Samples
) -> FirstGeneration | None:
    """The row of a scheme; None where nothing was met for the first time. ``base``: the reference's records, () for the
    reference itself; ``seen``: the scheme's times per token at seen lengths, by process."""
    own = estimate_of(records, first_times)
    if own is None:
        return None
    against = ratio_between(records, base, first_times)
    firsts = tuple(times for record in records if (times := first_times(record)))
    options = (record.setup.get("options") for record in records)
    places = [int(told.get("place_in_process") or 0) for told in options if isinstance(told, dict)]
    return FirstGeneration(
        scheme,
        len(firsts),
        sum(len(record.values("first_visit_latency")) for record in records),
        own,
        against,
        ratio(firsts, seen) if seen else None,
        verdict(against) if against else None,
        estimate_of(records, taking("first_time_to_first_token")),
        estimate_of(records, taking("first_generation_time")),
        max(places, default=0),
    )

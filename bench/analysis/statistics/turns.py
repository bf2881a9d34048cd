"""Layer products set against each other: arms that took turns in one process, a burst of calls each per round.

What the process is and what its machine does in a round is common to both arms, so that their ratio is known better
than that of two processes: it is taken round by round. But calls of one burst are alike: in the committed runs bursts
of one product differ by 21 % on a CPU, where their calls let one expect 4 % (docs/verdicts.md). So the bursts are what
is counted, of the rounds that both arms have; what one or two cannot show is assumed. How much the ratio would differ
in another process is NOT in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.record.origin import place_of
from bench.record.schema import Record

from ..statistics import Estimate, Samples, ratio
from .pairing import ratio_between, taking
from .resampling import centre
from .runs import run_of

TIME = "forward_time"


def ratio_of_products(records: Sequence[Record], base: Sequence[Record]) -> Estimate | None:
    """The Records' time over the base's with its interval; None where it cannot be formed."""
    if not _took_turns(records, base):
        return ratio_between(records, base, taking(TIME))
    arm, reference = bursts(records[0]), bursts(base[0])
    rounds = min(len(arm), len(reference))
    used = arm[:rounds], reference[:rounds]
    if not rounds or any(value <= 0 for side in used for part in side for value in part):
        return None
    levels = [centre(part, "median") for part in reference[:rounds]]
    return ratio(*(_over_levels(side, levels) for side in used), unit="bursts")


def ratio_of_rounds(record: Record, base: Record, times: Callable[[Record], Sequence[float]]) -> Estimate | None:
    """The Record's time over the base's, of arms that took turns call by call in one process: each call over the level
    of its round; None where they did not. How much another process would differ is NOT in it."""
    rounds = base.setup.get("turns", {}).get("rounds")
    same = (run_of(record), record.argv, record.repeat) == (run_of(base), base.argv, base.repeat)
    arm, reference = times(record), times(base)
    if not rounds or not same or not len(arm) == len(reference) == rounds:
        return None
    sides = (tuple((value / level,) for value, level in zip(side, reference, strict=True)) for side in (arm, reference))
    return ratio(*sides, unit="bursts")


def _over_levels(side: Samples, levels: Sequence[float]) -> Samples:
    """Each burst over the level of its round, so that what both arms have in common is in neither."""
    return tuple(tuple(value / level for value in part) for part, level in zip(side, levels, strict=True))


def bursts(record: Record) -> Samples:
    """The calls of each burst, s; as one burst where the record does not say how long they are."""
    values = record.values(TIME)
    size = record.setup.get("burst")
    if not isinstance(size, int) or size < 1 or len(values) % size:
        return (values,) if values else ()
    return tuple(values[start : start + size] for start in range(0, len(values), size))


def _took_turns(records: Sequence[Record], base: Sequence[Record]) -> bool:
    """Whether these are one record each of one process: a run measures all arms of a shape in one, and again after a
    --resume."""
    if len(records) != 1 or len(base) != 1:
        return False
    return _process(records[0]) == _process(base[0])


def _process(record: Record) -> tuple[object, ...]:
    case = record.case
    return (run_of(record), record.argv, record.repeat, place_of(record), case.layer, case.n, case.k)

"""The rank that the others of its job wait for.

Ranks meet in every exchange: who comes early waits inside the kernel of the exchange, so that the slow rank is the one
whose exchanges are short. A trace of a fast rank says "exchange between GPUs" where another's work is the cause.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from statistics import median

import numpy as np
from numpy.typing import NDArray

from bench.record.timeline import Timeline

from ..ledger.class_table import EXCHANGE
from .families import extent
from .ranks import ranks

# The others wait where they spend so much more of the trace in exchanges, and so much more than that rank does.
_LEAST, _MORE = 0.02, 1.25
# The longest eighth of a rank's exchanges does not count: the first of all lasts until every rank has begun.
_LONGEST = 8


def waited_for(timeline: Timeline) -> int | None:
    """The number of the rank that all others wait for; None where there is none, or one rank only."""
    known = ranks(timeline)
    if len(known) < 2:
        return None
    kernels = timeline.kernels
    named = np.array([re.search(EXCHANGE, text) is not None for text in timeline.strings], bool)
    exchanging = kernels.where(named[kernels.name])
    length = exchanging.end - exchanging.start
    spent = [_usual(length[exchanging.process == rank.process]) for rank in known]
    least = min(spent)
    others = median(sorted(spent)[1:])
    begin, end = extent(timeline)
    if not least or others - least < _LEAST * (end - begin) or others < _MORE * least:
        return None
    return spent.index(least)


def _usual(length: NDArray[np.int64]) -> int:
    """ns of exchanges in all, without the longest."""
    return int(np.sort(length)[: len(length) - math.ceil(len(length) / _LONGEST)].sum())


def common_rank(found: Sequence[Timeline]) -> list[int | None]:
    """For each trace the rank to take: the one that is waited for, or where no rank is, the other trace's."""
    each = [waited_for(timeline) for timeline in found]
    some = next((rank for rank in each if rank is not None), None)
    return [
        rank if rank is not None else some if some is not None and some < len(ranks(timeline)) else None
        for rank, timeline in zip(each, found, strict=True)
    ]

"""What CUDA graphs launch in the steps of a trace: nothing is left there for one to save, and the host does little.

Where they launch the work of one of two traces, the host's time of the two is not one thing: that is said, with the
command that tells what a graph would save the other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.record.codes import distinct
from bench.record.schema import Finding
from bench.record.timeline import whole_graphs

from ..ledger.gpu import named_windows
from ..timeline import Analysis
from ..timeline.intervals import Cover
from ..timeline.joins import AskedWork

_REPLAYS = re.compile(r"[gG]raph_?Launch|urCommandBufferEnqueue").search
# Steps with so much of their GPU work in graphs are graph replays; and nothing is left for a graph where besides only
# inputs are copied and a token is taken back.
_MOST, _FEW = 0.9, 5


@dataclass(frozen=True)
class Graphs:
    """``share`` of the time of the steps' GPU work that launches of graphs asked for, 0.0 where there is no work;
    ``calls``: per step, how many calls ask for work, of graphs or not."""

    share: float
    calls: float

    @property
    def most(self) -> bool:
        """The steps are graph replays."""
        return self.share >= _MOST

    @property
    def nothing_left(self) -> bool:
        """And a graph has nothing more to save."""
        return self.most and self.calls <= _FEW


def graphs_of(analysis: Analysis, step_range: str) -> Graphs:
    """What graphs launch in the steps. Raises RecordError where there are no such steps."""
    asked = analysis.asked
    start, end = named_windows(analysis, step_range)
    inside = Cover.union(start, end).holds(asked.begin)
    length = (asked.end - asked.begin) * inside
    total, calls = int(length.sum()), distinct(asked.call[inside & (asked.call >= 0)])
    share = float(length[_replayed(analysis, asked)].sum() / total) if total else 0.0
    return Graphs(share, len(calls) / len(start))


def _replayed(analysis: Analysis, asked: AskedWork) -> np.ndarray:
    """[n] whether each kernel, then each copy, is part of a graph."""
    timeline = analysis.timeline
    by_call = np.zeros(len(asked.call), bool)
    if len(timeline.calls):
        launches = np.array([_REPLAYS(text) is not None for text in timeline.strings], bool)[timeline.calls.name]
        by_call = (asked.call >= 0) & launches[np.maximum(asked.call, 0)]
    in_graph = whole_graphs(timeline) | (timeline.kernels.graph_node >= 0)
    replayed: np.ndarray = by_call | np.concatenate((in_graph, np.zeros(len(timeline.copies), bool)))
    return replayed


# Shares of the work that differ by more than this are not one way of launching.
_UNLIKE = 0.3
ONE_GRAPHED = "graphs-in-one"


def graphs_in_one(analyses: Sequence[Analysis], steps: Sequence[str]) -> list[Finding]:
    """A finding where graphs launch the work of one of two traces. Raises RecordError where one has no such steps."""
    shares = [graphs_of(*each).share for each in zip(analyses, steps, strict=True)]
    if abs(shares[0] - shares[1]) <= _UNLIKE:
        return []
    without = ("reference", "candidate")[shares[1] < shares[0]]
    message = (
        f"CUDA graphs launch {shares[0]:.0%} of the reference's GPU work and {shares[1]:.0%} of the candidate's: a "
        "part of the host's time is from that"
    )
    evidence = "launches of graphs, or kernels that are nodes of one"
    remedy = f"record both alike; what a graph would save the {without}: 'whatif TRACE --cuda-graph'"
    return [Finding(ONE_GRAPHED, "warning", message, evidence, remedy)]

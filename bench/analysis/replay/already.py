"""What a trace's steps have already: work that a CUDA or HIP graph launches needs no graph any more."""

from __future__ import annotations

import re

import numpy as np

from bench.record.timeline import whole_graphs

from ..ledger.costs import step_rows
from ..ledger.gpu import Asked, step_windows
from ..timeline import Analysis

_REPLAYS = re.compile(r"[gG]raph_?Launch|urCommandBufferEnqueue").search
# Steps with so much of their GPU work in graphs are graph replays.
MOST = 0.9


def graph_share(analysis: Analysis, step_range: str) -> float:
    """The share of the GPU work inside the steps that launches of graphs asked for; 0.0 where there is no work. Raises
    RecordError where there are no such steps."""
    timeline = analysis.timeline
    asked = Asked.of(analysis)
    begin = np.concatenate((timeline.kernels.start, timeline.copies.start))
    start, end = step_windows(timeline, step_rows(timeline, step_range), asked)
    at = np.searchsorted(start, begin, side="right") - 1
    inside = (at >= 0) & (begin < end[np.maximum(at, 0)])
    length = (asked.end - begin) * inside
    total = int(length.sum())
    return float(length[_replayed(analysis, asked)].sum() / total) if total else 0.0


def _replayed(analysis: Analysis, asked: Asked) -> np.ndarray:
    """[n] whether each kernel, then each copy, is part of a graph."""
    timeline = analysis.timeline
    by_call = np.zeros(len(asked.call), bool)
    if len(timeline.calls):
        launches = np.array([_REPLAYS(text) is not None for text in timeline.strings], bool)[timeline.calls.name]
        by_call = (asked.call >= 0) & launches[np.maximum(asked.call, 0)]
    in_graph = whole_graphs(timeline) | (timeline.kernels.graph_node >= 0)
    replayed: np.ndarray = by_call | np.concatenate((in_graph, np.zeros(len(timeline.copies), bool)))
    return replayed

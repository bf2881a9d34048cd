"""Intervals of many comparisons at once. A test shows that they are those of bench.analysis.statistics.pairing, and
that Welch's are the ones that bench.analysis.statistics.ratio finds by its bootstrap."""

from __future__ import annotations

from functools import cache

import numpy as np

from bench.analysis.statistics.student import t_quantile

from .noise import Floats
from .world import Ints

Interval = tuple[Floats, Floats]  # point and half-width, of the logarithm


def paired(times: Floats, node: Ints) -> Interval:
    """[settings, schemes - 1] of ln ratio to the first scheme: t over the means of the nodes. ``times`` and ``node``:
    [blocks, settings, schemes]; what did not run on the node of the block's first scheme is no pair."""
    pair = (node[:, :, 1:] == node[:, :, :1]).reshape(len(node), -1)
    values = (times[:, :, 1:] - times[:, :, :1]).reshape(len(node), -1)
    where = np.broadcast_to(node[:, :, :1], node[:, :, 1:].shape).reshape(len(node), -1)
    point, half = _over_nodes(values, where, pair)
    shape = times.shape[1], times.shape[2] - 1
    return point.reshape(shape), half.reshape(shape)


def over_blocks(times: Floats, node: Ints) -> Interval:
    """The same with every block taken as a node of its own: what pairs of few nodes do not allow."""
    own = np.broadcast_to(np.arange(len(node))[:, None, None], node.shape)
    return paired(times, np.where(node == node[:, :, :1], own, -1 - own))


def by_components(times: Floats, node: Ints) -> Interval:
    """The same by variance components, for blocks that are whole: the mean of all blocks, the nodes' variance by the
    method of moments and cut off at 0 (Searle, Casella & McCulloch 1992, "Variance Components", section 3.6), and
    Satterthwaite's degrees of freedom (1946). Docs/adr/0015 says why the tool does not do this."""
    values = (times[:, :, 1:] - times[:, :, :1]).reshape(len(node), -1)
    _, code, sizes = np.unique(node[:, 0, 0], return_inverse=True, return_counts=True)
    n, k = len(values), len(sizes)
    one = np.equal.outer(np.arange(k), code).astype(np.float64)
    means, point = (one @ values) / sizes[:, None], values.mean(axis=0)
    between = (sizes[:, None] * (means - point) ** 2).sum(axis=0) / (k - 1)
    within = ((values - means[code]) ** 2).sum(axis=0) / (n - k)
    share = (sizes**2).sum() / n**2 / ((n - (sizes**2).sum() / n) / (k - 1))
    parts = share * between, (1 / n - share) * within
    df = (parts[0] + parts[1]) ** 2 / (parts[0] ** 2 / (k - 1) + parts[1] ** 2 / (n - k))
    none = between < within
    variance, df = np.where(none, within / n, parts[0] + parts[1]), np.where(none, n - k, np.maximum(df, 0.5))
    shape = times.shape[1], times.shape[2] - 1
    return point.reshape(shape), (_quantiles(df) * np.sqrt(variance)).reshape(shape)


def welch(times: Floats) -> Interval:
    """The same without pairs: Welch's t (1947) on the logarithms of both arms' processes."""
    n = len(times)
    mean, variance = times.mean(axis=0), times.var(axis=0, ddof=1) / n
    total = variance[:, 1:] + variance[:, :1]
    df = total**2 / ((variance[:, 1:] ** 2 + variance[:, :1] ** 2) / (n - 1))
    return mean[:, 1:] - mean[:, :1], _quantiles(df) * np.sqrt(total)


def _over_nodes(values: Floats, where: Ints, pair: np.ndarray) -> Interval:
    nodes, code = np.unique(where, return_inverse=True)
    cell = code.reshape(where.shape) * values.shape[1] + np.arange(values.shape[1])
    size = len(nodes) * values.shape[1]
    counts = np.bincount(cell[pair], minlength=size).reshape(len(nodes), -1)
    sums = np.bincount(cell[pair], values[pair], minlength=size).reshape(len(nodes), -1)
    has = counts > 0
    means = np.divide(sums, counts, out=np.zeros_like(sums), where=has)
    k = has.sum(axis=0)
    point = means.sum(axis=0) / k
    squares = (np.where(has, means - point, 0.0) ** 2).sum(axis=0)
    return point, _quantiles(k - 1.0) * np.sqrt(squares / (k - 1) / k)


def _quantiles(df: Floats) -> Floats:
    rounded = np.round(df, 1)
    known = {value: _t(value) for value in np.unique(rounded).tolist()}
    return np.vectorize(known.__getitem__, otypes=[np.float64])(rounded)


@cache
def _t(df: float) -> float:
    return t_quantile(0.975, df) if df > 0 else np.nan

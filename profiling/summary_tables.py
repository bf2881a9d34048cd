"""The reports of ``nsys stats`` as plain data, under its names for them. For every kind of timeline."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.analysis.timeline import Analysis
from bench.analysis.timeline.tables import Groups, call_sums, kernel_sums, launch_sums, projections, range_kernels

Rows = list[dict[str, Any]]


def nsys_tables(analysis: Analysis) -> dict[str, Rows]:
    """cuda_api_sum, cuda_gpu_kern_sum, nvtx_gpu_proj_sum, nvtx_kern_sum, cuda_kern_exec_sum; times in ns."""
    timeline = analysis.timeline
    return {
        "cuda_api_sum": _named(timeline.strings, call_sums(timeline)),
        "cuda_gpu_kern_sum": _named(timeline.strings, kernel_sums(timeline)),
        "nvtx_gpu_proj_sum": _projections(analysis),
        "nvtx_kern_sum": _range_kernels(analysis),
        "cuda_kern_exec_sum": _launches(analysis),
    }


def _stats(groups: Groups, prefix: str = "") -> dict[str, list[Any]]:
    columns = {
        "count": groups.count,
        "total_ns": groups.total,
        "mean_ns": groups.mean,
        "median_ns": groups.median,
        "min_ns": groups.min,
        "max_ns": groups.max,
        "std_ns": groups.std,
    }
    return {prefix + name: column.tolist() for name, column in columns.items()}


def _rows(columns: dict[str, list[Any]], total: np.ndarray) -> Rows:
    """Columns as rows, largest total first."""
    names, values = list(columns), list(columns.values())
    rows = [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]
    return [rows[i] for i in np.argsort(-total, kind="stable").tolist()]


def _texts(strings: tuple[str, ...], index: np.ndarray) -> list[str]:
    return [strings[i] for i in index.tolist()]


def _named(strings: tuple[str, ...], groups: Groups) -> Rows:
    return _rows({"name": _texts(strings, groups.key), **_stats(groups)}, groups.total)


def _projections(analysis: Analysis) -> Rows:
    table, strings = projections(analysis), analysis.timeline.strings
    count = table.projected.count
    columns = {
        "range": _texts(strings, table.name),
        "domain": _texts(strings, table.domain),
        **_stats(table.projected),
        "range_ns": table.host.tolist(),
        "gpu_ops": table.ops.tolist(),
        "mean_gpu_ops": (table.ops / count).tolist(),
        "mean_level": (table.level / count).tolist(),
        "mean_children": (table.children / count).tolist(),
    }
    return _rows(columns, table.projected.total)


def _range_kernels(analysis: Analysis) -> Rows:
    table, timeline = range_kernels(analysis), analysis.timeline
    stats = _stats(table.durations)
    columns = {
        "range": _texts(timeline.strings, table.range),
        "domain": _texts(timeline.strings, table.domain),
        "pid": timeline.threads.pid[table.thread].tolist(),
        "tid": timeline.threads.tid[table.thread].tolist(),
        "range_instances": table.instances.tolist(),
        **stats,
        "count": table.launches.tolist(),
        "kernel": _texts(timeline.strings, table.kernel),
    }
    return _rows(columns, table.durations.total)


def _launches(analysis: Analysis) -> Rows:
    table, timeline = launch_sums(analysis), analysis.timeline
    columns = {
        "pid": timeline.threads.pid[table.thread].tolist(),
        "tid": timeline.threads.tid[table.thread].tolist(),
        "device": table.device.tolist(),
        "call": _texts(timeline.strings, table.call),
        "kernel": _texts(timeline.strings, table.kernel),
        **_stats(table.total, "total_"),
        **_stats(table.api, "call_"),
        **_spread(_stats(table.queue, "queue_"), table.queue.key, len(table.thread)),
        **_stats(table.duration, "kernel_"),
    }
    return _rows(columns, table.total.total)


def _spread(stats: dict[str, list[Any]], key: np.ndarray, size: int) -> dict[str, list[Any]]:
    """Statistics of the groups in ``key`` as columns of all groups: None where nothing waited in the queue."""
    at = {group: row for row, group in enumerate(key.tolist())}
    absent = {name: 0 if name.endswith("_count") else None for name in stats}
    return {
        name: [values[at[row]] if row in at else absent[name] for row in range(size)] for name, values in stats.items()
    }

"""Sums over a trace: by kernel name, by range name, by call; the tables of ``nsys stats``, number for number; and
statistics of integer values by group, from one sort."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.record.codes import distinct, encode, occurrences, starts_of
from bench.record.timeline import Spans, Timeline

from ..timeline import Analysis
from .loads import kernels_by_key, levels, project
from .nesting import nest

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Groups:
    """One row per group that occurs, ascending by ``key``. ``std`` is of the sample (n - 1), 0 for one value."""

    key: Ints
    count: Ints
    total: Ints
    min: Ints
    max: Ints
    median: Floats
    std: Floats

    @property
    def mean(self) -> Floats:
        """total / count."""
        return self.total / self.count

    def by_total(self) -> Ints:
        """The rows, largest total first; equal totals in order of their key."""
        return np.lexsort((self.key, -self.total))


def group(key: NDArray[np.signedinteger], value: Ints) -> Groups:
    """Statistics of ``value`` [n] by ``key`` [n]. Times may be negative: clocks of host and GPU drift apart."""
    keys, values = _sorted(key.astype(np.int64, copy=False), value)
    first = starts_of(keys)
    count = np.diff(np.append(first, len(keys)))
    last = first + count - 1
    total = np.add.reduceat(values, first) if len(first) else np.empty(0, np.int64)
    median = (values[first + (count - 1) // 2] + values[first + count // 2]) / 2
    std = _std(values, first, count, total)
    return Groups(keys[first], count, total, values[first], values[last], median, std)


def _sorted(key: Ints, value: Ints) -> tuple[Ints, Ints]:
    """Both sorted by (key, value)."""
    width = int(value.max(initial=0)) + 1
    if int(key.max(initial=0)) < 2**62 // width and min(int(key.min(initial=0)), int(value.min(initial=0))) >= 0:
        # One sort of one packed column: several times faster than a sort by two columns.
        packed = key * width
        packed += value
        packed.sort()
        keys = packed // width
        packed -= keys * width
        return keys, packed
    order = np.lexsort((value, key))
    return key[order], value[order]


def _std(values: Ints, first: Ints, count: Ints, total: Ints) -> Floats:
    if not len(first):
        return np.empty(0)
    off = values - np.repeat(total / count, count)
    off *= off
    return np.sqrt(np.add.reduceat(off, first) / np.maximum(count - 1, 1))


def kernel_sums(timeline: Timeline) -> Groups:
    """Durations by kernel name; ``key`` indexes the strings. As cuda_gpu_kern_sum."""
    return group(timeline.kernels.name, timeline.kernels.end - timeline.kernels.start)


def call_sums(timeline: Timeline) -> Groups:
    """Durations by call name; ``key`` indexes the strings. As cuda_api_sum."""
    return group(timeline.calls.name, timeline.calls.end - timeline.calls.start)


@dataclass(frozen=True, eq=False)
class RangeSums:
    """One row per (name, domain), largest total first.

    ``count`` instances took ``total`` ns of host time. Their calls launched ``kernels`` kernels, which cover ``busy``
    ns of GPU time; unlike the total, these two count a kernel once even where a range lies in one of its own name.
    """

    name: Rows
    domain: Rows
    count: Rows
    total: Rows
    busy: Rows
    kernels: Rows


def range_sums(analysis: Analysis) -> RangeSums:
    """Sums over the instances of each range."""
    ranges = analysis.timeline.ranges
    key, name, domain = _named(ranges)
    durations = group(key, ranges.end - ranges.start)
    kernels, busy = kernels_by_key(analysis, key, len(name))
    order = durations.by_total()
    at = durations.key[order]
    return RangeSums(name[at], domain[at], durations.count[order], durations.total[order], busy[at], kernels[at])


def _named(spans: Spans) -> tuple[Rows, Rows, Rows]:
    """[n] which (name, domain) each span has, and the name and the domain of each such pair."""
    width = int(spans.domain.max(initial=0)) + 1
    pairs, key = encode(spans.name.astype(np.int64) * width + spans.domain)
    return key, pairs // width, pairs % width


def _sum_by(key: Rows, value: Rows, size: int) -> Rows:
    total = np.zeros(size, np.int64)
    np.add.at(total, key, value)
    return total


@dataclass(frozen=True, eq=False)
class Projections:
    """Ranges projected onto the GPU, by (name, domain); only instances with GPU work. As nvtx_gpu_proj_sum.

    ``projected``: ns from the first to the last GPU work of an instance; ``key`` is a row of ``name``/``domain``.
    ``level``: how many ranges of the same lane are around an instance; ``children``: how many with GPU work are
    directly inside it.
    """

    name: Rows
    domain: Rows
    projected: Groups
    host: Rows
    ops: Rows
    level: Rows
    children: Rows


def projections(analysis: Analysis) -> Projections:
    """The projection of every range that put work on the GPU."""
    ranges, nesting, load = analysis.timeline.ranges, analysis.nesting, project(analysis)
    key, name, domain = _named(ranges)
    rows = np.flatnonzero(load.ops > 0)
    parents = nesting.parent[rows]
    children = np.bincount(parents[parents >= 0], minlength=len(ranges))
    projected = group(key[rows], load.last[rows] - load.first[rows])

    def summed(values: Rows) -> Rows:
        return _sum_by(key[rows], values[rows], len(name))[projected.key]

    host = summed(ranges.end - ranges.start)
    at = projected.key
    return Projections(name[at], domain[at], projected, host, summed(load.ops), summed(nesting.depth), summed(children))


@dataclass(frozen=True, eq=False)
class RangeKernels:
    """Kernels by range name and thread. As nvtx_kern_sum.

    ``instances`` of the range launched the kernel ``launches`` times. ``durations`` is over the pairs of both: a kernel
    inside two nested instances of the range counts twice there, as in nsys.
    """

    range: Rows
    domain: Rows
    thread: Rows
    kernel: Rows
    instances: Rows
    launches: Rows
    durations: Groups


def range_kernels(analysis: Analysis) -> RangeKernels:
    """Durations of the kernels launched inside each range, by (range name, domain, thread, kernel name)."""
    timeline = analysis.timeline
    named, name, domain = _named(timeline.ranges)
    kernel, kernel_names = _compact(timeline.kernels.name)
    threads, width = max(len(timeline.threads), 1), max(len(kernel_names), 1)
    owner = named * threads + timeline.ranges.thread
    outermost = ~analysis.nesting.inside_same(owner)
    keys: list[Rows] = []
    values: list[Rows] = []
    instances: list[Rows] = []
    launches: list[Rows] = []
    for items, spans in levels(analysis, analysis.launch):
        keys.append(owner[spans] * width + kernel[items])
        values.append(timeline.kernels.end[items] - timeline.kernels.start[items])
        pairs = distinct(spans * width + kernel[items])
        instances.append(owner[pairs // width] * width + pairs % width)
        launches.append(keys[-1][outermost[spans]])
    durations = group(_joined(keys), _joined(values))
    whose, which = np.divmod(durations.key, width)
    pair, thread = np.divmod(whose, threads)
    return RangeKernels(
        name[pair],
        domain[pair],
        thread,
        kernel_names[which],
        instances=occurrences(_joined(instances)),
        launches=occurrences(_joined(launches)),
        durations=durations,
    )


def _joined(parts: list[Rows]) -> Rows:
    return np.concatenate([np.empty(0, np.int64), *parts])


def _compact(values: NDArray[np.signedinteger]) -> tuple[Rows, Rows]:
    """[n] a dense code per value, and the value of each code."""
    names, code = encode(values)
    return code, names


@dataclass(frozen=True, eq=False)
class LaunchSums:
    """Call, queue and kernel time by (thread, device, call name, kernel name). As cuda_kern_exec_sum.

    ``queue`` covers only launches that waited at all (its ``count`` is QCount there); its ``key`` is a subset.
    """

    thread: Rows
    device: Rows
    call: Rows
    kernel: Rows
    total: Groups
    api: Groups
    queue: Groups
    duration: Groups


def launch_sums(analysis: Analysis) -> LaunchSums:
    """What it took to launch and run each kernel whose launching call is known."""
    timeline, late = analysis.timeline, analysis.latencies
    known = np.flatnonzero(late.known)
    call = analysis.launch[known]
    parts = (
        timeline.calls.thread[call],
        timeline.kernels.device[known],
        timeline.calls.name[call],
        timeline.kernels.name[known],
    )
    key, columns = _combined(parts)
    kernel_time = timeline.kernels.end[known] - timeline.kernels.start[known]
    queued = late.queue[known] > 0
    total = group(key, late.total[known])
    at = total.key
    thread, device, name, kernel = (column[at] for column in columns)
    return LaunchSums(
        thread,
        device,
        name,
        kernel,
        total,
        api=group(key, late.api[known]),
        queue=group(key[queued], late.queue[known][queued]),
        duration=group(key, kernel_time),
    )


def _combined(parts: tuple[NDArray[np.signedinteger], ...]) -> tuple[Rows, tuple[Rows, ...]]:
    """[n] a dense code per combination of the parts, and the parts of each code."""
    key, columns = _compact(parts[0])
    values: tuple[Rows, ...] = (columns,)
    for part in parts[1:]:
        code, names = _compact(part)
        key, pairs = _compact(key * max(len(names), 1) + code)
        earlier, mine = np.divmod(pairs, max(len(names), 1))
        values = (*(value[earlier] for value in values), names[mine])
    return key, values


def operator_sums(timeline: Timeline) -> tuple[Groups, Rows]:
    """Durations of the CPU's operators by name, and per name the time not spent in operators that they called."""
    spans = timeline.operators
    durations = spans.end - spans.start
    parent = nest(spans).parent
    own = durations.copy()
    np.subtract.at(own, parent[parent >= 0], durations[parent >= 0])
    sums = group(spans.name, durations)
    # Operators that cross on one thread would give negative time of their own: no operator has less than none.
    return sums, _sum_by(spans.name.astype(np.int64), np.maximum(own, 0), len(timeline.strings))[sums.key]

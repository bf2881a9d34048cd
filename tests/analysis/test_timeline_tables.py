"""The tables agree with loops over random timelines, and with `nsys stats` on a real export."""

from __future__ import annotations

import csv
import statistics
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from slow_timeline import Slow, timelines

from bench.analysis.timeline import Analysis
from bench.analysis.timeline.tables import (
    call_sums,
    kernel_sums,
    launch_sums,
    operator_sums,
    projections,
    range_kernels,
    range_sums,
)
from bench.record.timeline import Spans, Threads, Timeline

SAMPLES = Path(__file__).parents[2].parent / "shared" / "samples" / "nsys"


@settings(deadline=None)
@given(timelines())
def test_range_sums(timeline):
    sums = range_sums(Analysis(timeline))
    rows = zip(sums.name, sums.domain, sums.count, sums.total, sums.busy, sums.kernels, strict=True)
    assert {(int(n), int(d)): tuple(map(int, row)) for n, d, *row in rows} == Slow(timeline).range_sums()
    assert (np.diff(sums.total) <= 0).all()


@settings(deadline=None)
@given(timelines())
def test_range_sums_stay_within_the_totals(timeline):
    analysis = Analysis(timeline)
    sums, whole = range_sums(analysis), analysis.breakdown()
    assert (sums.busy <= whole.busy).all()
    assert (sums.kernels <= len(timeline.kernels)).all()


@settings(deadline=None)
@given(timelines())
def test_kernel_and_call_sums(timeline):
    for table, sums in ((timeline.kernels, kernel_sums(timeline)), (timeline.calls, call_sums(timeline))):
        assert sums.key.tolist() == sorted(set(table.name.tolist()))
        for row, name in enumerate(sums.key):
            values = [int(e - s) for s, e, n in zip(table.start, table.end, table.name, strict=True) if n == name]
            assert (sums.count[row], sums.total[row]) == (len(values), sum(values))
            assert (sums.min[row], sums.max[row]) == (min(values), max(values))
            assert sums.median[row] == statistics.median(values)
            assert sums.std[row] == pytest.approx(statistics.stdev(values) if len(values) > 1 else 0)


@settings(deadline=None)
@given(timelines())
def test_projections(timeline):
    table, slow = projections(Analysis(timeline)), Slow(timeline)
    expected: dict[tuple[int, int], list[int]] = {}
    for row in range(len(timeline.ranges)):
        inside = [
            (int(work.start[i]), int(work.end[i]))
            for work in (timeline.kernels, timeline.copies)
            for i, call in enumerate(slow.launch(work))
            if row in slow.around(call)
        ]
        if inside:
            key = int(timeline.ranges.name[row]), int(timeline.ranges.domain[row])
            width = max(end for _, end in inside) - min(start for start, _ in inside)
            expected.setdefault(key, []).append(width)
    found = zip(table.name, table.domain, table.projected.count, table.projected.total, strict=True)
    assert {(int(n), int(d)): (c, t) for n, d, c, t in found} == {k: (len(v), sum(v)) for k, v in expected.items()}


@settings(deadline=None)
@given(timelines())
def test_range_kernels_and_launches(timeline):
    analysis, slow, kernels = Analysis(timeline), Slow(timeline), timeline.kernels
    pairs: Counter[tuple[int, ...]] = Counter()
    launches: Counter[tuple[int, ...]] = Counter()
    for kernel, call in enumerate(slow.launch(kernels)):
        if call >= 0:
            calls = timeline.calls
            launches[(calls.thread[call], kernels.device[kernel], calls.name[call], kernels.name[kernel])] += 1
        for row in slow.around(call):
            ranges = timeline.ranges
            pairs[(ranges.name[row], ranges.domain[row], ranges.thread[row], kernels.name[kernel])] += 1
    table = range_kernels(analysis)
    found = zip(table.range, table.domain, table.thread, table.kernel, strict=True)
    assert dict(zip(found, table.durations.count, strict=True)) == pairs
    assert (table.launches <= table.durations.count).all()
    ran = launch_sums(analysis)
    found = zip(ran.thread, ran.device, ran.call, ran.kernel, strict=True)
    assert dict(zip(found, ran.total.count, strict=True)) == launches


def test_operators_have_time_of_their_own():
    spans = Spans.build(
        start=[0, 10, 20, 50], end=[100, 40, 30, 60], thread=[0] * 4, name=[1, 2, 1, 2], domain=[0] * 4, lane=[0] * 4
    )
    threads = Threads.build(process=[0], pid=[1], tid=[1])
    sums, own = operator_sums(Timeline("test", ("", "mm", "add"), threads, operators=spans))
    assert sums.total.tolist() == [110, 40]
    assert own.tolist() == [100 - 30 - 10 + 10, 20 + 10]
    assert own.sum() == 100


# What NVIDIA's own tool prints for the same file.

needs_samples = pytest.mark.skipif(not SAMPLES.exists(), reason="no ../shared/samples beside the repository")


@pytest.fixture(scope="module")
def real() -> Analysis:
    from profiling.readers.nsys import read_nsys

    return Analysis(read_nsys(SAMPLES / "dlprof_nvtx_kernels.sqlite"))


def report(name: str, read) -> Counter:
    with (SAMPLES / f"dl_{name}.csv").open() as file:
        return Counter(read(row) for row in csv.DictReader(file))


def shown(value) -> float:
    return round(float(value), 1)


def stats(sums, row: int) -> tuple:
    return (
        int(sums.total[row]),
        shown(sums.mean[row]),
        shown(sums.median[row]),
        int(sums.min[row]),
        int(sums.max[row]),
        shown(sums.std[row]),
    )


def printed(row: dict[str, str], total: str = "Total Time", prefix: str = "") -> tuple:
    keys = (f"{prefix}{word} (ns)" for word in ("Avg", "Med", "Min", "Max", "StdDev"))
    mean, median, low, high, std = (row[key] for key in keys)
    return int(row[f"{total} (ns)"]), shown(mean), shown(median), int(low), int(high), shown(std)


@needs_samples
def test_every_kernel_of_a_real_export_maps_to_a_range(real):
    assert len(real.range) == 59
    assert (real.range >= 0).all()


@needs_samples
@pytest.mark.parametrize(
    ("name", "sums", "count"),
    [("cuda_gpu_kern_sum", kernel_sums, "Instances"), ("cuda_api_sum", call_sums, "Num Calls")],
)
def test_sums_equal_nsys_stats(real, name, sums, count):
    table, strings = sums(real.timeline), real.timeline.strings
    mine = Counter((strings[k], int(table.count[i]), stats(table, i)) for i, k in enumerate(table.key))
    assert mine == report(name, lambda row: (row["Name"], int(row[count]), printed(row)))


@needs_samples
def test_projection_equals_nsys_stats(real):
    table, strings = projections(real), real.timeline.strings
    mine = Counter(
        (
            strings[table.name[i]],
            int(table.projected.count[i]),
            stats(table.projected, i),
            int(table.host[i]),
            int(table.ops[i]),
            shown(table.level[i] / table.projected.count[i]),
            shown(table.children[i] / table.projected.count[i]),
        )
        for i in range(len(table.name))
    )
    assert mine == report(
        "nvtx_gpu_proj_sum",
        lambda row: (
            row["Range"],
            int(row["Range Instances"]),
            printed(row, "Total Proj Time", "Proj "),
            int(row["Total Range Time (ns)"]),
            int(row["Total GPU Ops"]),
            shown(row["Avg Range Lvl"]),
            shown(row["Avg Num Child"]),
        ),
    )


@needs_samples
def test_kernels_of_ranges_equal_nsys_stats(real):
    table, strings = range_kernels(real), real.timeline.strings
    mine = Counter(
        (
            strings[table.range[i]],
            int(real.timeline.threads.tid[table.thread[i]]),
            int(table.instances[i]),
            int(table.launches[i]),
            stats(table.durations, i),
            strings[table.kernel[i]],
        )
        for i in range(len(table.range))
    )
    assert mine == report(
        "nvtx_kern_sum",
        lambda row: (
            row["NVTX Range"],
            int(row["TID"]),
            int(row["NVTX Inst"]),
            int(row["Kern Inst"]),
            printed(row),
            row["Kernel Name"],
        ),
    )


@needs_samples
def test_launches_equal_nsys_stats(real):
    table, strings = launch_sums(real), real.timeline.strings
    queued = {int(key): row for row, key in enumerate(table.queue.key)}
    mine = Counter(
        (
            strings[table.call[i]],
            strings[table.kernel[i]],
            int(table.total.count[i]),
            *(stats(part, i)[1:] for part in (table.total, table.api, table.duration)),
            stats(table.queue, queued[i])[1:] if i in queued else None,
        )
        for i in range(len(table.thread))
    )

    def read(row):
        row = {**row, "none (ns)": "0"}
        parts = (printed(row, "none", prefix)[1:] for prefix in "TAK")
        queue = printed(row, "none", "Q")[1:] if row["QAvg (ns)"] else None
        return (row["API Name"], row["Kernel Name"], int(row["Count"]), *parts, queue)

    assert mine == report("cuda_kern_exec_sum", read)

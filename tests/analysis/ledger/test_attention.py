"""The attention call in a trace: which host time lies in it, and which library computed it."""

import numpy as np
import pytest

from bench.analysis.ledger.attention import backends, calls_of, is_call
from bench.analysis.ledger.classes import Classes
from bench.analysis.ledger.cpu import cpu_costs
from bench.analysis.ledger.gpu import gpu_costs
from bench.analysis.timeline import Analysis
from bench.record import causes as c
from bench.record.timeline import LAUNCH, SYNC, Calls, Kernels, Spans, Threads, Timeline

NAMES = ("decode_step", "attention", "layer", "aten::linear", "aten::scaled_dot_product_attention", "aten::cat",
         "aten::_scaled_dot_product_cudnn_attention", "planted::attention", "cudaLaunchKernel", "cudaDeviceSynchronize",
         "gemm", "cudnn_generated_fort_native_sdpa_sm90")  # fmt: skip
SDPA, CUDNN = NAMES[4], NAMES[6]


def spans(rows):
    start, end, name = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    zero = np.zeros(len(rows))
    return Spans.build(start=start, end=end, thread=zero, name=[NAMES.index(n) for n in name], domain=zero, lane=zero)


def trace(ranges, operators, kernels=(), calls=()):
    """Kernels (start, end, name, correlation); calls (start, end, name, kind, correlation)."""
    work = [list(column) for column in zip(*kernels, strict=True)] if kernels else [[], [], [], []]
    made = [list(column) for column in zip(*calls, strict=True)] if calls else [[], [], [], [], []]
    none = np.zeros(len(kernels))
    return Timeline(
        "kineto", NAMES, Threads.build(process=[0], pid=[1], tid=[1]),
        kernels=Kernels.build(
            start=work[0], end=work[1], device=none, stream=none, process=none, correlation=work[3],
            name=[NAMES.index(n) for n in work[2]], graph_node=none - 1,
        ),
        calls=Calls.build(
            start=made[0], end=made[1], thread=np.zeros(len(calls)), correlation=made[4],
            name=[NAMES.index(n) for n in made[2]], kind=made[3],
        ),
        ranges=spans(ranges), operators=spans(operators),
    )  # fmt: skip


def cover(timeline):
    found = calls_of(timeline)
    return list(zip(found.start.tolist(), found.end.tolist(), strict=True))


def test_the_annotators_range_is_the_call_and_without_it_the_operator():
    step, operators = (0, 100, "decode_step"), [(30, 40, SDPA), (32, 38, CUDNN)]
    assert cover(trace([step, (20, 50, "attention")], operators)) == [(20, 50)]
    assert cover(trace([step], operators)) == [(30, 40)]
    assert cover(trace([step], [(10, 20, "aten::linear"), (30, 40, "planted::attention")])) == [(30, 40)]


def test_on_a_cpu_it_is_what_lies_in_the_call_of_its_operators_and_of_the_gaps():
    ranges = [(0, 100, "decode_step"), (20, 60, "attention")]
    operators = [(0, 15, "aten::linear"), (40, 55, SDPA), (70, 90, "aten::linear")]
    found = cpu_costs(trace(ranges, operators), Classes(), "decode_step")
    assert found.causes[c.HOST_GAP].tolist() == [25 + 15 + 10]
    assert found.attention[c.HOST_GAP].tolist() == [20 + 5]
    assert found.attention[c.ATTENTION].tolist() == [15]


def test_on_a_gpu_it_is_idle_time_in_which_the_host_is_in_the_call_and_does_not_wait():
    ranges = [(0, 100, "decode_step")]
    operators = [(5, 20, "aten::linear"), (30, 80, SDPA)]
    calls = [(10, 12, "cudaLaunchKernel", LAUNCH, 1), (40, 45, "cudaDeviceSynchronize", SYNC, 3),
             (70, 72, "cudaLaunchKernel", LAUNCH, 2)]  # fmt: skip
    kernels = [(12, 35, "gemm", 1), (72, 95, "gemm", 2)]
    found = gpu_costs(Analysis(trace(ranges, operators, kernels, calls)), Classes(), "decode_step")
    # Busy until 35; in the call from 30 to 80, waiting from 40 to 45; the next kernel begins at 72.
    assert found.causes[c.SYNC_STALL].tolist() == [5]
    assert found.attention[c.HOST_GAP].tolist() == [72 - 35 - 5]
    assert found.causes[c.HOST_GAP].tolist() == [12 + 32 + 5]


def test_a_busy_gpu_hides_the_call():
    ranges, operators = [(0, 100, "decode_step")], [(30, 80, SDPA)]
    calls, kernels = [(10, 12, "cudaLaunchKernel", LAUNCH, 1)], [(12, 95, "gemm", 1)]
    found = gpu_costs(Analysis(trace(ranges, operators, kernels, calls)), Classes(), "decode_step")
    assert found.attention[c.HOST_GAP].tolist() == [0]


def test_the_backend_is_told_by_operators_and_without_them_by_kernels():
    step = [(0, 100, "decode_step")]
    assert backends(trace(step, [(30, 40, SDPA), (32, 38, CUDNN)]), 0, 100) == {"cudnn": 1}
    kernels = [(50, 60, "cudnn_generated_fort_native_sdpa_sm90", 1), (70, 80, "gemm", 2)]
    assert backends(trace(step, [], kernels), 0, 100) == {"cudnn": 1}
    assert backends(trace(step, [(30, 40, "aten::linear")]), 0, 100) == {}


@pytest.mark.parametrize(
    ("range_", "operator", "expected"),
    [("attention", "aten::cat", True), ("layer", SDPA, True), ("layer", "aten::cat", False), ("q_proj", "", False)],
)
def test_which_source_is_the_call(range_, operator, expected):
    assert is_call(range_, operator) is expected

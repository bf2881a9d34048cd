"""Copies and exchange beside computing: as recorded they fill idle time that recording itself made."""

from __future__ import annotations

import pytest

from bench.analysis.timeline import Analysis
from bench.analysis.traces.pair import Trace, explain_traces
from bench.record import causes as c
from benchmarks.fidelity.decode import GPU_BOUND, HOST_BOUND, Decode
from benchmarks.fidelity.machine import Action, Kernel, Machine
from benchmarks.fidelity.writers import write_kineto, write_nsys
from profiling.summarize import read_timeline

OBSERVER = (1_760.0, 2_950.0, 2_700.0)


class Beside:
    """A decode step with a piece of other work on a stream of its own, or on the same."""

    def __init__(self, decode, kernel):
        self._decode, self._kernel = decode, kernel

    def step(self):
        yield Action("launch", self._decode.host, 3_000, (self._kernel,), (), ("aten::copy_",))
        yield from self._decode.step()


def line(folder, write, suffix, arms, cause, observer):
    traces = []
    for number, arm in enumerate(arms):
        played, path = Machine(observer=observer, jitter=0.1, seed=number), folder / f"{number}.{suffix}"
        for _ in range(6):
            played.step(arm.step())
        write(path, played.happened)
        traces.append(Trace(path, Analysis(read_timeline(path))))
    (found,) = [one for one in explain_traces(*traces).recorded.lines if one.cause == cause]
    return found


@pytest.mark.parametrize(("write", "suffix"), [(write_kineto, "json"), (write_nsys, "sqlite")])
@pytest.mark.parametrize("sign", [1, -1], ids=["candidate", "reference"])
@pytest.mark.parametrize("regime", [HOST_BOUND, GPU_BOUND], ids=["host-bound", "GPU-bound"])
@pytest.mark.parametrize(
    ("kernel", "cause"),
    [
        (Kernel("", 40_000, 9, copy=2_000_000), c.MEMCPY),
        (Kernel("ncclDevKernel_AllReduce_Sum_bf16_RING_LL(x)", 40_000, 9), c.COMMUNICATION),
    ],
    ids=["copy", "exchange"],
)
def test_what_hides_beside_computing_is_as_long_as_without_recording(
    tmp_path, write, suffix, sign, regime, kernel, cause
):
    decode = Decode(**regime)
    arms = (decode, Beside(decode, kernel))[::sign]
    true = line(tmp_path, write, suffix, arms, cause, (0.0, 0.0, 0.0)).delta_ms
    found = line(tmp_path, write, suffix, arms, cause, OBSERVER)
    assert found.low <= true <= found.high


def test_on_the_one_stream_that_works_a_copy_is_what_it_is(tmp_path):
    decode = Decode(**GPU_BOUND)
    arms = decode, Beside(decode, Kernel("", 40_000, copy=2_000_000))
    found = line(tmp_path, write_nsys, "sqlite", arms, c.MEMCPY, OBSERVER)
    assert found.sure and found.delta_ms == pytest.approx(0.04, abs=0.001)

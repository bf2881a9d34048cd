"""Replays of made-up machines: the unchanged one is exact, changed ones say what the machine itself does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.analysis.ledger.classes import Classes
from bench.analysis.ledger.read import step_costs
from bench.analysis.observer.costs import EventCosts
from bench.analysis.observer.replayed import without_observer
from bench.analysis.replay.change import Change
from bench.analysis.replay.whatif import Replay
from bench.analysis.timeline import Analysis
from bench.record import causes as c
from bench.record.errors import RecordError, UsageError
from benchmarks.fidelity.decode import GPU_BOUND, HOST_BOUND, Decode
from benchmarks.fidelity.machine import Action, Kernel, Machine
from benchmarks.fidelity.writers import write_kineto
from profiling.summarize import read_timeline


def analysis_of(tmp_path, decode: Decode, steps: int = 4, **machine) -> Analysis:
    played = Machine(**machine)
    for _ in range(steps):
        played.step(decode.step())
    path = tmp_path / "trace.json"
    write_kineto(path, played.happened)
    return Analysis(read_timeline(path))


@pytest.mark.parametrize("values", [HOST_BOUND, GPU_BOUND], ids=["host-bound", "GPU-bound"])
@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
def test_unchanged_replay_is_the_recording(tmp_path, values, graph):
    found = Replay(analysis_of(tmp_path, Decode(**values, graph=graph), jitter=0.2)).whatif(Change())
    assert found.replayed_ms == pytest.approx(found.measured_ms, rel=1e-9)
    assert found.predicted_ms == found.replayed_ms


@settings(max_examples=40)
@given(
    host=st.integers(0, 20_000), gemm=st.integers(500, 60_000), jitter=st.floats(0, 0.5), seed=st.integers(0, 99),
    streams=st.booleans(),
)  # fmt: skip
def test_unchanged_replay_of_any_machine(tmp_path_factory, host, gemm, jitter, seed, streams):
    def beside(_ranges):
        return (Action("launch", 200, 2_000, (Kernel("void other()", 9_000, stream=13),)),) if streams else ()

    decode = Decode(host, gemm, after_linear=beside)
    found = Replay(analysis_of(tmp_path_factory.mktemp("any"), decode, jitter=jitter, seed=seed)).whatif(Change())
    assert found.replayed_ms == pytest.approx(found.measured_ms, rel=0.03)


@pytest.mark.parametrize(("values", "bound"), [(HOST_BOUND, "host"), (GPU_BOUND, "gpu")])
def test_half_the_host_work(tmp_path, values, bound):
    whole = analysis_of(tmp_path, Decode(**values))
    half = analysis_of(tmp_path, replace(Decode(**values), host=values["host"] // 2))
    predicted = Replay(whole).whatif(Change({c.HOST_GAP: 0.5})).predicted_ms
    truth = Replay(half).whatif(Change()).measured_ms
    # The made-up host's calls keep their length; the replay halves them too.
    assert predicted <= truth
    assert predicted == pytest.approx(truth, rel=0.2 if bound == "host" else 0.02)


@pytest.mark.parametrize("values", [HOST_BOUND, GPU_BOUND], ids=["host-bound", "GPU-bound"])
def test_kernels_of_half_the_length(tmp_path, values):
    whole = analysis_of(tmp_path, Decode(**values))
    half = analysis_of(tmp_path, replace(Decode(**values), gemm=values["gemm"] // 2))
    predicted = Replay(whole).whatif(Change({c.GEMM: 0.5})).predicted_ms
    assert predicted == pytest.approx(Replay(half).whatif(Change()).measured_ms, rel=0.02)


def test_a_cuda_graph_of_a_host_bound_step(tmp_path):
    eager = analysis_of(tmp_path, Decode(**HOST_BOUND))
    graph = analysis_of(tmp_path, Decode(**HOST_BOUND, graph=True))
    found = Replay(eager).whatif(Change(cuda_graph=True))
    truth = Replay(graph).whatif(Change()).measured_ms
    assert found.predicted_ms < 0.5 * found.replayed_ms
    assert found.predicted_ms == pytest.approx(truth, rel=0.25)
    assert "one graph launch" in found.notes[0]


def test_synchronisations_inside_a_step_cannot_be_captured(tmp_path):
    def wait(_ranges):
        return (Action("sync", 0, 2_000),)

    found = Replay(analysis_of(tmp_path, Decode(**HOST_BOUND, after_linear=wait))).whatif(Change(cuda_graph=True))
    assert any("cannot be captured" in note for note in found.notes)


def test_work_of_another_stream_that_waits_for_an_event(tmp_path):
    """Removing the first of two kernels that follow each other over an event brings the second one forward."""
    played = Machine()
    first, second = Kernel("kInt8VectorQuant", 30_000), Kernel("gemm_a", 10_000, stream=9, after="done")
    for _ in range(3):
        played.step(
            (
                Action("launch", 1_000, 3_000, (first,)),
                Action("record", 100, 500, event="done"),
                Action("launch", 1_000, 3_000, (second,)),
                Action("sync", 1_000, 2_000),
            )
        )
    path = tmp_path / "trace.json"
    write_kineto(path, played.happened)
    found = Replay(Analysis(read_timeline(path))).whatif(Change.removing(c.QUANTISE))
    assert found.replayed_ms - found.predicted_ms == pytest.approx(0.030, abs=0.006)


def test_without_the_observer(tmp_path):
    """A host slowed down per operator gives, with that taken off, the step of a host that was not."""
    plain = analysis_of(tmp_path, Decode(**HOST_BOUND))
    slowed = analysis_of(tmp_path, replace(Decode(**HOST_BOUND), host=HOST_BOUND["host"] + 2_000))
    wall = float(step_costs(plain).wall.mean())
    found = without_observer(slowed, EventCosts(operator=1_000.0), wall)
    assert float(found.rows.wall.mean()) == pytest.approx(wall, rel=0.01)
    assert found.scale == pytest.approx(2.0, rel=0.2)
    busy = step_costs(slowed).causes[c.GEMM].mean()
    assert found.rows.costs(Classes()).causes[c.GEMM].mean() == pytest.approx(busy)


def test_no_disturbance_is_left_alone(tmp_path):
    plain = analysis_of(tmp_path, Decode(**HOST_BOUND))
    costs = step_costs(plain)
    found = without_observer(plain, EventCosts(operator=500.0), float(costs.wall.mean()) * 1.01)
    assert found.scale == 0.0
    assert (found.rows.wall == costs.wall).all()


@pytest.mark.parametrize("factors", [{"speed": 0.5}, {c.GEMM: -1.0}, {c.GEMM: float("nan")}])
def test_changes_that_mean_nothing(factors):
    with pytest.raises(UsageError):
        Change(factors)


def test_a_cpu_has_no_graph_and_no_stall(tmp_path):
    played = Machine()
    played.step((Action("host", 5_000, operators=("aten::linear",)), Action("host", 1_000)))
    path = tmp_path / "cpu.json"
    write_kineto(path, played.happened)
    replay = Replay(Analysis(read_timeline(path)))
    with pytest.raises(RecordError, match="CUDA graph"):
        replay.whatif(Change(cuda_graph=True))
    with pytest.raises(RecordError, match="sync_stall"):
        replay.whatif(Change.removing(c.SYNC_STALL))
    assert replay.whatif(Change.removing(c.GEMM)).predicted_ms == pytest.approx(0.001)

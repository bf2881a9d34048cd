"""Programs played many at a time and on other machines, and what that makes of a cause's interval."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.analysis.ledger.classes import Classes
from bench.analysis.ledger.read import step_costs
from bench.analysis.observer.costs import EventCosts
from bench.analysis.observer.replayed import USUAL, observer
from bench.analysis.replay.change import Change
from bench.analysis.replay.program import program_of
from bench.analysis.replay.simulate import changed, play_plan, play_plans, slower, unchanged
from bench.analysis.replay.undisturb import Undisturbed
from bench.analysis.replay.whatif import Replay
from bench.analysis.statistics.spread import ASSUMED, left_out, part
from bench.analysis.timeline import Analysis
from bench.record import causes as c
from benchmarks.fidelity.decode import GPU_BOUND, HOST_BOUND, Decode
from benchmarks.fidelity.machine import Action, Kernel, Machine
from benchmarks.fidelity.writers import write_kineto
from profiling.summarize import read_timeline

BOTH = pytest.mark.parametrize("values", [HOST_BOUND, GPU_BOUND], ids=["host-bound", "GPU-bound"])


def analysis_of(tmp_path, decode, steps: int = 6, **machine) -> Analysis:
    played = Machine(**machine)
    for _ in range(steps):
        played.step(decode.step())
    path = tmp_path / "trace.json"
    write_kineto(path, played.happened)
    return Analysis(read_timeline(path))


def lines(analysis: Analysis) -> dict[str, float]:
    return {name: float(column.mean()) for name, column in step_costs(analysis).causes.items() if column.any()}


@settings(max_examples=25)
@given(host=st.integers(0, 20_000), gemm=st.integers(500, 60_000), factors=st.lists(st.floats(0, 3), min_size=2))
def test_plans_played_together_are_played_alone(tmp_path_factory, host, gemm, factors):
    waits = Decode(host, gemm, after_linear=lambda _: (Action("sync", 200, 2_000),))
    analysis = analysis_of(tmp_path_factory.mktemp("any"), waits, 2, jitter=0.3)
    program = program_of(analysis, Classes(), "decode_step")
    base = unchanged(program)
    plans = [slower(base, host=factor, gpu=1 / (1 + factor)) for factor in factors]
    plans += [changed(program, base, Change.removing(cause)) for cause in (c.GEMM, c.SYNC_STALL, c.MEMCPY)]
    for together, plan in zip(play_plans(program, plans), plans, strict=True):
        alone = play_plan(program, plan)
        assert together.span == alone.span
        for column in ("item_start", "item_end", "op_start", "op_end"):
            assert (getattr(together, column) == getattr(alone, column)).all()


@BOTH
@pytest.mark.parametrize(("host", "gpu"), [(1.12, 1.0), (1.0, 1.1), (0.8, 1.0)])
def test_a_slower_machine_as_the_machine_itself(tmp_path, values, host, gpu):
    """What the replay makes of a recording is what that machine would have recorded."""
    truth = lines(analysis_of(tmp_path, Decode(**values), host=host, slowdown=gpu))
    trace = Undisturbed(analysis_of(tmp_path, Decode(**values)), "decode_step")
    found = lines(trace.analysis(slower(trace.unchanged, host=host, gpu=gpu)))
    for name in (c.GEMM, c.NORM, c.LM_HEAD):
        assert found[name] == pytest.approx(truth[name], rel=0.01)
    assert sum(found.values()) == pytest.approx(sum(truth.values()), rel=0.01)


def test_a_trace_with_time_between_its_steps_is_written_down_whole(tmp_path):
    """What lies between two steps is in none of them, and no step loses time to it."""
    played = Machine()
    for _ in range(4):
        played.step(Decode(**HOST_BOUND).step())
        played.step([Action("host", 700_000)], name="between")
    path = tmp_path / "trace.json"
    write_kineto(path, played.happened)
    analysis = Analysis(read_timeline(path))
    trace = Undisturbed(analysis, "decode_step")
    again = trace.costs(trace.unchanged)
    assert again.wall.tolist() == pytest.approx(step_costs(analysis).wall.tolist(), abs=2)


def test_steps_without_gpu_work_are_all_host(tmp_path):
    """The ranges launch nothing: the host's time is theirs, not nothing, and nothing can be replayed."""
    played = Machine()
    for _ in range(3):
        played.step([Action("host", 600_000)], name="tokenize")
        played.step(Decode(**HOST_BOUND).step(), name="forward")
    path = tmp_path / "trace.json"
    write_kineto(path, played.happened)
    found = Replay(Analysis(read_timeline(path)), "tokenize").whatif(Change({c.HOST_GAP: 0.5}))
    assert (found.measured_ms, found.replayed_ms) == pytest.approx((0.6, 0.6))
    assert found.predicted_ms is None
    assert "no GPU work" in found.why


@BOTH
def test_the_observer_s_scale(tmp_path, values):
    """A step that waits for its host tells it; one that does not leaves it where it usually is."""
    events = EventCosts(operator=400.0, range=800.0, call=600.0)
    truth = 4.0
    costs = (400.0 * truth, 400.0 * truth, 600.0 * truth)
    plain = float(step_costs(analysis_of(tmp_path, Decode(**values))).wall.mean())
    trace = Undisturbed(analysis_of(tmp_path, Decode(**values), observer=costs, inside=1.0), "decode_step")
    found = observer(trace, events, plain)
    assert found.scale == pytest.approx(truth if values is HOST_BOUND else USUAL, rel=0.1)
    # A little less than the GPU can do asks for nothing of the host.
    found = observer(trace, events, 0.97 * plain)
    assert found.scale < 1.25 * truth


def test_the_jackknife_of_a_mean_is_its_variance():
    values = np.random.default_rng(0).normal(size=8)
    without = [float(values[steps].mean()) for steps in left_out(8)]
    variance, df = part(without)
    assert (variance, df) == (pytest.approx(values.var(ddof=1) / 8), 7)
    assert (left_out(1), part([1.0])) == ([], (0.0, 0.0))
    assert len(left_out(1000)) == 10


@BOTH
def test_two_recordings_without_a_difference_blame_nothing(tmp_path, values):
    """Another seed, and noise from step to step: nothing is sure in more than a twentieth."""
    sure = all_costs = 0
    for seed in range(12):
        noise = {"jitter": 0.2, "noise": (0.02, 0.01)}
        one = Replay(analysis_of(tmp_path, Decode(**values), seed=2 * seed, **noise))
        other = Replay(analysis_of(tmp_path, Decode(**values), seed=2 * seed + 1, **noise))
        costs = other.diagnose(one).costs
        all_costs += len(costs)
        sure += sum(cost.sure for cost in costs)
    assert all_costs > 30
    assert sure <= 0.05 * all_costs + 2 * (0.05 * 0.95 * all_costs) ** 0.5


def test_one_step_has_no_interval(tmp_path):
    one = Replay(analysis_of(tmp_path, Decode(**GPU_BOUND), 1))
    other = Replay(analysis_of(tmp_path, replace(Decode(**GPU_BOUND), gemm=60_000), 1))
    costs = other.diagnose(one, ASSUMED).costs
    assert costs and all(cost.reach is None and not cost.sure for cost in costs)
    found = one.whatif(Change.removing(c.GEMM), ASSUMED)
    assert (found.low, found.high) == (None, None)


def test_work_on_another_stream_keeps_its_own_time(tmp_path):
    """A kernel of a stream that nobody waits for: a slower host moves it, and the step does not wait for it."""

    def beside(_):
        return (Action("launch", 200, 2_000, (Kernel("void other()", 9_000, stream=13),)),)

    decode = Decode(**HOST_BOUND, after_linear=beside)
    trace = Undisturbed(analysis_of(tmp_path, decode), "decode_step")
    again = trace.costs(trace.unchanged)
    assert again.wall.mean() == pytest.approx(step_costs(analysis_of(tmp_path, decode)).wall.mean(), rel=0.01)


@BOTH
def test_work_is_what_it_was_where_a_plan_leaves_the_host_no_time(tmp_path, values):
    """Ranges lose their length with the host's work in them; what was launched there is the output layer's still."""
    analysis = analysis_of(tmp_path, Decode(**values))
    trace = Undisturbed(analysis, "decode_step")
    observed, less = step_costs(analysis), trace.costs(trace.plan(EventCosts(1e5, 1e5, 1e5)))
    for name in c.BUSY:
        assert less.causes[name].tolist() == pytest.approx(observed.causes[name].tolist(), abs=2 * len(c.BUSY)), name
    assert less.causes[c.LM_HEAD].all()


def test_a_diagnosis_leaves_the_candidate_as_it_was(tmp_path):
    """One that is set against several references says of each what it says of that alone."""
    made = []
    for decode in (Decode(**GPU_BOUND), Decode(host=60_000, gemm=500)):
        made.append(Undisturbed(analysis_of(tmp_path, decode), "decode_step"))
    reference, candidate = made
    assert candidate.program.usual_gap == 0 < reference.program.usual_gap
    before = [op.gap for op in candidate.program.ops]
    alone = candidate.lengths([candidate.unchanged])
    Replay.of(candidate.recording(candidate.unchanged)).diagnose(Replay.of(reference.recording(reference.unchanged)))
    assert [op.gap for op in candidate.program.ops] == before
    assert candidate.lengths([candidate.unchanged]) == alone

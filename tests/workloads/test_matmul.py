"""Matmul blocks on the CPU: every point asked for comes back with raw times, its error and why it stopped."""

import types

import numpy as np
import pytest
import torch

from bench.instruments.timing import Burst
from bench.presets import preset
from bench.run.plan import Layer, make_plan
from bench.schemes import ARMS, arm, linear_kernels
from bench.workloads import machine, matmul
from bench.workloads.matmul import is_lost
from bench.workloads.matmul_arms import ArmUnderTest, make_truth
from bench.workloads.sources import Source

SOURCE = Source("smoke", "smoke", "folder", "rev", "memorised")
OPTIONS = {"matmul_m": (1, 3), "matmul_seconds": 0.01, "max_copies": 3}


def block(kind, **changes):
    chosen = preset("smoke", OPTIONS | changes)
    blocks = make_plan(chosen, SOURCE, [Layer("q_proj", 64, 128, 6, True, bias=True)], "cpu", 0)
    return next(block for block in blocks if block.kind == kind)


@pytest.fixture(scope="module")
def outcomes():
    chosen = block("matmul")
    return list(matmul.run([request.case for request in chosen.requests], chosen.options))


def test_every_point_comes_back_once(outcomes):
    wanted = {request.case for request in block("matmul").requests}
    assert {outcome.case for outcome in outcomes} == wanted
    assert len(outcomes) == len(wanted)
    assert {outcome.status for outcome in outcomes} == {"ok"}


def test_times_are_raw_and_the_reason_to_stop_is_told(outcomes):
    for outcome in outcomes:
        values = {metric.name: metric.values for metric in outcome.metrics}
        assert len(values["forward_time"]) >= matmul.MIN_SAMPLES
        assert min(values["forward_time"]) > 0
        assert outcome.setup["stop"] in (matmul.NOISE, matmul.OWN_GOAL, "time limit", "sample limit")
        bursts = np.reshape(values["forward_time"], (-1, matmul.BURST)).mean(axis=1)
        error = bursts.std(ddof=1) / bursts.mean() / len(bursts) ** 0.5
        assert outcome.setup["relative_standard_error_reached"] == pytest.approx(error)
        assert (error <= outcome.setup["relative_standard_error_goal"]) == outcome.setup["stop"].startswith("noise")
        assert outcome.setup["arm"]["name"] == outcome.case.scheme
        assert "dispatch_time" in outcome.not_collected


def test_each_linear_has_its_error_and_schemes_order_as_their_bits_do(outcomes):
    errors = {
        outcome.case.scheme: {m.name: m.values for m in outcome.metrics}["relative_error"][0]
        for outcome in outcomes
        if outcome.case.op == "linear" and outcome.case.m == 3 and outcome.case.residency == "hot"
    }
    assert set(errors) == set(block("matmul").options and {r.case.scheme for r in block("matmul").requests})
    assert errors["fp32"] < errors["fp16"] < errors["bf16"] < errors["int8"] < errors["nf4"] < errors["fp4"]


def test_cold_points_rotate_and_say_when_that_was_not_enough(outcomes):
    cold = [outcome for outcome in outcomes if outcome.case.residency == "cold"]
    assert {outcome.setup["copies"] for outcome in cold} == {3}
    assert all("not-cold" in {finding.code for finding in outcome.findings} for outcome in cold)
    assert {outcome.setup["copies"] for outcome in outcomes if outcome.case.residency == "hot"} == {1}


def test_the_models_bias_is_added_and_recorded(outcomes):
    assert {outcome.setup["bias"] for outcome in outcomes} == {True}
    assert {outcome.not_collected["event_overhead"] for outcome in outcomes} == {"no CUDA events on the CPU"}


def test_which_4bit_kernel_ran_is_recorded(outcomes):
    for outcome in outcomes:
        told = outcome.setup.get("linears_4bit")
        assert bool(told) == (outcome.setup["arm"]["kind"] == "4bit" and outcome.case.op == "linear")
        assert told is None or told["path"] in (linear_kernels.PACKED, linear_kernels.DEQUANTISED)


@pytest.mark.parametrize("name", ["fp32", "fp16", "int8", "nf4", "int4-tinygemm"])
def test_an_arm_that_forgets_the_bias_is_wrong(name):
    """The float64 reference has it."""
    truth = make_truth(4, 64, 128, "cpu", 0, 0, bias=True)
    under_test = ArmUnderTest(arm(name), truth)
    right = matmul._errors(under_test, truth)(4)
    under_test.modules[0].bias = None
    assert matmul._errors(under_test, truth)(4) ** 2 == pytest.approx(right**2 + 0.1**2, rel=0.4)


def test_a_plan_from_before_biases_measures_without(monkeypatch):
    chosen = block("matmul", schemes=("fp16",), matmul_m=(1,))
    old = {name: value for name, value in chosen.options.items() if name != "bias"}
    outcomes = list(matmul.run([request.case for request in chosen.requests], old))
    assert {outcome.setup["bias"] for outcome in outcomes} == {False}


class WithEvents:
    """A timer whose times hold those of events."""

    def burst(self, call, count, *, hold):
        return Burst((5e-6,) * count, (1e-6,) * count)

    def event_overhead(self):
        return [1.25e-6, 1.25e-6, 1.28e-6]


def test_what_the_events_cost_is_recorded_beside_the_raw_times(monkeypatch):
    monkeypatch.setattr(matmul, "timer_for", lambda device: WithEvents())
    chosen = block("matmul", schemes=("fp16",), matmul_m=(1,))
    for outcome in matmul.run([request.case for request in chosen.requests], chosen.options):
        values = {metric.name: metric.values for metric in outcome.metrics}
        assert values["event_overhead"] == (1.25e-6, 1.25e-6, 1.28e-6)
        assert set(values["forward_time"]) == {5e-6}


class FakeTimer:
    """Notes whose turn it is; every call takes one second, so that a point stops after one burst."""

    def __init__(self):
        self.turns = []

    def burst(self, call, count, *, hold):
        if count == matmul.BURST:
            self.turns.append(call)
        return Burst((1.0,) * count)


def sampled(seed):
    points = [
        matmul.SampledCase(request.case, ArmUnderTest(arm("fp32"), make_truth(1, 8, 8, "cpu", 0, 0)), n, 1, None)
        for n, request in enumerate(block("matmul").requests)
    ]
    timer = FakeTimer()
    list(matmul._sample_all(points, timer, block("matmul").options, seed))
    return timer.turns


def test_the_order_is_random_and_follows_the_seed():
    first, again, other = (sampled(seed) for seed in (0, 0, 1))
    assert first == again != other
    assert sorted(first) == sorted(other)


def test_a_scheme_that_breaks_fails_alone(monkeypatch):
    def broken(linear, chosen):
        if chosen.name == "nf4":
            raise RuntimeError("no kernel for this\nmore text")
        return linear

    monkeypatch.setattr("bench.workloads.matmul_arms.quantised_linear", broken)
    chosen = block("matmul", schemes=("fp16", "nf4"))
    outcomes = list(matmul.run([request.case for request in chosen.requests], chosen.options))
    failed = {outcome.case.scheme for outcome in outcomes if outcome.status == "failed"}
    assert failed == {"nf4"}
    assert {outcome.reason for outcome in outcomes if outcome.status == "failed"} == {
        "RuntimeError: no kernel for this"
    }
    assert len(outcomes) == len(chosen.requests)


def is_it(case):
    return (case.scheme, case.m, case.residency, case.op) == ("nf4", 3, "hot", "linear")


def run_with_an_error(monkeypatch, error, where, after=1):
    """One point of many meets an error: while it is prepared, or at a burst after ``after`` good ones."""
    chosen = block("matmul", schemes=("fp16", "nf4"), relative_standard_error=1e-12, matmul_m=(3,))

    def prepare(case, *rest, whole=matmul._point):
        if where == "prepared" and is_it(case):
            raise error
        return whole(case, *rest)

    def sample(point, timer, whole=matmul.SampledCase.sample):
        if where == "sampled" and is_it(point.case) and len(point.forward) >= after * matmul.BURST:
            raise error
        whole(point, timer)

    monkeypatch.setattr(matmul, "_point", prepare)
    monkeypatch.setattr(matmul.SampledCase, "sample", sample)
    monkeypatch.setattr(matmul, "MIN_SAMPLES", 2 * matmul.BURST)
    return chosen, matmul.run([request.case for request in chosen.requests], chosen.options)


@pytest.mark.parametrize(
    ("where", "error", "reason"),
    [
        ("prepared", torch.OutOfMemoryError("CUDA out of memory. Tried 9 GiB"), "out of memory: CUDA out of memory"),
        ("sampled", MemoryError(), "out of memory on the host: "),
        ("sampled", KeyError("state"), "KeyError: 'state'"),
    ],
    ids=("prepared", "no memory", "sampled"),
)
def test_an_error_fails_its_point_alone(monkeypatch, where, error, reason):
    chosen, running = run_with_an_error(monkeypatch, error, where)
    outcomes = list(running)
    assert {outcome.case for outcome in outcomes} == {request.case for request in chosen.requests}
    (failed,) = [outcome for outcome in outcomes if outcome.status != "ok"]
    assert is_it(failed.case)
    assert (failed.status, failed.reason.startswith(reason)) == ("failed", True)
    assert failed.setup["arm"]["name"] == "nf4"


@pytest.mark.parametrize("where", ["prepared", "sampled"])
def test_an_error_that_takes_the_device_along_ends_the_block(monkeypatch, where):
    monkeypatch.setattr(matmul, "is_lost", lambda device: True)
    _, running = run_with_an_error(monkeypatch, RuntimeError("CUDA error: an illegal memory access"), where)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        list(running)


def test_a_device_that_answers_nothing_more_is_lost(monkeypatch):
    def dead():
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(torch.cuda, "synchronize", dead)
    assert is_lost("cuda")
    assert not is_lost("cpu")
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    assert not is_lost("cuda")


@pytest.mark.gpu
def test_a_gpu_without_memory_for_one_thing_is_not_lost():
    with pytest.raises(torch.OutOfMemoryError):
        torch.empty(1 << 45, device="cuda")
    assert not is_lost("cuda")


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("name", [name for name in ARMS if ARMS[name].kind == "int8"])
def test_the_steps_of_int8_alone_make_the_whole(name, bias):
    """quantise → product → dequantise, which adds the bias, must equal the module without outliers."""
    truth = make_truth(4, 64, 128, "cpu", 0, 6, bias=bias)
    under_test = ArmUnderTest(arm(name), truth)
    x = under_test.input(4)
    codes, scales, _ = under_test.operation("quantise_activations", 4)(x)
    assert codes.dtype == torch.int8
    assert scales.shape == (4,)
    assert under_test.operation("gemm", 4)(x).shape == (4, 64)
    if not arm(name).planted_columns:
        whole = under_test.modules[0](x)
        # A bfloat16 model rounds the float16 product once more, in an order of its own.
        exact = {"rtol": 0.0, "atol": 0.0} if whole.dtype is torch.float16 else {"rtol": 1e-2, "atol": 1e-2}
        torch.testing.assert_close(under_test.operation("dequantise", 4)(x).to(whole.dtype), whole, **exact)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("name", ["nf4", "fp4", "nf4-dq"])
def test_the_steps_of_4bit_alone_make_the_whole(name, bias):
    truth = make_truth(4, 64, 128, "cpu", 0, 6, bias=bias)
    under_test = ArmUnderTest(arm(name), truth)
    dense = under_test.operation("dequantise", 4)(None)
    assert dense.shape == (64, 128)
    x = under_test.input(4)
    torch.testing.assert_close(under_test.operation("gemm", 4)(x), under_test.modules[0](x), rtol=2e-2, atol=2e-2)


def test_planted_inputs_have_exactly_the_outlier_columns_and_the_same_product():
    truth = make_truth(8, 32, 128, "cpu", 0, 6)
    columns = (truth.planted_x.abs() >= 6).any(dim=0)
    assert int(columns.sum()) == 6
    assert int((truth.x.abs() >= 6).any(dim=0).sum()) == 0


def test_rotation_visits_every_copy_and_copies_have_memory_of_their_own():
    under_test = ArmUnderTest(arm("nf4"), make_truth(1, 64, 128, "cpu", 0, 6))
    under_test.rotate_through(3)
    assert len({module.weight.data_ptr() for module in under_test.modules}) == 3
    seen = []
    for place, module in enumerate(under_test.modules):
        module.forward = lambda x, place=place: seen.append(place)
    rotate = under_test.operation("linear", 1)
    for _ in range(7):
        rotate(None)
    assert seen == [0, 1, 2, 0, 1, 2, 0]


def test_the_machines_ceilings_are_raw_times_with_their_sizes():
    chosen = block("machine")
    outcomes = list(machine.run([request.case for request in chosen.requests]))
    assert {outcome.setup["dtype"] for outcome in outcomes} == {"float32", "float16"}
    for outcome in outcomes:
        assert outcome.setup["gemm_flop"] == 2 * outcome.setup["gemm_size"] ** 3
        assert {metric.name for metric in outcome.metrics} == {"copy_time", "gemm_time"}


@pytest.mark.gpu
def test_matmul_points_on_a_gpu():
    cases = [request.case for request in block("matmul").requests]
    moved = [type(case)(**(case.coordinates() | {"device": "cuda"})) for case in cases]
    outcomes = list(matmul.run(moved, block("matmul").options))
    assert {outcome.status for outcome in outcomes} == {"ok"}
    assert all(any(metric.name == "dispatch_time" for metric in outcome.metrics) for outcome in outcomes)


class Bursts:
    """A timer whose bursts have these means (s), the calls of one all alike."""

    def __init__(self, means):
        self.means = iter(means)

    def burst(self, call, count, *, hold):
        return Burst((1.0 if count == matmul.PRIMING_CALLS else next(self.means),) * count)


def stopped(means, target=0.005, seconds=1e9):
    """Why a point with these bursts stops, after how many of them, and its goal."""
    point = matmul.SampledCase(None, types.SimpleNamespace(synchronises=False), None, 1, None)
    timer = Bursts(means)
    why = None
    while why is None:
        point.sample(timer)
        why = point.stop(target, seconds)
    return why, len(point.forward) // matmul.BURST, point.goal


def test_a_point_stops_by_the_noise_of_its_bursts():
    """The calls of a burst agree to the last digit here: they say nothing of the error."""
    assert stopped([1.0] * 9) == (matmul.NOISE, 3, 0.005)
    ends = [stopped(np.random.default_rng(seed).normal(1, 0.01, 99)) for seed in range(50)]
    assert sum(end[0] == matmul.NOISE for end in ends) > 40
    assert 3 < np.mean([bursts for _, bursts, _ in ends]) <= 8


@pytest.mark.parametrize("spread", [0.05, 0.2])
def test_a_point_whose_goal_is_out_of_reach_gets_one_of_its_own(spread):
    """Most points end by noise, within the calls that they are allowed, and say by which goal."""
    ends = [stopped(np.random.default_rng(seed).normal(1, spread, 99)) for seed in range(200)]
    by_noise = [end for end in ends if end[0] in (matmul.NOISE, matmul.OWN_GOAL)]
    assert len(by_noise) > 0.6 * len(ends)
    assert all(bursts <= matmul.MAX_SAMPLES / matmul.BURST for _, bursts, _ in ends)
    goals = [goal for _, _, goal in ends]
    assert np.median(goals) == pytest.approx(spread / (matmul.GOAL_WITHIN * 20) ** 0.5, rel=0.3)


def test_a_point_without_time_stops_by_its_limit():
    assert stopped([1.0, 1.5, 0.5, 1.2], seconds=0.0)[:2] == ("time limit", 3)

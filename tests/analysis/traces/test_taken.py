"""Which steps of a trace are taken, and whose, where nobody says: and what is refused, with what is offered instead."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from bench.analysis.ledger.read import step_costs
from bench.analysis.timeline import Analysis
from bench.analysis.traces.taken import INFERRED, WHOLE, Wanted, taken
from bench.record import causes as c
from bench.record.errors import RecordError
from profiling.summarize import read_timeline
from tests.foreign_traces import Story, steady


def of(story, tmp_path, *, nsys=False, wanted=None, **more):
    path = story.nsys(tmp_path / "t.sqlite") if nsys else story.kineto(tmp_path / "t.json", **more)
    return taken(Analysis(read_timeline(path)), wanted or Wanted())


def per_step(found):
    """(steps, ms per step by cause)."""
    costs = step_costs(found.analysis, found.step_range)
    means = {name: float(column.mean()) * 1e-6 for name, column in costs.causes.items() if column.any()}
    return costs.steps, {name: pytest.approx(ms, abs=1e-6) for name, ms in means.items()}


SERVING = [f"execute_32_context_0(sq0sk0)_generation_32(sq32sk{500 + 32 * n})" for n in range(4)]


@pytest.mark.parametrize(
    ("names", "label"),
    [
        (["decode_step"] * 4, "decode_step"),
        ([f"ProfilerStep#{n}" for n in range(4)], "ProfilerStep"),
        (SERVING, "execute_32_context_0(sq0sk0)_generation_32(sq32sk*)"),
        ([f"step[DECODE bs=32 toks={32 + n}]" for n in range(4)], "step[DECODE bs=32 toks=*]"),
        (["my own loop"] * 4, "my own loop"),
    ],
)
def test_steps_are_found_by_themselves(tmp_path, names, label):
    found = of(steady(names), tmp_path)
    assert found.step_range == label and "4 steps" in found.said and label in found.said
    assert per_step(found) == (4, {c.GEMM: 0.3, c.HOST_GAP: 0.7})


def test_what_emit_nvtx_appends_is_no_part_of_a_name(tmp_path):
    names = [f"decode_step, seq = {n}, op_id = {300 + n}, sizes = [[1, {n}]]" for n in range(4)]
    found = of(steady(names), tmp_path, nsys=True)
    assert found.step_range == "decode_step"
    assert per_step(found) == (4, {c.GEMM: 0.3, c.HOST_GAP: 0.7})


@pytest.mark.parametrize("category", ["Operator", "cpu_op"])
def test_steps_that_old_versions_keep_among_the_operators(tmp_path, category):
    found = of(steady([f"ProfilerStep#{n}" for n in range(3)]), tmp_path, range_category=category)
    assert found.step_range == "ProfilerStep" and per_step(found)[0] == 3


def test_a_pattern_takes_all_that_it_fits(tmp_path):
    found = of(steady(SERVING), tmp_path, wanted=Wanted("execute_*"))
    assert found.step_range == "execute_*" and per_step(found) == (4, {c.GEMM: 0.3, c.HOST_GAP: 0.7})
    brackets = of(steady([f"step[DECODE bs={n}]" for n in range(3)]), tmp_path, wanted=Wanted("step[DECODE bs=?]"))
    assert per_step(brackets)[0] == 3, "brackets are no pattern"


def test_parts_of_a_step_are_not_its_steps(tmp_path):
    story = steady([f"ProfilerStep#{n}" for n in range(3)])
    for part in range(10):
        for step in range(3):
            story.range(f"## part {part} ##", 1010 + 1000 * step + part * 90, 80)
    assert of(story, tmp_path).step_range == "ProfilerStep"


def test_ranges_that_ask_for_nothing_are_no_steps(tmp_path):
    story = Story()
    for step in range(4):
        story.range("tokenize", 1000 + step * 1000, 600).range("forward", 1600 + step * 1000, 400)
        story.kernel("toy_gemm", 1610 + step * 1000, 1650 + step * 1000, 300)
    assert of(story, tmp_path).step_range == "forward"


def test_steps_of_other_sizes_are_left_out_and_it_is_said(tmp_path):
    names = ["execute_544_context_1(sq512sk512)_generation_32(sq32sk500)", *SERVING]
    found = of(steady(names), tmp_path)
    assert "4 of 5 steps" in found.said and "execute_32" in found.said
    assert any("execute_544" in note for note in found.notes)
    assert per_step(found)[0] == 4


def test_a_first_step_that_is_unlike_is_left_out(tmp_path):
    story = steady(["ProfilerStep#0"], step=5000)
    for number in range(1, 4):
        start = 5000 + number * 1000
        story.range(f"ProfilerStep#{number}", start, 1000).kernel("toy_gemm", start + 20, start + 100, 300)
    found = of(story, tmp_path)
    assert "3 of 4 steps" in found.said and any("×5.00" in note for note in found.notes)
    assert per_step(found) == (3, {c.GEMM: 0.3, c.HOST_GAP: 0.7})


@pytest.mark.parametrize("api", ["cudaGraphLaunch", "hipGraphLaunch", "cudaLaunchKernel"])
def test_steps_that_run_behind_the_host(tmp_path, api):
    story = Story()
    for step in range(5):
        called = 1000 + 900 * step
        story.range("decode_step", called, 300)
        story.kernel("toy_gemm", called + 50, called + 900, 100, api=api, took=100, nodes=9)
    found = of(story, tmp_path)
    assert any("behind the host" in note for note in found.notes)
    assert per_step(found) == (4, {c.GEMM: 0.9})


def two_ranks(tmp_path, **wanted):
    story = Story()
    for step in range(4):
        start = 10_000 * step
        story.range("decode_step", start, 10_000, 1).kernel("rank0_gemm", start + 100, start + 500, 2000, pid=1)
        story.kernel("rank1_softmax", start + 100, start, 10_000, pid=2, device=1)
    return of(story, tmp_path, nsys=True, wanted=Wanted(**wanted))


def test_no_kernel_of_another_process_is_in_a_step(tmp_path):
    found = two_ranks(tmp_path)
    assert per_step(found) == (4, {c.GEMM: 2.0, c.HOST_GAP: 8.0})
    assert any("rank 0 (process 100, GPU 0)" in note and "rank 1 (process 200, GPU 1)" in note for note in found.notes)


def test_a_rank_is_taken_where_nothing_of_the_hosts_was_recorded(tmp_path):
    story = Story()
    for step in range(4):
        for rank, length in ((0, 100), (1, 300)):
            story.kernel("toy_gemm", 1000 * step, 1000 * step + 500, length, pid=rank + 1, device=rank)
    path = story.nsys(tmp_path / "t.sqlite")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TABLE CUPTI_ACTIVITY_KIND_RUNTIME")
    found = taken(Analysis(read_timeline(path)), Wanted(rank=1, whole=True))
    assert per_step(found) == (1, {c.GEMM: 1.2, c.HOST_GAP: 2.1}) and found.analysis.devices == [1]
    assert any("rank 1 (GPU 1) is taken" in note for note in found.notes)


def test_a_rank_without_steps_and_one_that_is_not_there_are_refused(tmp_path):
    with pytest.raises(RecordError, match="no range 'decode_step'"):
        two_ranks(tmp_path, step_range="decode_step", rank=1)
    with pytest.raises(RecordError, match="no rank 2: it has rank 0"):
        two_ranks(tmp_path, rank=2)
    with pytest.raises(RecordError, match="no work on GPU 3: it has work on GPU 0, 1"):
        two_ranks(tmp_path, device=3)


@pytest.mark.parametrize(("wanted", "gemm"), [({}, 2.0), ({"rank": 1}, 3.0), ({"device": 1}, 3.0)])
def test_steps_of_two_ranks_overlap_and_one_is_taken(tmp_path, wanted, gemm):
    story = Story()
    for pid, length in ((1, 2000), (2, 3000)):
        for step in range(3):
            start = 10_000 * step + 1000 * pid
            story.range("decode_step", start, 9000, pid)
            story.kernel("rank_gemm", start + 100, start + 1000, length, pid=pid, device=pid - 1)
    found = of(story, tmp_path, nsys=True, wanted=Wanted(**wanted))
    assert per_step(found) == (3, {c.GEMM: gemm, c.HOST_GAP: 9.0 - gemm})


def test_a_process_that_only_schedules_takes_no_steps_from_the_one_that_works(tmp_path):
    story = steady(["worker step"] * 4, pid=2)
    for step in range(4):
        story.range("engine step", 1000 + step * 1000, 1000, 3)
    assert of(story, tmp_path, nsys=True).step_range == "worker step"


def test_the_whole_trace_as_one_step(tmp_path):
    found = of(steady(["a", "b"]), tmp_path, wanted=Wanted(whole=True))
    assert found.step_range == WHOLE
    steps, causes = per_step(found)
    assert steps == 1 and causes == {c.GEMM: 0.6, c.HOST_GAP: 1.4}


def sequence(steps=8, layers=6, *, gap=200.0):
    """Steps without any range: an embedding, layers of two kernels each, a sampler; then the host chooses."""
    story, host, gpu = Story(), 1000.0, 1100.0
    for _ in range(steps):
        for name in ("embedding", *("toy_gemm", "toy_norm") * layers, "argmax"):
            story.kernel(name, host, max(gpu, host + 10), 20)
            gpu = max(gpu, host + 10) + 20
            host += 10
        host = gpu + gap
    return story


@pytest.mark.parametrize("nsys", [False, True])
def test_steps_are_inferred_from_kernels_that_repeat(tmp_path, nsys):
    found = of(sequence(), tmp_path, nsys=nsys)
    assert found.inferred and found.step_range == INFERRED and any("inferred" in note for note in found.notes)
    steps, causes = per_step(found)
    assert steps >= 7
    assert causes[c.GEMM] == 0.12 and causes[c.SAMPLING] == 0.02


def test_a_layer_is_not_taken_for_a_step(tmp_path):
    found = of(sequence(layers=40), tmp_path)
    assert per_step(found)[1][c.GEMM] == 0.8


def test_layers_of_a_trace_of_one_step_are_no_steps(tmp_path):
    story = Story()
    for layer in range(28):
        for place, name in enumerate(("toy_norm", "toy_gemm", "toy_attention")):
            story.kernel(name, 1000 + 30 * layer + 10 * place, 1020 + 30 * layer + 10 * place, 10)
    with pytest.raises(RecordError, match="do not repeat"):
        of(story, tmp_path)
    story.kernel("argmax", 1900, 1950, 20)
    with pytest.raises(RecordError, match="do not repeat"):
        of(story, tmp_path)


def test_layers_inside_one_graph_launch_are_no_steps(tmp_path):
    story = Story()
    for name in ("toy_gemm", "argmax") * 20:
        story.kernel(name, 1000, 1000 + 10 * len(story.kernels), 10)
    story.kernels = [(n, s, d, dev, 1, p, i) for i, (n, s, d, dev, _, p, _) in enumerate(story.kernels)]
    with pytest.raises(RecordError, match="do not repeat"):
        of(story, tmp_path)


def test_kernels_that_do_not_repeat_are_refused_with_how_to_record(tmp_path):
    story = Story()
    for number in range(40):
        story.kernel(f"kernel_{'abcdefghij'[number * number % 10]}_{number % 7}", 10.0 * number, 10.0 * number + 5, 5)
    with pytest.raises(RecordError, match=r"record_function.*--steps whole"):
        of(story, tmp_path)


def test_the_refusal_offers_the_likeliest_steps(tmp_path):
    story = steady([f"ProfilerStep#{n}" for n in range(3)])
    for letter in "abcdefghij":
        for step in range(3):
            story.range(f"## part {letter} ##", 1010 + 1000 * step, 80)
    with pytest.raises(RecordError, match=r"no range 'decode_step': its likely steps are 'ProfilerStep' \(3"):
        of(story, tmp_path, wanted=Wanted("decode_step"))


def test_steps_that_cross_are_refused(tmp_path):
    story = steady(["decode_step"] * 3)
    story.range("decode_step", 1500, 1000, tid=2)
    with pytest.raises(RecordError, match="overlap"):
        of(story, tmp_path)


def test_our_own_steps_are_all_taken(tmp_path):
    story = steady(["decode_step"], step=5000)
    for number in range(1, 4):
        start = 5000 + number * 1000
        story.range("decode_step", start, 1000).kernel("toy_gemm", start + 20, start + 100, 300)
    path = story.kineto(tmp_path / "t.json")
    analysis = Analysis(read_timeline(path))
    found = taken(analysis, Wanted(), own=True)
    assert found.analysis is analysis and per_step(found)[0] == 4

"""Steps of several sizes under one name, as of an engine that processes prompts in some of its steps."""

from __future__ import annotations

import json

import pytest

from bench.cli import main
from tests.foreign_traces import Story

STEPS = 24


def story(gemm, every, *, comm=0.0, copy=0.0):
    """In each ``every``-th step (of 0: in none) the product takes four times as long. With ``comm`` and ``copy`` these
    take twenty times as long there, and the product does not."""
    made, at = Story(), 1000.0
    for step in range(STEPS):
        large = bool(every) and step % every == every - 1
        length = gemm * (4 if large and not comm else 1)
        made.range("run_batch", at, 4000).kernel("toy_gemm", at + 20, at + 40, length)
        if comm:
            made.kernel("ncclDevKernel_AllReduce", at + 30, at + 40 + length, comm * (20 if large else 1))
            made.copy("HtoD", at + 35, at + 2000, copy * (20 if large else 1), 1000)
        at += 4000
    return made


def explained(tmp_path, capsys, one, other, *options):
    paths = [str(each.kineto(tmp_path / f"{name}.json")) for name, each in (("a", one), ("b", other))]
    assert main(["explain", "--reference", paths[0], "--candidate", paths[1], "--json", *options]) == 0
    told = json.loads(capsys.readouterr().out)
    (pair,) = told["pairs"]
    lines = {line["cause"]: line["scheme_ms"] - line["reference_ms"] for line in pair["recorded"]["lines"]}
    return pair, lines, [finding["code"] for finding in told["findings"]]


@pytest.mark.parametrize("every", [(4, 3), (4, 0), (3, 3)])
@pytest.mark.parametrize("added", [0.0, 0.1])
def test_large_steps_are_left_out_where_most_are_small(tmp_path, capsys, every, added):
    pair, lines, codes = explained(tmp_path, capsys, story(300, every[0]), story(300 + 1000 * added, every[1]))
    assert lines["gemm"] == pytest.approx(added) and "mixed-steps" not in codes
    count = STEPS // every[0]
    assert pair["taken"][0]["notes"] == [
        f"at {count} of {STEPS} steps the GPU works ×4 the usual time, as where prompts are in them: they are left out"
    ]


@pytest.mark.parametrize(("every", "said"), [((4, 3), True), ((4, 4), False)])
def test_of_ranges_that_the_user_names_all_are_taken_and_a_mixture_is_said(tmp_path, capsys, every, said):
    pair, _, codes = explained(tmp_path, capsys, *(story(300, n) for n in every), "--step-range", "run_batch")
    assert pair["steps"] == [STEPS, STEPS] and ("mixed-steps" in codes) == said


def test_without_a_majority_all_are_taken(tmp_path, capsys):
    pair, _, codes = explained(tmp_path, capsys, story(300, 2), story(300, 0))
    assert pair["steps"] == [STEPS, STEPS] and "mixed-steps" in codes


@pytest.mark.parametrize("at", [6, 18])
def test_a_gpu_that_slows_down_on_the_way_is_no_mixture(tmp_path, capsys, at):
    late = story(300, 0)
    late.kernels = [(*row[:2], row[2] * (2 if place >= at else 1), *row[3:]) for place, row in enumerate(late.kernels)]
    pair, lines, codes = explained(tmp_path, capsys, story(300, 0), late)
    assert pair["steps"] == [STEPS, STEPS] and "mixed-steps" not in codes
    assert lines["gemm"] == pytest.approx(0.3 * (STEPS - at) / STEPS)


def test_prompts_that_come_first_are_left_out(tmp_path, capsys):
    late = story(300, 0)
    late.kernels = [(*row[:2], row[2] * (4 if place < 3 else 1), *row[3:]) for place, row in enumerate(late.kernels)]
    pair, lines, codes = explained(tmp_path, capsys, story(300, 0), late)
    assert lines["gemm"] == pytest.approx(0) and pair["steps"] == [STEPS, STEPS - 3] and not codes


def test_lengths_that_grow_step_by_step_are_one_size(tmp_path, capsys):
    made, at = Story(), 1000.0
    for step in range(STEPS):
        made.range("run_batch", at, 4000).kernel("toy_gemm", at + 20, at + 40, 100 + 20 * step)
        at += 4000
    pair, _, codes = explained(tmp_path, capsys, made, made)
    assert pair["steps"] == [STEPS, STEPS] and "mixed-steps" not in codes


def test_exchange_that_waits_and_copies_of_some_steps_stay_in(tmp_path, capsys):
    both = (story(300, every, comm=50, copy=20) for every in (0, 4))
    pair, lines, codes = explained(tmp_path, capsys, *both)
    assert pair["steps"] == [STEPS, STEPS] and "mixed-steps" not in codes
    assert lines["communication"] == pytest.approx(0.05 * 19 / 4) and lines["memcpy"] == pytest.approx(0.02 * 19 / 4)


def test_a_difference_that_may_be_none_is_not_told_as_sure(tmp_path, capsys):
    paths = [str(story(300, n).kineto(tmp_path / f"{n}.json")) for n in (4, 3)]
    options = ["--step-range", "run_batch"]
    assert main(["explain", "--reference", paths[0], "--candidate", paths[1], *options]) == 0
    assert "Matrix products: +0.075 ms of GPU work per step. Not sure." in capsys.readouterr().out

"""Sizes in the names of steps: like is set against like, and what only counts parts of a step is no size."""

from __future__ import annotations

import json

import pytest

from bench.analysis.ledger.read import step_costs
from bench.analysis.timeline import Analysis
from bench.analysis.traces.sizes import are_parts, by_size, common_size, same_size
from bench.analysis.traces.taken import Wanted, taken
from bench.cli import main
from profiling.summarize import read_timeline
from tests.foreign_traces import Story

DECODE, MIXED = "execute_context_0(0)_generation_32(32)", "execute_context_1(512)_generation_32(32)"


def engine(steps, path, *, behind=0.0):
    """Steps (name, us of the product) that wait for their work; with ``behind``, us by which the GPU lags at first,
    they do not, and last 300 us."""
    story, host, gpu = Story(), 1000.0, 1030.0 + behind
    for name, work in steps:
        length = 300 if behind else work + 100
        story.range(name, host, length)
        gpu = max(gpu, host + 30)
        story.kernel("toy_gemm", host + 10, gpu, work)
        gpu += work
        host = max(host + length, gpu - behind)
    return story.kineto(path)


def gemm(path, wanted):
    found = taken(Analysis(read_timeline(path)), wanted)
    costs = step_costs(found.analysis, found.step_range)
    return found, costs.steps, float(costs.causes["gemm"].mean()) * 1e-6


@pytest.mark.parametrize("wanted", [Wanted(), Wanted("execute_context_0*")])
def test_work_of_steps_of_another_size_is_in_no_step(tmp_path, wanted):
    """The GPU is a millisecond behind: a mixed step's product still runs when the next decode step begins."""
    steps = [(DECODE, 800), (MIXED, 700)] * 6 if wanted.step_range is None else [(DECODE, 800), (MIXED, 3000)] * 6
    found, count, ms = gemm(engine(steps, tmp_path / "t.json", behind=1000), wanted)
    assert "context_0" in found.step_range and count >= 5 and ms == pytest.approx(0.8)


def pair(tmp_path, capsys, one, other, *more):
    files = engine(one, tmp_path / "a.json"), engine(other, tmp_path / "b.json")
    arguments = ["explain", "--reference", str(files[0]), "--candidate", str(files[1]), *more]
    assert main([*arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert main([*arguments, "-v"]) == 0
    text = " ".join(capsys.readouterr().out.replace("\\\n", " ").split())
    return document["pairs"][0], document["findings"], text


def test_the_size_that_both_have_is_taken(tmp_path, capsys):
    """Most of the first trace's time is prefill mixed with decoding, of which the second has nothing."""
    mixed, plain = [(DECODE, 400), (MIXED, 1500)] * 6, [(DECODE, 500)] * 8
    found, findings, text = pair(tmp_path, capsys, mixed, plain)
    assert [each["steps"] for each in found["taken"]] == [DECODE, DECODE] and not findings
    (line,) = [each for each in found["recorded"]["lines"] if each["cause"] == "gemm"]
    assert line["delta_ms"] == pytest.approx(0.1)
    assert "since the other trace has steps of that size too" in text
    found, _, text = pair(tmp_path, capsys, plain, [(name, 1.5 * work) for name, work in mixed])
    assert [each["steps"] for each in found["taken"]] == [DECODE, DECODE]
    assert f"whatif {tmp_path}/b.json --step-range '{DECODE}' --remove gemm" in text, "the same steps again"


def test_sizes_that_only_one_has_are_said_to_differ(tmp_path, capsys):
    found, findings, _ = pair(tmp_path, capsys, [(DECODE, 400)] * 6, [(MIXED, 1500)] * 6 + [(DECODE, 400)] * 2)
    assert [each["steps"] for each in found["taken"]] == [DECODE, MIXED]
    assert [each["code"] for each in findings] == ["unlike"] and "sizes in the names" in findings[0]["evidence"]


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("run 32 at 7", "run 32 at *", True),
        ("run 32 at *", "run 16 at *", False),
        ("run 32", "step 32", False),
        ("decode_step", "decode_step", True),
        ("a*b3", "a1b3", True),
    ],
)
def test_names_of_one_size(one, other, alike):
    assert same_size(one, other) is same_size(other, one) is alike


def ranges(names, path, *, length=100.0):
    story = Story()
    for number, name in enumerate(names):
        story.range(name, 1000 + number * length, length)
        story.kernel("toy_gemm", 1005 + number * length, 1010 + number * length, length / 2)
    timeline = read_timeline(story.kineto(path))
    return timeline, timeline.ranges.start.argsort()


def test_groups_hold_each_step_once(tmp_path):
    timeline, rows = ranges([f"bs {2 + n % 3 // 2} step {n}" for n in range(9)], tmp_path / "t.json")
    groups = by_size(timeline, rows)
    assert [(group.label, len(group.rows), group.total) for group in groups] == [
        ("bs 2 step *", 6, 600_000),
        ("bs 3 step *", 3, 300_000),
    ]
    assert common_size(groups, groups) is None and common_size(groups, ()) is None
    assert common_size(groups, groups[1:]) == ("bs 3 step *", "bs 3 step *")


LAYERS = [f"layers.{n}" for n in range(4)]


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (LAYERS * 3, True),
        ([*LAYERS[2:], *LAYERS * 3], True),
        (LAYERS, False),
        ([f"step {n}" for n in range(12)], False),
        (["batch 0", "batch 1"] * 4, False),
        (["batch 8", "batch 7", "batch 9"] * 4, False),
        (["decode_step"] * 4, False),
        ([f"rank 0 layer {n % 4}" for n in range(12)], True),
        ([f"layer {n % 4} of step {n // 4}" for n in range(12)], False),
    ],
)
def test_what_counts_up_again_and_again_is_a_part_of_a_step(tmp_path, names, parts):
    assert are_parts(*ranges(names, tmp_path / "t.json")) is parts


@pytest.mark.parametrize("layers", [4, 40])
def test_a_step_of_layers_lasts_to_its_next_first_layer(tmp_path, capsys, layers):
    story = Story()
    for step in range(6):
        for layer in range(layers):
            at = 1000 + (step * (layers + 1) + layer) * 100
            story.range(f"layers.{layer}", at, 100).kernel("toy_gemm", at + 5, at + 10, 50)
        at = 1000 + (step * (layers + 1) + layers) * 100
        story.kernel("argmax", at + 5, at + 10, 20)
    path = str(story.kineto(tmp_path / "t.json"))
    assert main(["explain", "--reference", path, "--candidate", path, "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["pairs"]
    assert found["steps"] == [5, 5] and found["recorded"]["wall_ms"]["scheme"] == pytest.approx(0.1 * (layers + 1))
    told = found["taken"][1]["notes"]
    assert any("parts of a step, which begins with 'layers.0'" in note for note in told)
    assert not any("other sizes" in note for note in told)

"""Traces whose tool lost kernels, or their lengths, or saw no GPU: what is missing must not look fast."""

from __future__ import annotations

import json

import pytest

from bench.cli import main
from tests.foreign_traces import Story

STEPS, PARTS = 10, 12


def story():
    made = Story()
    for step in range(STEPS):
        start = 1000 + 1000 * step
        made.range("decode_step", start, 990)
        for part in range(PARTS):
            made.kernel("toy_gemm", start + 20 + 10 * part, start + 200 + 30 * part, 25)
    return made


def explained(tmp_path, capsys, one, other):
    paths = [str(each.kineto(tmp_path / f"{name}.json")) for name, each in (("a", one), ("b", other))]
    assert main(["explain", "--reference", paths[0], "--candidate", paths[1], "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    return told["pairs"][0], {each["code"]: each["message"] for each in told["findings"]}


def every_third(rows):
    return [row for place, row in enumerate(rows) if place % 3]


DAMAGE = {
    "40 of 120 launches have no kernel in it": lambda made: setattr(made, "kernels", every_third(made.kernels)),
    "40 of 120 kernels take no time in it": lambda made: setattr(
        made,
        "kernels",
        [(*row[:2], row[2] if place % 3 else 0, *row[3:]) for place, row in enumerate(made.kernels)],
    ),
}


@pytest.mark.parametrize("said", DAMAGE)
def test_what_is_lost_is_said_and_nothing_is_sure(tmp_path, capsys, said):
    made = story()
    DAMAGE[said](made)
    for both, name in (((story(), made), "candidate"), ((made, story()), "reference")):
        pair, findings = explained(tmp_path, capsys, *both)
        assert findings["lost-work"].startswith(f"the {name}'s trace lacks a part of its GPU work")
        assert findings["lost-work"].endswith(said)
        assert pair["verdict"] is None and all(line["ci"] in (None, [None, None]) for line in pair["recorded"]["lines"])


def test_whole_traces_and_those_whose_ids_do_not_tell_have_lost_nothing(tmp_path, capsys):
    for other in (story(), story().renumbered(lambda _: 0)):
        assert "lost-work" not in explained(tmp_path, capsys, story(), other)[1]


def test_kernels_of_a_graph_with_other_ids_are_not_lost(tmp_path, capsys):
    made = story()
    for step in range(STEPS):
        made.kernel("toy_gemm", 1200 + 1000 * step, 1600 + 1000 * step, 30, api="hipGraphLaunch")
        made.kernels[-1] = (*made.kernels[-1][:4], 0, *made.kernels[-1][5:])
    assert "lost-work" not in explained(tmp_path, capsys, made, made)[1]


def test_events_that_stand_twice_are_no_steps_beside_each_other(tmp_path, capsys):
    made, twice = story(), story()
    twice.ranges, twice.calls, twice.kernels = twice.ranges * 2, twice.calls * 2, twice.kernels * 2
    (gemm, *_) = explained(tmp_path, capsys, made, twice)[0]["recorded"]["lines"]
    assert gemm["scheme_ms"] == gemm["reference_ms"] == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("operator", "unseen"),
    [
        ("aten::_flash_attention_forward", True),
        ("aten::_mps_linear", True),
        ("aten::_scaled_dot_product_attention_math_for_mps", True),
        ("aten::cudnn_batch_norm", True),
        ("aten::_scaled_dot_product_flash_attention_for_cpu", False),
        ("aten::linear", False),
    ],
)
def test_a_gpu_whose_work_is_in_no_trace_is_said(tmp_path, capsys, operator, unseen):
    made = Story()
    for step in range(STEPS):
        made.range("decode_step", 1000 + 1000 * step, 990).operator(operator, 1010 + 1000 * step, 500)
    pair, findings = explained(tmp_path, capsys, made, made)
    assert ("gpu-unseen" in findings) == unseen
    assert not unseen or all(line["ci"] in (None, [None, None]) for line in pair["recorded"]["lines"])


def test_launches_of_which_no_kernel_was_recorded(tmp_path, capsys):
    made = story()
    made.kernels = []
    for step in range(STEPS):
        made.operator("aten::linear", 1010 + 1000 * step, 500)
    _, findings = explained(tmp_path, capsys, made, made)
    assert findings["gpu-unseen"].startswith(
        "a GPU worked, and its work is not in the trace of the reference and the ca"
    )

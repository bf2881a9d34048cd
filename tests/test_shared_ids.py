"""Traces whose correlation ids are not unique, as users explain and sum them up: all 0, or counted anew in each step.

What is true of them is summed up here from the rows that were planted.
"""

from __future__ import annotations

import json

import numpy as np
import pytest

from bench.analysis.timeline import Analysis
from bench.cli import main
from profiling.cli import main as profile
from profiling.summarize import read_timeline
from tests.foreign_traces import Story

STEPS, STEP_US, COPIES = 4, 1000, 2
IDS = {"unique": lambda n: n, "zero": lambda n: 0, "anew": lambda n: (n - 1) % (2 + COPIES) + 1}
NOTES = {
    "unique": "",
    "zero": "8 of 8 kernels are joined to no call that launched them",
    "anew": "8 of 8 kernels have a correlation id that several calls have: they are joined to these in turn, by time",
}


def story(gemm: float) -> Story:
    """Steps of a product, an addition and copies, one after the other, each with its call."""
    made = Story()
    for step in range(STEPS):
        start = 1000 + step * STEP_US
        made.range("decode_step", start, STEP_US).range("attention", start + 10, 40)
        made.operator("aten::mm", start + 15, 20).kernel("toy_gemm", start + 20, start + 100, gemm)
        made.operator("aten::add", start + 60, 30).kernel("elementwise_kernel", start + 65, start + 600, 100)
        for copy in range(COPIES):
            made.copy("DtoH", start + 720 + 60 * copy, start + 740 + 60 * copy, 20, 4)
    return made


def ahead(gemm: float) -> Story:
    """A host that asks for all steps in their first millisecond, while the GPU does one a millisecond."""
    made, late = story(gemm), Story()
    for name, start, length, pid, tid in made.ranges:
        step = (start - 1000) // STEP_US
        late.ranges.append((name, start - step * STEP_US * 0.95, length * 0.05, pid, tid))
    late.calls = [(n, c - (c - 1000) * 0.95, took * 0.05, p, t, ident) for n, c, took, p, t, ident in made.calls]
    late.kernels, late.copies = made.kernels, made.copies
    return late


def truth(made: Story) -> dict[str, float]:
    """ms per step."""
    length = {"gemm": 0.0, "norm_elementwise": 0.0, "memcpy": 0.0}
    for name, _, us, *_ in made.kernels:
        length["gemm" if name == "toy_gemm" else "norm_elementwise"] += us / 1000 / STEPS
    for _, _, us, *_ in made.copies:
        length["memcpy"] += us / 1000 / STEPS
    return {**length, "host_gap": STEP_US / 1000 - sum(length.values())}


@pytest.fixture(params=["json", "sqlite"])
def suffix(request):
    return request.param


def written(folder, name, made, suffix):
    path = folder / f"{name}.{suffix}"
    return made.kineto(path) if suffix == "json" else made.nsys(path)


@pytest.mark.parametrize("ids", IDS)
def test_explain_of_two(tmp_path, capsys, ids, suffix):
    stories = story(300), story(400)
    paths = [
        written(tmp_path, name, made.renumbered(IDS[ids]), suffix) for name, made in zip("ab", stories, strict=True)
    ]
    assert main(["explain", "--reference", str(paths[0]), "--candidate", str(paths[1]), "--json"]) == 0
    (pair,) = json.loads(capsys.readouterr().out)["pairs"]
    assert pair["steps"] == [STEPS, STEPS]
    for side, made in zip(("reference_ms", "scheme_ms"), stories, strict=True):
        found = {line["cause"]: line[side] for line in pair["recorded"]["lines"]}
        assert found == {cause: pytest.approx(ms, abs=1e-6) for cause, ms in truth(made).items()}
    for taken in pair["taken"]:
        assert len(taken["notes"]) == bool(NOTES[ids])
        assert "".join(taken["notes"]).startswith(NOTES[ids])


@pytest.mark.parametrize("ids", ["unique", "anew"])
def test_a_host_that_is_several_steps_ahead(tmp_path, ids, suffix):
    """Each kernel is of the step that asked for it, also where later steps have used its id by then."""
    path = written(tmp_path, ids, ahead(300).renumbered(IDS[ids]), suffix)
    timeline = read_timeline(path)
    analysis = Analysis(timeline)
    by_time = np.argsort(timeline.kernels.start, kind="stable")
    starts = timeline.calls.start[analysis.launch[by_time]]
    assert (analysis.launch >= 0).all() and (np.diff(starts) > 0).all()


@pytest.mark.parametrize("ids", IDS)
def test_summarize(tmp_path, capsys, ids, suffix):
    made = story(300).renumbered(IDS[ids])
    assert profile(["summarize", str(written(tmp_path, "t", made, suffix)), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (product,) = [row for row in found["kernels"] if row["name"] == "toy_gemm"]
    assert (product["count"], product["total_ns"]) == (STEPS, STEPS * 300_000)
    counted = {row["name"]: (row["kernels"], row["gpu_busy_ns"]) for row in found["ranges"]}
    known = ids != "zero"
    assert counted == {
        "decode_step": (2 * STEPS * known, 400_000 * STEPS * known),
        "attention": (STEPS * known, 300_000 * STEPS * known),
    }
    assert len(found["notes"]) == bool(NOTES[ids]) and "".join(found["notes"]).startswith(NOTES[ids])


def test_the_operator_of_a_kernel_is_that_of_its_own_step(tmp_path):
    analyses = [
        Analysis(read_timeline(written(tmp_path, ids, story(300).renumbered(IDS[ids]), "json")))
        for ids in ("unique", "anew", "zero")
    ]
    known = [(found.launch.tolist(), found.operator.tolist(), found.copy_call.tolist()) for found in analyses]
    assert known[0] == known[1] and min(known[0][0] + known[0][1]) >= 0
    assert known[2] == ([-1] * 8, [-1] * 8, [-1] * 8)

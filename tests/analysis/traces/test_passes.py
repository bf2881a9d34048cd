"""A step that holds several forward passes, or another model, is said before any number."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.analysis.timeline import Analysis
from bench.analysis.traces.doubts import passes
from bench.cli import main
from profiling.summarize import read_timeline
from tests.foreign_traces import Story

NAMES = ("rms_norm_kernel", "rotary_kernel", "toy_gemm", "silu_kernel", "argmax_kernel")


def model(path: Path, per_step: int, names: tuple[str, ...] = NAMES, more: tuple[str, ...] = ()) -> Path:
    """Steps of so many passes, each with these kernels; ``more``: once a pass besides."""
    story, now = Story(), 1000.0
    for _ in range(5):
        story.range("decode_step", now, 200 * per_step)
        for number in range(per_step):
            for place, name in enumerate((*names, *more)):
                begin = now + 200 * number + 12 * place
                story.kernel(name, begin, begin + 6, 5, took=2)
        now += 200 * per_step
    return story.kineto(path)


def found(one: Path, other: Path) -> float | None:
    return passes((Analysis(read_timeline(one)), Analysis(read_timeline(other))), ("decode_step", "decode_step"))


def test_a_range_around_many_passes_is_said_before_any_number(tmp_path, capsys):
    one, other = model(tmp_path / "a.json", 1), model(tmp_path / "b.json", 16)
    assert found(one, other) == pytest.approx(16) and found(other, one) == pytest.approx(1 / 16)
    for reference, candidate, name in ((one, other, "candidate"), (other, one, "reference")):
        assert main(["explain", "--reference", str(reference), "--candidate", str(candidate)]) == 0
        out = " ".join(capsys.readouterr().out.split())
        assert out.startswith(
            "warning: the two traces are not of the same thing (the same kernels run ×16 as often in a step of the "
            f"{name}: give it the range of one step"
        )
        assert "even without times" not in out and out.count("Not sure.") == out.count("ms of GPU work per step.")


def test_further_kernels_of_another_scheme_change_nothing(tmp_path):
    one = model(tmp_path / "a.json", 1)
    assert found(one, one) is None
    dequantising = model(tmp_path / "b.json", 1, more=("dequant_kernel",) * 7)
    assert found(one, dequantising) is None
    casts = model(tmp_path / "c.json", 1, more=("silu_kernel",) * 6)  # one name runs more often
    assert found(one, casts) is None


def test_too_few_kernels_of_both_say_nothing(tmp_path):
    one = model(tmp_path / "a.json", 1)
    assert found(one, model(tmp_path / "b.json", 4, names=("toy_gemm", "other_norm"))) is None


def test_a_deeper_model_is_no_slower_machine(tmp_path, capsys):
    """Five layers against four: what runs in each layer runs so many times as often, the rest once."""
    layers = [model(tmp_path / f"{n}.json", 1, NAMES[:3] * n, more=("gather_kernel",)) for n in (4, 5)]
    assert found(*layers) == pytest.approx(1.25)
    threefold = [model(tmp_path / f"passes{n}.json", n) for n in (1, 3)]
    for one, other in (layers, threefold):
        command = ["explain", "--reference", str(one), "--candidate", str(other)]
        for times in ([], ["--reference-time", "0.2", "--candidate-time", "0.6"]):
            assert main([*command, *times]) == 0
            out = capsys.readouterr().out
            assert "not of the same thing" in out and "machine of another speed" not in " ".join(out.split())


def test_a_few_kernels_more_of_some_kinds_are_no_other_thing(tmp_path):
    """Half of the names run as often: no factor is common to them."""
    one = model(tmp_path / "a.json", 1, NAMES[:4] * 3)
    other = model(tmp_path / "b.json", 1, (*NAMES[:4] * 3, NAMES[0], NAMES[1]))
    assert found(one, other) is None

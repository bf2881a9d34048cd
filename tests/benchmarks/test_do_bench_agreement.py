"""The comparison with do_bench: turns, ratio and criterion with made-up timers; one clear line without a GPU."""

import json
import re

import pytest

from benchmarks import do_bench_agreement as study

SHAPE = study.SHAPES[0]


def timers(ours, theirs, asked=None):
    """Each timer gives its values in turn and notes that it was asked."""
    asked = [] if asked is None else asked
    left = {"ours": iter(ours), "do_bench": iter(theirs)}

    def timer(name):
        def once():
            asked.append(name)
            return next(left[name])

        return once

    return {name: timer(name) for name in left}


def test_the_two_take_turns_and_the_first_changes():
    asked = []
    study.agreement(SHAPE, timers([1e-5] * 3, [1e-5] * 3, asked), 3)
    assert asked == ["ours", "do_bench", "do_bench", "ours", "ours", "do_bench"]


@pytest.mark.parametrize(("factor", "agrees"), [(1.019, True), (0.981, True), (1.021, False), (0.979, False)])
def test_two_per_cent_either_way_is_the_criterion(factor, agrees):
    row = study.agreement(SHAPE, timers([factor * 2e-5] * 5, [2e-5] * 5), 5)
    assert row["ratio"] == pytest.approx(factor)
    assert row["agrees"] is agrees
    assert (row["ours_s"], row["do_bench_s"]) == ([factor * 2e-5] * 5, [2e-5] * 5)


def test_one_slow_round_does_not_decide_and_widens_the_interval():
    row = study.agreement(SHAPE, timers([1e-5, 1.01e-5, 1e-5, 1e-5, 9e-5], [1e-5] * 5), 5)
    assert row["agrees"]
    assert row["low"] <= row["ratio"] <= row["high"]
    assert row["high"] > 1.02


def test_one_shape_that_differs_is_enough():
    good, bad = {"agrees": True}, {"agrees": False}
    assert study.summary([good] * 10)["agree"]
    assert not study.summary([good] * 9 + [bad])["agree"]


def test_ten_different_shapes_of_three_models():
    assert len({shape.name for shape in study.SHAPES}) == 10
    assert {shape.layer.split()[0] for shape in study.SHAPES} == {"starcoder2-3b", "starcoder2-7b", "phi-2"}


def test_without_triton_one_line_says_so(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(study, "find_spec", lambda _name: None)
    assert study.main(["--out", str(tmp_path / "r.json")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("bitledger: there is no triton here") and error.count("\n") == 1
    assert not (tmp_path / "r.json").exists()


def test_without_a_gpu_one_line_says_so(monkeypatch, capsys):
    monkeypatch.setattr(study, "find_spec", lambda _name: object())
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert study.main([]) == 2
    assert capsys.readouterr().err == (
        "bitledger: triton's do_bench times a GPU, and torch finds none that it can use\n"
    )


@pytest.mark.parametrize(("theirs", "code"), [(1e-5, 0), (2e-5, 1)])
def test_the_result_is_printed_and_written(monkeypatch, capsys, tmp_path, theirs, code):
    monkeypatch.setattr(study, "_do_bench", lambda: None)
    monkeypatch.setattr(study, "_timers", lambda _shape, _do_bench: timers([1e-5] * 2, [theirs] * 2))
    monkeypatch.setattr(
        study, "_surroundings", lambda: {"device": "a GPU", "torch": "2", "triton": "3", "scheme": "fp16"}
    )
    assert study.main(["--out", str(tmp_path / "r.json"), "--rounds", "2"]) == code
    written = json.loads((tmp_path / "r.json").read_text())
    assert [row["shape"] for row in written["shapes"]] == [shape.name for shape in study.SHAPES]
    assert written["agree"] is (code == 0)
    assert re.search(r"(10|0) of 10 within 2%", capsys.readouterr().out)

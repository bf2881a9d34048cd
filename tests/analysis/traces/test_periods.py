"""Steps whose ranges leave time between them: what lies there is told, and belongs to the steps where it is steady."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.analysis.timeline import Analysis
from bench.analysis.traces.periods import as_periods, between, with_periods
from bench.analysis.traces.taken import Taken, Wanted, taken
from bench.cli import main
from bench.record import causes as c
from profiling.summarize import read_timeline
from tests.foreign_traces import Story


def engine(gaps: list[float], *, sampler: float = 0.0) -> Story:
    """Steps of 1 ms with 0.3 ms of work, and these µs after each; ``sampler`` µs of GPU work asked for there."""
    story, now = Story(), 1000.0
    for gap in [*gaps, 0.0]:
        story.range("execute_model", now, 1000).kernel("toy_gemm", now + 20, now + 100, 300)
        if sampler:
            story.kernel("topk_sampling", now + 1010, now + 1020, sampler)
        now += 1000 + gap
    return story


def found(path: Path) -> Taken:
    return taken(Analysis(read_timeline(path)), Wanted())


def explained(capsys, tmp_path, one: Story, other: Story, *more):
    paths = [story.kineto(tmp_path / f"{name}.json") for name, story in (("a", one), ("b", other))]
    files = ("--reference", paths[0], "--candidate", paths[1])
    assert main([str(word) for word in ("explain", *files, *more, "--json")]) == 0
    document = json.loads(capsys.readouterr().out)
    (pair,) = document["pairs"]
    lines = {line["cause"]: line["scheme_ms"] - line["reference_ms"] for line in pair["recorded"]["lines"]}
    return pair | {"findings": document["findings"]}, lines


def test_time_between_the_steps_that_differs_is_in_the_answer(tmp_path, capsys):
    pair, lines = explained(capsys, tmp_path, engine([200] * 9), engine([3000] * 9))
    assert lines[c.HOST_GAP] == pytest.approx(2.8) and lines[c.GEMM] == 0
    assert [each["said"] for each in pair["taken"]] == [
        "9 of 10 steps 'execute_model', each to the start of the next"
    ] * 2
    assert not [each for each in pair["findings"] if each["code"] == "between-steps"]


def test_gpu_work_between_the_steps_is_too(tmp_path, capsys):
    lines = explained(capsys, tmp_path, engine([500] * 9, sampler=50), engine([800] * 9, sampler=350))[1]
    assert lines[c.SAMPLING] == pytest.approx(0.3)


def test_time_that_lies_between_the_steps_of_both_changes_nothing(tmp_path, capsys):
    pair, _ = explained(capsys, tmp_path, engine([500] * 9), engine([500] * 9))
    assert pair["steps"] == [10, 10] and "each to" not in pair["taken"][0]["said"]
    for time, steps in ((1.0, 10), (1.5, 9)):
        times = ("--reference-time", time, "--candidate-time", time)
        assert explained(capsys, tmp_path, engine([500] * 9), engine([500] * 9), *times)[0]["steps"] == [steps] * 2


PAUSES = [3000.0, 90_000.0, 7000.0, 40_000.0, 1000.0, 250_000.0, 15_000.0, 30_000.0, 2000.0]


def test_pauses_of_who_asks_are_no_part_of_the_steps_but_said(tmp_path, capsys):
    pair, lines = explained(capsys, tmp_path, engine([200] * 9), engine(PAUSES))
    assert lines.get(c.HOST_GAP, 0) == pytest.approx(0)
    (said,) = [each for each in pair["findings"] if each["code"] == "between-steps"]
    assert "0.2 ms per step of the reference, 15 ms per step of the candidate" in said["message"]
    assert "--steps period" in said["remedy"]


def test_who_chooses_is_obeyed(tmp_path, capsys):
    one, other = engine([200] * 9), engine([3000] * 9)
    for more in (("--steps", "ranges"), ("--step-range", "execute_model")):
        pair, lines = explained(capsys, tmp_path, one, other, *more)
        assert pair["steps"] == [10, 10] and lines[c.HOST_GAP] == pytest.approx(0)
        assert [each["code"] for each in pair["findings"]] == ["between-steps"]
    pair, lines = explained(capsys, tmp_path, one, other, "--steps", "period", "--step-range", "execute_model")
    assert lines[c.HOST_GAP] == pytest.approx(2.8)


def test_one_long_pause_is_left_out(tmp_path):
    made = as_periods(found(engine([500, 500, 90_000, 500, 500, 500]).kineto(tmp_path / "a.json")))
    assert made.said.startswith("5 of 7 steps") and "1 step before a long pause left out" in made.notes
    assert between(made.analysis, made.step_range).gaps.max() == 0


def test_a_step_that_nothing_follows_has_no_period(tmp_path, capsys):
    """Nor is the other trace then read in another way than this one."""
    paths = [str(engine(gaps).kineto(tmp_path / f"{name}.json")) for name, gaps in (("a", [3000] * 9), ("b", []))]
    words = ["explain", "--reference", paths[0], "--candidate", paths[1], "--step-range", "execute_model"]
    assert main([*words, "--steps", "period"]) == 2
    assert "b.json: no step in it is followed by another: leave out --steps period" in capsys.readouterr().err
    each = [taken(Analysis(read_timeline(Path(path))), Wanted("execute_model")) for path in paths]
    assert not any(one.period for one in with_periods(each, [4.0, None]))


def test_a_gpu_that_runs_behind_the_host_leaves_no_time_between(tmp_path):
    story = Story()
    for step in range(10):
        story.range("execute_model", 1000 + 1000 * step, 300)
        story.kernel("toy_gemm", 1010 + 1000 * step, 1100 + 1000 * step, 1000)
    one = found(story.kineto(tmp_path / "a.json"))
    assert between(one.analysis, one.step_range).usual == 0
    assert with_periods([one, one], [None, None]) == [one, one]


def test_the_suggested_command_takes_the_same_steps(tmp_path, capsys):
    paths = [engine([gap] * 9).kineto(tmp_path / f"{gap}.json") for gap in (200, 3000)]
    assert main(["explain", "--reference", str(paths[0]), "--candidate", str(paths[1]), "-v"]) == 0
    out = " ".join(capsys.readouterr().out.replace("\\\n", " ").split())
    assert f"whatif {paths[1]} --steps period --remove host_gap" in out
    assert main(["whatif", str(paths[1]), "--steps", "period", "--remove", "host_gap"]) == 0
    assert "measured 4.0000 ms" in " ".join(capsys.readouterr().out.split())


def scheduled(gemm: float) -> Story:
    """A scheduler's short ranges, while another thread launches most of the work after they have ended."""
    story = Story()
    for step in range(10):
        start = 1000 + 2000 * step
        story.range("run_batch", start, 300).kernel("prepare", start + 20, start + 30, 10)
        for number in range(4):
            at = start + 400 + 300 * number
            story.kernel("toy_gemm", at, at + 10, gemm, tid=2)
    return story


def test_work_that_another_thread_asks_for_between_the_ranges_is_the_steps(tmp_path, capsys):
    pair, lines = explained(capsys, tmp_path, scheduled(100), scheduled(200))
    assert lines[c.GEMM] == pytest.approx(0.4) and pair["steps"] == [9, 9]


def test_one_gap_does_not_say_what_lies_between_steps(tmp_path):
    """It may be a pause, and of two steps one would be left."""
    both = [found(engine([gap]).kineto(tmp_path / f"{gap}.json")) for gap in (3000, 50)]
    made = with_periods(both, [None, None])
    assert not any(each.period for each in made)

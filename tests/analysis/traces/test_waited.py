"""Of ranks that meet in exchanges the slow one is explained: its work is the cause, not the others' waiting for it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from bench.analysis.traces.ranks import common_rank, waited_for
from bench.cli import main
from bench.record import causes as c
from profiling.summarize import read_timeline
from tests.foreign_traces import Story, steady


def job(path: Path, *gemm: float) -> Path:
    """Ranks whose products take so many µs per step, each with an exchange that ends when all have come."""
    last, story = max(gemm), Story()
    for rank, length in enumerate(gemm):
        for step in range(8):
            start = 1000 + 2000 * step
            who = {"pid": 1 + rank, "device": rank}
            story.range("decode_step", start, 2000, who["pid"])
            story.kernel("toy_gemm", start + 20, start + 100, length, **who)
            story.kernel("ncclDevKernel_AllReduce_Sum", start + 30, start + 101 + length, last - length + 20, **who)
    return story.nsys(path)


def explained(capsys, one: Path, other: Path, *more: object):
    words = ("explain", "--reference", one, "--candidate", other, *more, "--json")
    assert main([str(word) for word in words]) == 0
    (pair,) = json.loads(capsys.readouterr().out)["pairs"]
    lines = {line["cause"]: line["scheme_ms"] - line["reference_ms"] for line in pair["recorded"]["lines"]}
    return {cause: ms for cause, ms in lines.items() if cause in c.BUSY and ms}, pair["taken"]


@pytest.mark.parametrize("slow", range(3))
def test_the_slow_rank_s_work_is_the_cause(tmp_path, capsys, slow):
    even = job(tmp_path / "a.sqlite", 300, 300, 300)
    late = job(tmp_path / "b.sqlite", *(800 if rank == slow else 300 for rank in range(3)))
    lines, told = explained(capsys, even, late)
    assert lines == {c.GEMM: pytest.approx(0.5)}
    for each in told:  # the same rank of both
        assert (
            f"rank {slow} (process {100 * (slow + 1)}, GPU {slow}) is taken, for which the others seem to wait here or"
            in each["notes"][0]
        )
    assert explained(capsys, late, even)[0] == {c.GEMM: pytest.approx(-0.5)}
    other = (slow + 1) % 3
    assert explained(capsys, even, late, "--rank", other)[0] == {c.COMMUNICATION: pytest.approx(0.5)}


def test_the_suggested_command_takes_the_same_rank(tmp_path, capsys):
    """Nobody waits in the candidate alone, where the first rank would be taken."""
    late, even = job(tmp_path / "a.sqlite", 300, 800), job(tmp_path / "b.sqlite", 1100, 1100)
    assert main(["explain", "--reference", str(late), "--candidate", str(even), "-v"]) == 0
    out = " ".join(capsys.readouterr().out.replace("\\\n", " ").split())
    assert f"whatif {even} --rank 1 --remove gemm" in out.replace("b.sqlite--", "b.sqlite --")
    assert "--rank 1 --reference-time" not in out, "both are asked for again as they were"


def test_of_one_trace_no_other_is_spoken_of(tmp_path, capsys):
    assert main(["whatif", str(job(tmp_path / "a.sqlite", 300, 800)), "--remove", "gemm"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "rank 1 (process 200, GPU 1) is taken, for which the others seem to wait, not rank 0" in out


def test_even_ranks_wait_for_none(tmp_path):
    assert waited_for(read_timeline(job(tmp_path / "a.sqlite", 300, 310))) is None
    assert waited_for(read_timeline(job(tmp_path / "a.sqlite", 300))) is None


def test_one_long_wait_at_the_beginning_is_none(tmp_path):
    path = job(tmp_path / "a.sqlite", 300, 300)
    with sqlite3.connect(path) as db:  # rank 0 had begun 0.8 ms earlier, in a step of its own
        name = "(SELECT id FROM StringIds WHERE value LIKE 'nccl%')"
        first = f"(SELECT min(start) FROM CUPTI_ACTIVITY_KIND_KERNEL WHERE demangledName = {name})"
        db.execute(
            f"UPDATE CUPTI_ACTIVITY_KIND_KERNEL SET start = 500000 WHERE demangledName = {name} AND start = {first} "
            "AND deviceId = 0"
        )
    db.close()
    assert waited_for(read_timeline(path)) is None


def test_ranks_that_never_meet_wait_for_none(tmp_path):
    story = steady(["decode_step"] * 4)
    other = steady(["decode_step"] * 4, gemm=800, pid=2, device=1)
    for rows in ("ranges", "kernels", "calls"):
        getattr(story, rows).extend(getattr(other, rows))
    assert waited_for(read_timeline(story.nsys(tmp_path / "a.sqlite"))) is None


def test_a_trace_of_fewer_ranks_keeps_its_own(tmp_path):
    late = read_timeline(job(tmp_path / "a.sqlite", 300, 800))
    alone = read_timeline(job(tmp_path / "b.sqlite", 300))
    assert common_rank([alone, late]) == [None, 1]

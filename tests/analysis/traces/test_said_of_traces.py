"""What a trace's tool lost or could not record, and clocks that do not agree, stand beside what is explained."""

from __future__ import annotations

import json

import pytest

from bench.analysis.timeline import Analysis
from bench.analysis.traces.clocks import too_early
from bench.cli import main
from bench.record.errors import RecordError
from profiling.summarize import read_timeline
from tests.foreign_traces import Story, steady


def explained(capsys, one, other):
    assert main(["explain", "--reference", str(one), "--candidate", str(other)]) == 0
    return " ".join(capsys.readouterr().out.split())


def test_events_of_unknown_kinds_are_said(tmp_path, capsys):
    events = steady(["decode_step"] * 4).events()
    odd = [{**event, "cat": "async_npu"} for event in events if event["cat"] == "kernel"]
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"traceEvents": events + odd}))
    out = explained(capsys, path, path)
    assert "events of kinds that are not known here were left out: async_npu 4." in out


def test_what_nsys_lost_is_said(tmp_path, capsys):
    lost = """
    CREATE TABLE DIAGNOSTIC_EVENT (timestamp INTEGER, timestampType INTEGER, source INTEGER, severity INTEGER,
      text TEXT, globalPid INTEGER);
    INSERT INTO DIAGNOSTIC_EVENT VALUES (0, 0, 1, 2, 'CUDA events were lost: the buffer was too small', 0);
    """
    paths = (
        steady(["decode_step"] * 4).nsys(tmp_path / "a.sqlite"),
        steady(["decode_step"] * 4).nsys(tmp_path / "b.sqlite", lost),
    )
    assert "CUDA events were lost" in explained(capsys, *paths)
    assert "CUDA events were lost" not in explained(capsys, paths[0], paths[0])


@pytest.mark.parametrize(
    ("events", "kinds"),
    [
        ([{"ph": "X", "pid": 1, "tid": 2, "ts": 10, "dur": 5, "name": "fusion.1"}], "none"),
        ([{"ph": "X", "cat": "FEE", "pid": 1, "tid": 1, "ts": 1, "dur": 2, "name": "f"}], "FEE"),
    ],
)
def test_chrome_traces_of_other_tools_are_refused_by_their_kinds(tmp_path, events, kinds):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"traceEvents": events}))
    with pytest.raises(RecordError, match=rf"its events are of other kinds \({kinds}\).*give a trace of torch"):
        read_timeline(path)


def launched(start: float) -> Story:
    """Steps whose kernel starts so many µs after its call does."""
    story = Story()
    for step in range(6):
        begin = 1000 + 1000 * step
        story.range("decode_step", begin, 1000).kernel("toy_gemm", begin + 80, begin + 80 + start, 300)
    return story


def test_clocks_that_do_not_agree_are_said(tmp_path, capsys):
    early, right = (launched(start).kineto(tmp_path / f"{start}.json") for start in (-40, 20))
    assert too_early(Analysis(read_timeline(early))) == (1.0, 40_000)
    out = explained(capsys, right, early)
    assert "the clocks of host and GPU are apart in the candidate's trace" in out and "by up to 40 µs" in out
    assert "are apart" not in explained(capsys, right, right)


def test_steps_that_ask_for_little_of_the_work_are_said(tmp_path, capsys):
    story = steady(["decode_step"] * 5)
    for number in range(50):
        story.kernel("toy_gemm", 20_000 + 1000 * number, 20_100 + 1000 * number, 900)
    rare, usual = story.kineto(tmp_path / "a.json"), steady(["decode_step"] * 5).kineto(tmp_path / "b.json")
    assert "a.json: only 9% of the trace's work is asked for in these ranges" in explained(capsys, rare, usual)
    assert "asked for in these" not in explained(capsys, usual, usual)


def casting(*, operators: bool, copied: float = 200) -> Story:
    """Steps with a product and a kernel that only the operator around it tells to be a cast."""
    story = Story()
    for step in range(6):
        start = 1000 + 1000 * step
        story.range("decode_step", start, 1000).kernel("toy_gemm", start + 20, start + 100, 300)
        story.kernel("void at::native::direct_copy_kernel_cuda()", start + 40, start + 410, copied)
        if operators:
            story.operator("aten::to", start + 30, 30).operator("aten::_to_copy", start + 32, 26)
    return story


def test_kernels_that_only_one_trace_knows_by_their_operators_are_said(tmp_path, capsys):
    with_, without = (casting(operators=each).kineto(tmp_path / f"{each}.json") for each in (True, False))
    out = explained(capsys, with_, without)
    assert "kernels of the same name, 40% of the work, are in different lines of the two" in out
    assert "direct_copy_kernel_cuda(): changes of number format and norms and elementwise work" in out
    assert "different lines" not in explained(capsys, with_, with_)
    small = casting(operators=False, copied=4).kineto(tmp_path / "small.json")
    few = casting(operators=True, copied=4).kineto(tmp_path / "few.json")
    assert "different lines" not in explained(capsys, few, small)

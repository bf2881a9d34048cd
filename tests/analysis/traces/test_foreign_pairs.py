"""Two traces of other stacks: what is said of copies, of waiting elsewhere, of hardware and sizes, of the host."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.analysis.observer.costs import Events, idle_bounds
from bench.analysis.replay.change import Change
from bench.analysis.timeline import Analysis
from bench.analysis.traces.doubts import elsewhere_ns
from bench.analysis.traces.pair import CopyLine, Trace, explain_traces
from bench.analysis.traces.single import predict
from bench.analysis.traces.taken import Wanted, taken
from bench.cli import main
from bench.record import causes as c
from profiling.summarize import read_timeline
from tests.foreign_traces import Story, steady


def trace(path: Path) -> Trace:
    found = taken(Analysis(read_timeline(path)), Wanted())
    return Trace(path, found.analysis, None, found.step_range)


def told(capsys, *arguments):
    assert main([str(each) for each in arguments]) == 0
    return capsys.readouterr().out


def host_bound(idle: float, *, steps: int = 12) -> Story:
    """Steps of a graph launch, 300 us of work, and a host that takes its time: few events, so little inflation."""
    story, now = Story(), 1000.0
    for _ in range(steps):
        story.range("decode_step", now, 300 + idle)
        story.kernel("toy_gemm", now + 10, now + 20, 100, api="cudaGraphLaunch", nodes=3)
        now += 300 + idle
    return story


def test_a_host_cause_beyond_what_recording_costs_is_named_without_times(tmp_path):
    one, other = (trace(host_bound(idle).kineto(tmp_path / f"{idle}.json")) for idle in (200.0, 1500.0))
    lines = {line.cause: line for line in explain_traces(one, other).recorded.lines}
    gap = lines[c.HOST_GAP]
    assert gap.inflated and gap.sure and gap.low <= 1.3 <= gap.high
    assert not lines[c.GEMM].sure


def test_a_host_cause_that_recording_can_have_made_is_not_sure(tmp_path):
    stories = [host_bound(idle) for idle in (200.0, 1500.0)]
    for step in range(12):  # the candidate records 400 operators more in each step: up to 1.44 ms of it
        for number in range(400):
            stories[1].operator("aten::view", 1020 + 1800 * step + number, 0.5)
    one, other = (trace(story.kineto(tmp_path / f"{n}.json")) for n, story in enumerate(stories))
    (gap,) = [line for line in explain_traces(one, other).recorded.lines if line.cause == c.HOST_GAP]
    assert not gap.sure


def test_recorded_python_frames_leave_idle_lines_open(tmp_path):
    one = trace(host_bound(200.0).kineto(tmp_path / "a.json"))
    from bench.analysis.ledger.read import step_costs
    from bench.analysis.statistics.spread import ASSUMED

    costs = [step_costs(one.analysis, one.step_range)] * 2
    assert idle_bounds(c.HOST_GAP, costs, [Events(1, 1, 1), Events(1, 1, 1, frames=True)], ASSUMED) is None
    assert idle_bounds(c.HOST_GAP, costs, [Events(1, 1, 1)] * 2, ASSUMED) is not None


def test_copies_of_a_step_have_direction_bytes_and_rate(tmp_path, capsys):
    story = Story()
    for step in range(4):
        start = 1000 + 1000 * step
        story.range("decode_step", start, 1000).copy("HtoD", start + 5, start + 10, 900, 90_000_000)
        story.kernel("toy_gemm", start + 20, start + 910, 60)
    path, plain = story.kineto(tmp_path / "copies.json"), steady(["decode_step"] * 4).kineto(tmp_path / "plain.json")
    pair = explain_traces(trace(plain), trace(path))
    assert pair.copies == ((), (CopyLine("HtoD", 1.0, pytest.approx(0.9), 9e7),))
    out = " ".join(told(capsys, "explain", "--reference", plain, "--candidate", path).split())
    assert "copies per step: HtoD 0.9 ms, 90 MB at 100 GB/s" in out
    assert "1. Copies: +0.9 ms" in out
    assert "See what removing copies would save" in out
    whole = told(capsys, "explain", "--reference", plain, "--candidate", path, "-v").replace("\\\n", " ")
    assert f"whatif {path} --remove memcpy" in " ".join(whole.split())
    back = " ".join(told(capsys, "explain", "--reference", path, "--candidate", plain).split())
    assert "See what removing" not in back, "the candidate does less"


def waiting(api: str) -> Story:
    story = Story()
    for step in range(4):
        start = 1000 + 1000 * step
        story.range("decode_step", start, 1000).kernel("toy_gemm", start + 20, start + 100, 300)
        story.call(api, start + 410, 500)
    return story


@pytest.mark.parametrize("api", ["cudaStreamSynchronize", "hipStreamSynchronize"])
def test_waiting_for_what_the_trace_does_not_show_is_said(tmp_path, api):
    found = trace(waiting(api).kineto(tmp_path / "a.json"))
    lone, step = elsewhere_ns(found.analysis, found.step_range)
    assert (lone, step) == (pytest.approx(460_000), 1_000_000)
    findings = explain_traces(found, found).findings
    assert {f.code for f in findings} == {"one-file", "waits-elsewhere"}
    assert "0.46 ms per step" in findings[1].message


def test_waiting_for_own_work_is_not(tmp_path):
    story = Story()
    for step in range(4):
        start = 1000 + 1000 * step
        story.range("decode_step", start, 1000).kernel("toy_gemm", start + 20, start + 500, 300)
        story.call("cudaStreamSynchronize", start + 30, 790)
    found = trace(story.kineto(tmp_path / "a.json"))
    assert elsewhere_ns(found.analysis, found.step_range)[0] == 0


H100, A100 = ({"deviceProperties": [{"name": name}], "cuda_runtime_version": 12080} for name in ("H100", "A100"))


def test_unlike_hardware_and_sizes_are_said_before_any_number(tmp_path, capsys):
    names = [[f"execute_{batch}_generation(sk{500 + n})" for n in range(4)] for batch in (32, 16)]
    paths = [
        steady(each).kineto(tmp_path / f"{n}.json", **head)
        for n, (each, head) in enumerate(zip(names, (H100, A100), strict=True))
    ]
    arguments = ("explain", "--reference", paths[0], "--candidate", paths[1])
    out = " ".join(told(capsys, *arguments).split())
    assert out.startswith("warning: the two traces are not of the same thing (GPU: H100 and A100; sizes in the names")
    assert "0.json: 4 steps 'execute_32_generation(sk*)'. GPU H100; CUDA runtime 12.8." in out
    (pair,) = json.loads(told(capsys, *arguments, "--json"))["pairs"]
    assert pair["taken"][1]["facts"]["GPU"] == "A100"


def whole_graphs(path: Path, steps: int = 4, us: float = 300) -> Path:
    """The steps of ``steady`` with a graph as one block instead of the product, as nsys records it by default."""
    story = steady(["decode_step"] * steps)
    story.calls = [("cudaGraphLaunch", *call[1:]) for call in story.calls]
    rows = [(round(start * 1000), round((start + us) * 1000), ident) for _, start, _, _, ident, *_ in story.kernels]
    story.kernels = []
    values = ",".join(f"({begin},{end},0,7,{ident},{1 << 48 | 100 << 24},5)" for begin, end, ident in rows)
    columns = "start, end, deviceId, streamId, correlationId, globalPid, graphId"
    table = "CUPTI_ACTIVITY_KIND_GRAPH_TRACE"
    return story.nsys(path, f"CREATE TABLE {table} ({columns}); INSERT INTO {table} VALUES {values};")


def test_graphs_recorded_whole_are_compared_with_each_other_alone(tmp_path):
    eager = trace(steady(["decode_step"] * 4).nsys(tmp_path / "eager.sqlite"))
    graphs = [trace(whole_graphs(tmp_path / f"{us}.sqlite", us=us)) for us in (300, 400)]
    for pair in ((eager, graphs[0]), (graphs[0], eager)):
        found = explain_traces(*pair)
        assert [each.code for each in found.findings] == ["graphs-in-one", "whole-graphs"]
        assert not any(line.sure for line in found.recorded.lines)
    found = explain_traces(*graphs)
    assert not found.findings and [line.cause for line in found.recorded.lines if line.sure] == [c.OTHER]


@pytest.mark.parametrize(("api", "said"), [("hipModuleLaunchKernel", "HIP"), ("urEnqueueKernelLaunch", "SYCL")])
def test_another_platform_is_said_where_no_hardware_is_told(tmp_path, api, said):
    stories = steady(["decode_step"] * 4), steady(["decode_step"] * 4)
    stories[1].calls = [(api, *call[1:]) for call in stories[1].calls]
    one, other = (trace(each.kineto(tmp_path / f"{n}.json")) for n, each in enumerate(stories))
    assert [each.evidence for each in explain_traces(one, other).findings] == [f"platform: CUDA and {said}"]
    assert not explain_traces(other, replace(other, path=one.path)).findings


def test_a_name_for_each_file(tmp_path, capsys):
    one = steady(["decode_step"] * 3).kineto(tmp_path / "a.json")
    other = steady(["my loop"] * 3, gemm=700).kineto(tmp_path / "b.json")
    ranges = ("--reference-range", "decode_step", "--candidate-range", "my*")
    for options in ((), ranges):
        out = told(capsys, "explain", "--reference", one, "--candidate", other, *options, "--json")
        (pair,) = json.loads(out)["pairs"]
        assert {line["cause"]: line["scheme_ms"] for line in pair["recorded"]["lines"]}[c.GEMM] == pytest.approx(0.7)
    assert main(["explain", "--reference", str(one), "--candidate", str(other), "--step-range", "decode_step"]) == 2
    assert "b.json: the trace has no range 'decode_step'" in capsys.readouterr().err
    out = " ".join(
        told(capsys, "explain", "--reference", one, "--candidate", other, *ranges).replace("\\\n", " ").split()
    )
    assert "--reference-range decode_step --candidate-range 'my*' --reference-time MS" in out


@pytest.mark.parametrize("api", ["cudaGraphLaunch", "hipGraphLaunch"])
def test_what_is_a_graph_already_is_promised_nothing(tmp_path, api):
    story = Story()
    for step in range(5):
        start = 1000 + 1000 * step
        story.range("decode_step", start, 1000)
        story.kernel("toy_gemm", start + 300, start + 320, 100, api=api, nodes=5)
    found = predict(trace(story.kineto(tmp_path / "a.json")), Change(cuda_graph=True)).found
    assert found.predicted_ms == pytest.approx(found.replayed_ms)
    assert any("by graphs already: a CUDA graph has nothing left to save" in note for note in found.notes)


@pytest.mark.parametrize("missing", [None, 1.0])
def test_launches_beside_a_graph_may_be_what_a_step_waits_for(tmp_path, missing):
    """Nine tenths of the GPU's work are in the graph, and the host's time is in forty small launches after it."""
    story = Story()
    for step in range(5):
        start = 1000 + 1000 * step
        story.range("decode_step", start, 1000)
        story.kernel("toy_gemm", start + 10, start + 20, 80, api="cudaGraphLaunch", nodes=5)
        for number in range(40):
            called = start + 420 + 14 * number
            story.kernel("elementwise_kernel", called, called + 6, 1)
    one = replace(trace(story.kineto(tmp_path / "a.json")), time_ms=missing)
    told = predict(one, Change(cuda_graph=True)).found
    assert told.predicted_ms is None and "one graph of the 41 launches per step" in told.missing
    assert not any("nothing left" in note for note in told.notes)


def test_steps_without_gpu_work_are_not_predicted(tmp_path):
    story = Story()
    for step in range(3):
        start = 1000 + 1000 * step
        story.range("tokenize", start, 600).range("forward", start + 600, 400)
        story.kernel("toy_gemm", start + 610, start + 650, 300)
    path = story.kineto(tmp_path / "a.json")
    found = taken(Analysis(read_timeline(path)), Wanted("tokenize"))
    told = predict(Trace(path, found.analysis, None, found.step_range), Change.removing(c.HOST_GAP)).found
    assert (told.measured_ms, told.replayed_ms) == (pytest.approx(0.6), pytest.approx(0.6))
    assert told.predicted_ms is None and "no GPU work" in told.missing


def test_removing_work_leaves_what_the_host_does_between_steps(tmp_path):
    """Of each step of 1 ms a launch of 5 us, 20 us after its start, leads to the product, and the rest does not."""
    change = Change.removing(c.GEMM)
    found = predict(trace(steady(["decode_step"] * 10).kineto(tmp_path / "t.json")), change).found
    assert found.replayed_ms == pytest.approx(1.0) and found.predicted_ms == pytest.approx(0.975)


def test_the_end_of_a_step_is_not_the_way_to_the_next_one_s_first_work(tmp_path):
    """The candidate begins each step with 50 us of another kernel; all steps end with half a millisecond of Python."""
    stories = steady(["decode_step"] * 10), steady(["decode_step"] * 10, step=1050)
    for step in range(10):
        start = 1000 + 1050 * step
        stories[1].kernel("kDequantizeBlockwise", start + 10, start + 50, 50)
    one, other = (trace(made.kineto(tmp_path / f"{n}.json")) for n, made in enumerate(stories))
    timed = explain_traces(replace(one, time_ms=1.0), replace(other, time_ms=1.05)).timed
    found = next(cause for cause in timed.causes if cause.cause == c.DEQUANTISE)
    assert found.work_ms == pytest.approx(0.05, abs=1e-3) and found.delta_ms < 0.11


def test_unknown_kernels_are_named_and_can_be_told(tmp_path, capsys):
    story = steady(["decode_step"] * 3)
    for step in range(3):
        story.kernel("my_secret_kernel", 1410 + 1000 * step, 1450 + 1000 * step, 100)
    path = story.kineto(tmp_path / "a.json")
    assert "my_secret_kernel 100%" in told(capsys, "explain", "--reference", path, "--candidate", path)
    rules = tmp_path / "mine.toml"
    rules.write_text('[[rule]]\ncause = "attention"\nname = "my_secret"\n')
    out = told(capsys, "explain", "--reference", path, "--candidate", path, "--classes", rules, "--json")
    (pair,) = json.loads(out)["pairs"]
    assert pair["unknown"] == []
    assert {line["cause"]: line["scheme_ms"] for line in pair["recorded"]["lines"]}[c.ATTENTION] == pytest.approx(0.1)

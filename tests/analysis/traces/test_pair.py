"""Two traces on real time: closed to the last digit, in a run folder the run's own answer, and unlike things named."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from bench.analysis.timeline import Analysis
from bench.analysis.traces.pair import Trace, explain_traces
from bench.record import causes as c
from bench.record.errors import UsageError
from bench.record.schema import Artifact
from bench.record.store import open_run
from benchmarks.fidelity.decode import GPU_BOUND, HOST_BOUND, Decode
from benchmarks.fidelity.machine import Machine
from benchmarks.fidelity.writers import write_kineto, write_nsys
from benchmarks.intervals.world import CpuDecode
from profiling.summarize import read_timeline
from tests import factories as make

SHARED = Path(__file__).parents[3].parent / "shared" / "samples" / "cases"
OBSERVER = (1_800.0, 2_900.0, 2_800.0)


def trace(path: Path, decode, time_ms=None, *, steps=6, write=write_kineto, **machine) -> Trace:
    played = Machine(**{"observer": OBSERVER, **machine})
    for _ in range(steps):
        played.step(decode.step())
    write(path, played.happened)
    return Trace(path, Analysis(read_timeline(path)), time_ms)


@pytest.mark.parametrize(
    ("one", "other", "times", "cause"),
    [
        (Decode(**HOST_BOUND), replace(Decode(**HOST_BOUND), linear_host=12_000), (0.5328, 0.8208), c.HOST_GAP),
        (Decode(**GPU_BOUND), replace(Decode(**GPU_BOUND), gemm=60_000), (1.0761, 1.5561), c.GEMM),
        (CpuDecode(), CpuDecode(casts=True), (1.232, 1.736), c.CAST),
    ],
    ids=["host-bound", "GPU-bound", "CPU"],
)
def test_closed_on_real_time(tmp_path, one, other, times, cause):
    """The machine's true times, with traces that an observer slowed down: sizes are the machine's own."""
    found = explain_traces(*(trace(tmp_path / f"{n}.json", d, times[n]) for n, d in enumerate((one, other)))).timed
    closed = found.closed
    assert (closed.reference_ms, closed.scheme_ms) == pytest.approx(times)
    assert sum(line.delta_ms for line in closed.lines) == closed.delta.delta_ms
    assert sum(line.scheme_ms for line in closed.lines) == closed.scheme_ms
    assert sum(item.delta_ms for item in found.causes) == closed.delta.delta_ms
    assert found.causes[0].cause == cause
    assert found.causes[0].delta_ms == pytest.approx(times[1] - times[0], rel=0.05)
    assert found.diagnosis.costs[0].cause == cause
    assert abs(closed.unexplained_ms) < 0.02 * times[0]


def test_sources_add_up_to_their_lines(tmp_path):
    one, other = Decode(**HOST_BOUND), replace(Decode(**HOST_BOUND), linear_host=12_000)
    found = explain_traces(*(trace(tmp_path / f"{n}.json", d, 0.6 + n) for n, d in enumerate((one, other)))).timed
    for name in c.IDLE:
        line, parts = found.closed.line(name), [part for part in found.sources if part.cause == name]
        if line is not None:
            assert sum(part.delta_ms for part in parts) == line.delta_ms


def test_one_step_of_each(tmp_path):
    """The times have an (assumed) interval; what one recorded step says has none, and is never sure."""
    one, other = Decode(**GPU_BOUND), replace(Decode(**GPU_BOUND), gemm=120_000)
    pair = explain_traces(*(trace(tmp_path / f"{n}.json", d, (1, 9)[n], steps=1) for n, d in enumerate((one, other))))
    assert pair.steps == (1, 1)
    assert pair.timed.verdict == "SLOWER"
    shown = (*pair.timed.closed.lines, *pair.timed.causes, *pair.recorded.lines)
    assert shown and all(line.low is None and line.high is None and not line.sure for line in shown)
    assert all(cost.reach is None and not cost.sure for cost in pair.timed.diagnosis.costs)


def test_times_of_other_steps_are_noticed(tmp_path):
    """A second per step, milliseconds recorded: the answer stands on the times, and says that they do not fit."""
    decode = Decode(**HOST_BOUND)
    pair = explain_traces(*(trace(tmp_path / f"{name}.json", decode, 1000.0) for name in "ab"))
    codes = [finding.code for finding in pair.findings]
    assert codes == ["one-file", "unlike-steps", "unlike-steps", "unexplained"], "the two hold the same bytes"
    assert "recording only adds" in pair.findings[1].message


def test_a_time_in_seconds_is_refused(tmp_path):
    decode = Decode(**GPU_BOUND)
    with pytest.raises(UsageError, match=r"candidate's time, 0\.001076 ms, is less than the GPU works"):
        explain_traces(trace(tmp_path / "a.json", decode, 1.0761), trace(tmp_path / "b.json", decode, 1.0761e-3))


def test_two_tools_are_named(tmp_path):
    decode = Decode(**HOST_BOUND)
    pair = explain_traces(trace(tmp_path / "a.json", decode), trace(tmp_path / "b.sqlite", decode, write=write_nsys))
    (finding,) = pair.findings
    assert (finding.code, finding.evidence) == ("unlike", "tool: kineto and nsys")


def kept(folder: Path, scheme: str, repeat: int, **coordinates) -> Path:
    """A trace in a run folder, with its records."""
    path = folder / "artifacts" / f"kineto-{scheme}-{repeat}" / "trace.json"
    path.parent.mkdir(parents=True)
    trace(path, CpuDecode(casts=scheme == "int8"))
    artifact = Artifact(
        path.relative_to(folder).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest(), "Chrome trace"
    )
    lines = {"fp16": {c.GEMM: 0.006, c.HOST_GAP: 0.004}, "int8": {c.GEMM: 0.006, c.HOST_GAP: 0.0112}}
    with open_run(folder) as writer:
        writer.append(make.generation(scheme, repeat, **coordinates))
        timeline = make.kineto(scheme, repeat, lines=lines[scheme], **coordinates)
        writer.append(replace(timeline, artifacts=(artifact,)))
    return path


def read(path: Path) -> Trace:
    return Trace(path, Analysis(read_timeline(path)))


def test_two_traces_of_one_run_get_the_run_s_answer(tmp_path):
    paths = [kept(tmp_path / "run", scheme, repeat) for repeat in range(3) for scheme in ("fp16", "int8")]
    found = explain_traces(read(paths[0]), read(paths[3])).timed
    assert (found.run, found.verdict, found.unit) == ("run", "SLOWER", "token")
    assert found.seen, "three processes show how much they differ"
    assert found.causes[0].cause == c.HOST_GAP, "of the records; the traces here hold casts"
    assert found.diagnosis.costs[0].cause == c.CAST


def test_two_repeats_of_one_scheme_are_set_against_each_other(tmp_path):
    paths = [kept(tmp_path / "run", "fp16", repeat) for repeat in range(2)]
    pair = explain_traces(read(paths[0]), read(paths[1]))
    assert pair.timed.run == "", "the run compares schemes, not repeats"
    assert pair.timed.ratio.value == 1.0, "the times are of the same Case"
    assert pair.timed.verdict in ("SAME", "AMBIGUOUS")


def test_traces_of_unlike_settings_are_named(tmp_path):
    one = kept(tmp_path / "run", "fp16", 0)
    other = kept(tmp_path / "run", "int8", 0, batch_size=8)
    pair = explain_traces(read(one), read(other))
    assert pair.timed.run == ""
    (finding,) = [item for item in pair.findings if item.code == "unlike"]
    assert finding.evidence == "batch size: 1 and 8"
    assert pair.timed.unit == "step"


@pytest.mark.skipif(not SHARED.exists(), reason="the shared samples are not here")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("single_step_a", "single_step_b"),
        ("four_steps", "faster_candidate"),
        ("same_label_twice_a", "same_label_twice_b"),
    ],
)
def test_shared_samples_claim_nothing_overall_without_times(one, other):
    pair = explain_traces(read(SHARED / f"{one}.json"), read(SHARED / f"{other}.json"))
    assert pair.timed is None and pair.recorded.verdict is None
    if one == "single_step_a":
        assert not any(line.sure or line.low is not None for line in pair.recorded.lines)


@pytest.mark.skipif(not SHARED.exists(), reason="the shared samples are not here")
@pytest.mark.parametrize("name", ["cpu_zero_length_operator_at_the_end", "cpu_zero_length_operators_nested"])
def test_shared_samples_with_operators_of_no_length(name):
    found = read(SHARED / f"{name}.json")
    pair = explain_traces(found, found)
    assert pair.recorded.wall_ms == pytest.approx((0.1, 0.1))
    lines = {line.cause: line.scheme_ms for line in pair.recorded.lines}
    assert lines == pytest.approx({c.GEMM: 0.02, c.HOST_GAP: 0.08})


def test_two_processes_do_not_show_how_much_they_differ(tmp_path):
    """Their ratio has an interval between processes, of which a part is assumed: it is said so."""
    paths = [kept(tmp_path / "run", scheme, repeat) for repeat in range(2) for scheme in ("fp16", "int8")]
    found = explain_traces(read(paths[0]), read(paths[2])).timed
    assert found.ratio.basis == "between processes" and found.ratio.assumed
    assert not found.seen

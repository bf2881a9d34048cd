"""Every input of ../shared/samples/cases gives its right answer (ANSWERS.md there), through the commands as users call
them. Equal inputs of our own are in the tests beside each module, for machines without that folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.cli import main as bench
from bench.record import causes as c
from profiling.cli import main as profiling

CASES = Path(__file__).resolve().parents[2] / "shared" / "samples" / "cases"
pytestmark = pytest.mark.skipif(not CASES.exists(), reason="no ../shared/samples/cases beside the repository")


@pytest.fixture
def run(capsys):
    """Run a verb of either command; returns (exit code, stdout, stderr) with white space as single blanks."""

    def called(*arguments):
        words = [str(each) for each in arguments]
        code = (profiling if words[0] in ("summarize", "export") else bench)(words)
        out, err = capsys.readouterr()
        return code, " ".join(out.split()), " ".join(err.split())

    return called


@pytest.fixture
def summary(run):
    """The summary of a file as JSON."""

    def of(name, *more):
        code, out, err = run("summarize", CASES / name, "--json", *more)
        assert code == 0, err
        return json.loads(out)

    return of


@pytest.fixture
def pair(run):
    """Two traces explained, as JSON; of one file where only one is named."""

    def of(one, other=None, *more):
        code, out, err = run(
            "explain", "--reference", CASES / one, "--candidate", CASES / (other or one), *more, "--json"
        )
        assert code == 0, err
        return json.loads(out)["pairs"][0]

    return of


@pytest.fixture
def lines(pair):
    """(steps, ms per step by line) of one trace."""

    def of(name, *more):
        found = pair(name, None, *more)
        told = {line["cause"]: line["scheme_ms"] for line in found["recorded"]["lines"]}
        return found["steps"][1], {cause: pytest.approx(ms, abs=1e-6) for cause, ms in told.items() if ms}

    return of


def whatif(run, name, *more):
    code, out, err = run("whatif", CASES / name, *more, "--json")
    assert code == 0, err
    return json.loads(out)


def test_asynchronous_steps_already_graphs(run, lines):
    name = "asynchronous_steps_already_graphs.json"
    assert lines(name) == (3, {c.GEMM: 0.9})
    for change in ("--cuda-graph", "--remove=host_gap"):
        found = whatif(run, name, change)
        assert found["measured_ms"] == found["replayed_ms"] == found["predicted_ms"] == pytest.approx(0.9)


def test_backward_on_another_thread(summary):
    assert any(
        "launched from threads without a range" in note for note in summary("backward_on_another_thread.json")["notes"]
    )


def test_busy_with_copies(summary, run):
    found = summary("busy_with_copies.json")
    (copies,) = found["copies_by_direction"]
    assert (copies["direction"], copies["total_ns"], copies["bytes"]) == ("HtoD", 3_600_000, 360_000_000)
    assert sum(kernel["total_ns"] for kernel in found["kernels"]) == 240_000
    assert "only copies 3.600 ms (94%)" in run("summarize", CASES / "busy_with_copies.json")[1]


@pytest.mark.parametrize("name", ["cpu_zero_length_operator_at_the_end.json", "cpu_zero_length_operators_nested.json"])
def test_operators_without_length(lines, name):
    assert lines(name) == (1, {c.GEMM: 0.02, c.HOST_GAP: 0.08})


def test_emit_nvtx(lines, summary):
    assert lines("emit_nvtx_op_id.sqlite") == (4, {c.GEMM: 0.3, c.HOST_GAP: 0.7})
    ranges = {(each["name"], each["count"]) for each in summary("emit_nvtx_op_id.sqlite")["ranges"]}
    assert ranges == {("decode_step", 4), ("aten::mm", 4)}


def test_export_then_read(run, tmp_path):
    assert run("export", CASES / "export_then_read.json", tmp_path / "y.json")[0] == 0
    code, _, err = run("summarize", tmp_path / "y.json")
    assert code == 2 and "an export of this program, to look at" in err
    copy = tmp_path / "x.json"
    copy.write_bytes((CASES / "export_then_read.json").read_bytes())
    assert run("export", copy, copy)[0] == 2
    assert copy.read_bytes() == (CASES / "export_then_read.json").read_bytes()


def test_a_faster_candidate(run):
    times = ("--reference-time", 1.0, "--candidate-time", 0.8)
    files = ("--reference", CASES / "four_steps.json", "--candidate", CASES / "faster_candidate.json")
    code, out, err = run("explain", *files, *times)
    assert code == 0, err
    assert "takes ×0.80 the time" in out and "-%" not in out and "norms: -" not in out
    assert "SLOWER" not in out and "Slower:" not in out


def test_a_blocking_copy_of_hip(summary, lines):
    assert summary("hip_blocking_copy.json")["syncs"] == 3
    steps, found = lines("hip_blocking_copy.json")
    assert steps == 3 and found[c.SYNC_STALL] == 0.78, "0.7 ms, and its edges before the kernel and after the copy"


def test_intel_xpu(summary, lines):
    (step,) = summary("intel_xpu_runtime.json")["ranges"]
    assert (step["name"], step["kernels"]) == ("decode_step", 3)
    assert lines("intel_xpu_runtime.json") == (3, {c.GEMM: 0.3, c.SYNC_STALL: 0.5, c.HOST_GAP: 0.2})


def test_classes_of_kernels(lines, run):
    name = "kernels_of_unknown_or_wrong_class.json"
    work = {c.ATTENTION: 0.1, c.COMMUNICATION: 0.3, c.NORM: 0.1, c.GEMM: 0.4, c.OTHER: 0.1}
    assert lines(name) == (3, {**work, c.HOST_GAP: 1.0})
    assert "my_secret_kernel" in run("explain", "-v", "--reference", CASES / name, "--candidate", CASES / name)[1]


def test_ncu_details_page(summary):
    (kernel,) = summary("ncu_details_page.csv")["kernels"]
    assert (kernel["name"], kernel["duration_ns"]) == ("toy_gemm", 12_500)
    assert (kernel["l2_hit_rate"], kernel["dram_percent"], kernel["sm_percent"]) == (pytest.approx(0.42), 81.2, 10.1)


def test_ncu_in_a_european_locale(summary):
    kernels = {each["name"]: each for each in summary("ncu_european_locale.csv")["kernels"]}
    told = {name: (each["duration_ns"], each["dram_bytes"], each["l2_hit_rate"]) for name, each in kernels.items()}
    assert told == {
        "toy_gemm": (117_344, 27_595_520, pytest.approx(0.6577)),
        "toy_reduce": (14_912, 2_348_544, pytest.approx(0.067)),
    }


def test_ncu_raw_page(summary):
    (kernel,) = summary("ncu_raw_page.csv")["kernels"]
    assert (kernel["name"], kernel["launches"], kernel["duration_ns"]) == ("toy_gemm", 2, 26_000)


REFUSED = {
    "ncu_text_output.txt": "ncu's text output: write it with `ncu --csv`",
    "nsys_stats_kern_sum.csv": "a report of `nsys stats`",
    "folder_of_traces": "host_1.123.pt.trace.json",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_what_it_is(run, name):
    code, _, err = run("summarize", CASES / name)
    assert code == 2 and REFUSED[name] in err


def test_another_rank_fills_no_gaps(lines):
    assert lines("other_rank_fills_the_gaps.sqlite") == (4, {c.GEMM: 2.0, c.HOST_GAP: 8.0})


def test_lines_that_look_the_same_are_the_same(pair):
    times = ("--reference-time", "1", "--candidate-time", "1")
    found = pair("same_label_twice_a.json", "same_label_twice_b.json", *times)["sources"]
    labels = [(each["cause"], each["range"], each["operator"], each["work"]) for each in found]
    assert len(labels) == len(set(labels)) and len({label[3] for label in labels}) > 1


def test_steps_named_by_size(lines):
    for more in ((), ("--step-range", "execute_*")):
        assert lines("serving_steps_named_by_size.json", *more) == (4, {c.GEMM: 0.3, c.HOST_GAP: 0.7})


def test_one_step_of_each_has_no_interval(pair):
    times = ("--reference-time", "1.0", "--candidate-time", "1.3")
    for more in ((), times):
        found = pair("single_step_a.json", "single_step_b.json", *more)
        assert all(line["ci"] in (None, [None, None]) for line in found["recorded"]["lines"])
        assert all(cause["ci"] == [None, None] and not cause["sure"] for cause in found["causes"])


def test_a_step_hidden_among_names(lines, run):
    assert lines("step_hidden_among_names.json")[0] == 3
    code, _, err = run("whatif", CASES / "step_hidden_among_names.json", "--step-range", "none", "--remove", "host_gap")
    assert code == 2 and "its likely steps are 'ProfilerStep' (3 instances" in err


def test_a_range_without_gpu_work(run):
    found = whatif(run, "step_range_without_gpu_work.json", "--step-range", "tokenize", "--remove", "host_gap")
    assert (found["measured_ms"], found["replayed_ms"]) == (pytest.approx(0.6), pytest.approx(0.6))
    assert found["predicted_ms"] is None and "no GPU work" in found["missing"]


def test_steps_of_two_names(pair, run):
    names = "steps_of_two_names_a.json", "steps_of_two_names_b.json"
    assert pair(*names)["steps"] == [3, 3]
    given = ("--reference-range", "decode_step", "--candidate-range", "ProfilerStep")
    assert pair(*names, *given)["steps"] == [3, 3]
    files = ("--reference", CASES / names[0], "--candidate", CASES / names[1])
    code, _, err = run("explain", *files, "--step-range", "decode_step")
    assert code == 2 and "steps_of_two_names_b.json: the trace has no range 'decode_step'" in err


def test_torch_1_8(lines):
    for more in ((), ("--step-range", "ProfilerStep")):
        name = "torch_1_8_profilerstep_is_operator.json"
        assert lines(name, *more) == (3, {c.GEMM: 0.3, c.HOST_GAP: 0.7})


def test_two_ranks_whose_steps_overlap(lines):
    for rank in ((), ("--rank", 0), ("--rank", 1), ("--device", 1)):
        assert lines("two_ranks_overlapping_steps.sqlite", *rank) == (3, {c.GEMM: 2.0, c.HOST_GAP: 7.0})


def test_packed(summary):
    assert summary("packed.sqlite.gz")["kernels"]


def test_utf16(summary):
    assert summary("utf16.json") == summary("four_steps.json")


def test_nsys_s_own_reason(summary):
    found = summary("nsys_says_why_no_kernels.sqlite")
    assert sum(call["count"] for call in found["calls"]) == 3 and found["kernels"] == []
    assert "Installed CUDA driver version (99.9) is not supported" in found["notes"][0]

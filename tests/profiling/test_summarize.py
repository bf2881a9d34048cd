from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from trace_files import kineto_document, kineto_events, nsys_file

from profiling.cli import main
from profiling.export import COLOURS, export
from profiling.summarize import read_timeline, summarize
from profiling.verbs.summary_view import show

SAMPLES = Path(__file__).parents[2].parent / "shared" / "samples"
needs_samples = pytest.mark.skipif(not SAMPLES.exists(), reason="no ../shared/samples beside the repository")

EXPECTED = {
    "kind": "timeline",
    "kernels": [
        {"name": "gemm", "count": 1, "total_ns": 2000, "min_ns": 2000, "max_ns": 2000},
        {"name": "cast", "count": 1, "total_ns": 500, "min_ns": 500, "max_ns": 500},
    ],
    "ranges": [
        {
            "name": "decode_step",
            "domain": "bitledger",
            "count": 1,
            "total_ns": 8000,
            "gpu_busy_ns": 2500,
            "kernels": 2,
        },
        {"name": "q_proj", "domain": "bitledger", "count": 1, "total_ns": 2000, "gpu_busy_ns": 2000, "kernels": 1},
    ],
    "busy_ns": 2600,
    "idle_ns": 1100,
    "span_ns": 3700,
    "sync_stall_ns": 100,
    "host_gap_ns": 1000,
    "syncs": 1,
    "blocking_copies": 0,
    "copies": 1,
    "gpus": [{"device": 0, "kernels": 2, "busy_ns": 2600, "only_copies_ns": 100, "idle_ns": 1100, "span_ns": 3700}],
    "copies_by_direction": [
        {"direction": "DtoH", "count": 1, "total_ns": 100, "bytes": 512, "bytes_per_s": pytest.approx(5.12e9)}
    ],
    "notes": [],
}


def test_the_summary_of_a_timeline(tmp_path):
    assert summarize(nsys_file(tmp_path / "misnamed.txt")) == EXPECTED


def test_the_command_prints_the_same_json(tmp_path, capsys):
    assert main(["summarize", str(nsys_file(tmp_path / "a.sqlite")), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == EXPECTED


def test_tables_are_those_of_nsys_stats(tmp_path):
    tables = summarize(nsys_file(tmp_path / "a.sqlite"), tables=True)["tables"]
    assert set(tables) == {
        "cuda_api_sum",
        "cuda_gpu_kern_sum",
        "nvtx_gpu_proj_sum",
        "nvtx_kern_sum",
        "cuda_kern_exec_sum",
    }
    first = tables["nvtx_gpu_proj_sum"][0]
    assert (first["range"], first["total_ns"], first["gpu_ops"]) == ("decode_step", 3700, 3)
    assert tables["nvtx_kern_sum"][0]["kernel"] == "gemm"
    launch = tables["cuda_kern_exec_sum"][0]
    assert (launch["total_total_ns"], launch["call_total_ns"], launch["queue_total_ns"]) == (2500, 200, 300)
    json.dumps(tables, allow_nan=False)


@pytest.mark.parametrize("arguments", [[], ["--tables"], ["--top", "1"]])
def test_the_tables_on_the_terminal(tmp_path, capsys, arguments):
    assert main(["summarize", str(nsys_file(tmp_path / "a.sqlite")), *arguments]) == 0
    out = capsys.readouterr().out
    assert "gemm" in out
    assert "GPU: busy 2.600 µs + idle 1.100 µs = 3.700 µs" in out


def test_names_in_brackets_survive_the_terminal():
    console = Console(width=100, record=True, file=io.StringIO())
    kernel = {"name": "f<[bold]>[/x]", "count": 1, "total_ns": 5}
    show({"kind": "counters", "kernels": [kernel], "warnings": ["[/b]"]}, 5, console)
    assert "f<[bold]>[/x]" in console.export_text()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"\x00" * 100,
        b"{}",
        b"[",
        b"SQLite format 3\x00",
        b"\x1f\x8b",
        gzip.compress(b"x", mtime=0)[:8],
        None,
    ],
)
def test_what_cannot_be_read_is_one_line_and_exit_2(tmp_path, capsys, content):
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content)
    assert main(["summarize", str(path)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"bitledger: {path}")
    assert said.err.count("\n") == 1


def test_a_folder_is_refused(tmp_path, capsys):
    assert main(["summarize", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_debug_shows_the_traceback(tmp_path):
    with pytest.raises(Exception, match="cannot be read"):
        main(["summarize", "--debug", str(tmp_path / "missing")])


def test_help_imports_nothing_heavy():
    code = (
        "import sys, contextlib\n"
        "from profiling.cli import main\n"
        "with contextlib.suppress(SystemExit): main(['summarize', '--help'])\n"
        "print({'numpy', 'torch', 'rich', 'msgspec'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("set()\n")


@needs_samples
def test_every_sample_reads_or_gives_one_clear_line(capsys):
    files = [*SAMPLES.glob("ncu/*"), *SAMPLES.glob("kineto/*"), *SAMPLES.glob("nsys/*.sqlite")]
    for path in files:
        code = main(["summarize", str(path), "--json"])
        said = capsys.readouterr()
        assert code == (2 if path.name == "no_cuda_tables.sqlite" else 0), path
        assert said.err.count("\n") == (code == 2)
        if code == 0:
            assert json.loads(said.out)["kernels"]


@needs_samples
def test_truncated_copies_of_every_sample_give_one_clear_line(tmp_path, capsys):
    files = [*SAMPLES.glob("kineto/*"), *SAMPLES.glob("nsys/*.sqlite")]
    for path in files:
        content = path.read_bytes()
        for share in (0.01, 0.5, 0.98):
            cut = tmp_path / path.name
            cut.write_bytes(content[: int(len(content) * share)])
            assert main(["summarize", str(cut)]) == 2
            assert capsys.readouterr().err.count("\n") == 1


def sqlite_and_json(folder: Path) -> list[Path]:
    document = folder / "a.json"
    document.write_text(kineto_document(kineto_events()))
    return [nsys_file(folder / "a.sqlite"), document]


@pytest.mark.parametrize("name", ["out.json", "out.json.gz"])
def test_export_is_a_chrome_trace_with_gaps_and_classes(tmp_path, name):
    for path in sqlite_and_json(tmp_path):
        timeline, out = read_timeline(path), tmp_path / name
        count = export(timeline, out, lambda kernel, around: "gemm" if around == "q_proj" else "cast")
        content = gzip.decompress(out.read_bytes()) if name.endswith("gz") else out.read_bytes()
        events = json.loads(content)["traceEvents"]
        assert len(events) == count
        slices = {e["name"]: e for e in events if e["ph"] == "X" and e["cat"] in ("kernel", "copy")}
        assert slices["gemm"]["cname"] == COLOURS["gemm"]
        assert slices["cast"]["cname"] == COLOURS["cast"]
        assert (slices["gemm"]["ts"], slices["gemm"]["dur"], slices["gemm"]["args"]["range"]) == (3.0, 2.0, "q_proj")
        assert slices["copy DtoH"]["args"]["bytes"] == 512
        gaps = [(e["name"], round(e["dur"] * 1000)) for e in events if e.get("cat") == "idle"]
        assert sorted(gaps) == [("host_gap", 500), ("host_gap", 500), ("sync_stall", 100)]
        assert [e["name"] for e in events if e.get("cat") == "range"] == ["decode_step", "q_proj"]


def test_export_verb(tmp_path, capsys):
    source, out = nsys_file(tmp_path / "a.sqlite"), tmp_path / "out.json"
    assert main(["export", str(source), str(out)]) == 0
    assert "perfetto" in capsys.readouterr().out
    assert main(["export", str(source), str(tmp_path / "no" / "folder.json")]) == 2
    assert main(["export", str(source), str(tmp_path / "trace.csv")]) == 2
    assert not (tmp_path / "trace.csv").exists(), "a Chrome trace is no table"


def test_a_gpu_that_copies_does_not_read_as_one_that_computes(tmp_path, capsys):
    from tests.foreign_traces import Story

    story = Story()
    for step in range(4):
        start = 1000 + 1000 * step
        story.range("decode_step", start, 1000).copy("HtoD", start + 5, start + 10, 900, 90_000_000)
        story.kernel("toy_gemm", start + 20, start + 910, 60)
    path = story.kineto(tmp_path / "a.json")
    found = summarize(path)
    assert found["copies_by_direction"] == [
        {
            "direction": "HtoD",
            "count": 4,
            "total_ns": 3_600_000,
            "bytes": 360_000_000,
            "bytes_per_s": pytest.approx(1e11),
        }
    ]
    assert found["gpus"][0]["only_copies_ns"] == 3_600_000
    assert main(["summarize", str(path)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "kernels 240.000 µs, only copies 3.600 ms (94%)" in out and "360 MB" in out and "100 GB/s" in out


def test_two_gpus_are_told_apart(tmp_path, capsys):
    from tests.foreign_traces import Story

    story = Story()
    for device, length in ((0, 200), (1, 700)):
        for step in range(3):
            story.kernel("toy_gemm", 1000 * step, 1000 * step + 10, length, device=device)
    path = story.kineto(tmp_path / "a.json")
    assert [(gpu["device"], gpu["busy_ns"]) for gpu in summarize(path)["gpus"]] == [(0, 600_000), (1, 2_100_000)]
    assert main(["summarize", str(path)]) == 0
    assert "2 GPUs together" in capsys.readouterr().out


def test_kernels_that_no_range_counts_are_said(tmp_path):
    from tests.foreign_traces import Story

    story = Story()
    for step in range(3):
        start = 1000 + 1000 * step
        story.range(f"ProfilerStep#{step}", start, 1000).kernel("toy_fwd", start + 20, start + 100, 200)
        story.kernel("toy_bwd", start + 320, start + 400, 500, tid=2)
    notes = summarize(story.kineto(tmp_path / "a.json"))["notes"]
    assert any("3 kernels were launched from threads without a range" in note for note in notes)


def test_a_blocking_copy_of_hip_is_a_synchronising_call(tmp_path, capsys):
    from tests.foreign_traces import Story

    story = Story()
    for step in range(3):
        start = 1000 + 1000 * step
        story.kernel("Cijk_toy", start + 20, start + 100, 100, api="hipModuleLaunchKernel")
        story.copy("DtoH", start + 30, start + 900, 20, 64, api="hipMemcpyWithStream", took=900)
    path = story.kineto(tmp_path / "a.json")
    found = summarize(path)
    assert (found["syncs"], found["blocking_copies"]) == (3, 3) and found["sync_stall_ns"] == 2_260_000
    assert main(["summarize", str(path)]) == 0
    assert "synchronising calls: 3 (of these 3 blocking copies)" in capsys.readouterr().out

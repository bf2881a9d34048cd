"""Forms in which traces come, and outputs of tools that are no traces: read, or refused with what to give instead."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import sqlite3
import zipfile

import pytest
from ncu_files import TIME, long_csv

from bench.record.errors import MachineError, RecordError
from profiling.cli import main
from profiling.readers import nsys
from profiling.readers.nsys_facts import version_of_report
from profiling.summarize import read_timeline, summarize
from tests.foreign_traces import steady

STEPS = steady(["decode_step"] * 3)


@pytest.fixture
def json_file(tmp_path):
    return STEPS.kineto(tmp_path / "steps.json")


@pytest.fixture
def sqlite_file(tmp_path):
    return STEPS.nsys(tmp_path / "steps.sqlite")


def packed(path, how):
    out, content = path.with_name(f"packed.{how}"), path.read_bytes()
    if how == "zip":
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("inner/" + path.name, content)
    elif how == "utf16":
        out.write_bytes(content.decode().encode("utf-16"))
    elif how == "utf16le":
        out.write_bytes(content.decode().encode("utf-16-le"))
    elif how == "utf16gz":
        out.write_bytes(gzip.compress(content.decode().encode("utf-16")))
    elif how == "gzzip":
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("t.json.gz", gzip.compress(content))
    else:
        out.write_bytes({"gz": gzip, "bz2": bz2, "xz": lzma}[how].compress(content))
    return out


@pytest.mark.parametrize("how", ["gz", "zip", "bz2", "xz", "utf16", "utf16le", "utf16gz", "gzzip"])
def test_a_packed_chrome_trace_is_read(json_file, how):
    assert summarize(packed(json_file, how)) == summarize(json_file)


@pytest.mark.parametrize("how", ["gz", "zip", "bz2", "xz"])
def test_a_packed_export_of_nsys_is_read(sqlite_file, how):
    assert summarize(packed(sqlite_file, how)) == summarize(sqlite_file)


@pytest.mark.parametrize("how", ["gz", "zip", "bz2", "xz", "utf16gz"])
def test_a_packed_table_of_ncu_is_read(tmp_path, how):
    table = tmp_path / "ncu.csv"
    table.write_text(long_csv([(0, "toy", TIME, "ns", "5")]))
    assert summarize(packed(table, how)) == summarize(table)


@pytest.mark.parametrize("after", [b"junk", b"\0\0junk", b"\x1f"])
@pytest.mark.parametrize("kind", ["json", "sqlite", "ncu"])
def test_what_follows_a_gzip_stream_is_left_out_and_said(tmp_path, json_file, sqlite_file, kind, after):
    table = tmp_path / "ncu.csv"
    table.write_text(long_csv([(0, "toy", TIME, "ns", "5")]))
    plain = {"json": json_file, "sqlite": sqlite_file, "ncu": table}[kind]
    file = packed(plain, "gz")
    file.write_bytes(file.read_bytes() + after)
    found, expected, notes = summarize(file), summarize(plain), "warnings" if kind == "ncu" else "notes"
    assert found[notes] == ["what follows the end of the gzip stream was left out", *expected[notes]]
    assert found | {notes: expected[notes]} == expected


@pytest.mark.parametrize("kind", ["json", "sqlite"])
def test_zeros_that_pad_a_gzip_file_are_nothing(json_file, sqlite_file, kind):
    plain = {"json": json_file, "sqlite": sqlite_file}[kind]
    file = packed(plain, "gz")
    file.write_bytes(file.read_bytes() + bytes(512))
    assert summarize(file) == summarize(plain)


def test_a_list_of_events_that_nothing_closes_is_read_and_said(tmp_path, json_file):
    events = json.loads(json_file.read_text())["traceEvents"]
    whole, file = tmp_path / "whole.json", tmp_path / "unclosed.json"
    whole.write_text(json.dumps(events, indent=1))
    for end in ("", "\n", ",", ",\n "):
        file.write_text(whole.read_text().rstrip("]\n") + end)
        found = summarize(file)
        assert found.pop("notes")[0].startswith("its list of events has no end, as where its writer stopped")
        assert found == {key: value for key, value in summarize(whole).items() if key != "notes"}


@pytest.mark.parametrize("cut", ["in an event of a list", "in an event", "between events"])
def test_what_is_cut_off_otherwise_is_refused(tmp_path, json_file, cut):
    text = json_file.read_text()
    events = text[text.index("[") :]
    text = {
        "in an event of a list": events[:-40],
        "in an event": text[:-40],
        "between events": text.rstrip("]}") + "}",
    }[cut]
    (tmp_path / "cut.json").write_text(text)
    with pytest.raises(RecordError, match="truncated or corrupt Chrome trace"):
        read_timeline(tmp_path / "cut.json")


@pytest.mark.parametrize("how", ["gz", "zip", "bz2", "xz"])
def test_a_damaged_archive_names_the_file_that_the_user_gave(sqlite_file, how):
    file = packed(sqlite_file, how)
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(RecordError) as refused:
        read_timeline(file)
    assert str(file) in str(refused.value) and "bitledger-" not in str(refused.value)


@pytest.mark.parametrize("how", ["gz", "zip", "bz2", "xz"])
def test_an_archive_damaged_in_its_middle_is_refused(sqlite_file, how):
    file = packed(sqlite_file, how)
    content = bytearray(file.read_bytes())
    content[80:400] = bytes(range(64)) * 5
    file.write_bytes(content)
    with pytest.raises(RecordError, match="corrupt"):
        read_timeline(file)


def test_what_is_wrong_inside_an_archive_names_the_archive(tmp_path):
    file = tmp_path / "a.json"
    file.write_text('{"traceEvents": [{"ph": "X", "ca')
    for how in ("zip", "utf16"):
        with pytest.raises(RecordError) as refused:
            read_timeline(packed(file, how))
        assert str(file.with_name(f"packed.{how}")) in str(refused.value) and "plain" not in str(refused.value)


def test_an_archive_of_several_files_names_them(tmp_path):
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.json", "{}")
        archive.writestr("b.json", "{}")
    with pytest.raises(RecordError, match=r"archive of 2 files \(a.json, b.json\)"):
        read_timeline(tmp_path / "two.zip")


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path):
    for name, content in (
        ("a.xz", lzma.compress(b"[" + bytes(64 << 20))),
        ("a.bz2", bz2.compress(b"[" + bytes(64 << 20))),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RecordError, match="unpacks to more than"):
            read_timeline(tmp_path / name)


def test_a_folder_names_the_traces_in_it(tmp_path, json_file):
    with pytest.raises(RecordError, match=r"a folder: give one of its traces: .*steps\.json"):
        read_timeline(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecordError, match="a folder: give one trace file; there is none in it"):
        read_timeline(tmp_path / "empty")


def test_a_run_folder_names_the_traces_of_its_artifacts_and_not_its_plan(tmp_path, json_file):
    kept = tmp_path / "run/artifacts/kineto-int8-x-0"
    kept.mkdir(parents=True)
    for name in ("plan.json", "left-out.json", "anonymous.json"):
        (tmp_path / "run" / name).write_text("{}")
    with pytest.raises(RecordError, match="a folder: give one trace file; there is none in it"):
        read_timeline(tmp_path / "run")
    (kept / "summary.json").write_text("{}")
    json_file.rename(kept / "trace.json")
    with pytest.raises(RecordError) as refused:
        read_timeline(tmp_path / "run")
    assert str(refused.value).endswith(f"give one of its traces: {kept / 'trace.json'}")


def test_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RecordError, match="a pipe or a device"):
        read_timeline(tmp_path / "pipe")


OTHERS = {
    "Time (%),Total Time (ns),Instances,Avg (ns),Name\n80.0,8,4,2,a\n": "a report of `nsys stats`.*give the .sqlite",
    "Start (ns),Duration (ns),CorrId,Name\n1,2,3,a\n": "a report of `nsys stats`",
    " ** CUDA GPU Kernel Summary (cuda_gpu_kern_sum):\n\n Time (%)  Total": "the text of `nsys stats`",
    '"Name","Calls","TotalDurationNs","AverageNs","Percentage"\n"a",1,2,2,100\n': "rocprof.*torch.profiler",
    '"Kind","Agent_Id","Queue_Id","Kernel_Id"\n"KERNEL_DISPATCH",1,1,1\n': "rocprof",
    '"Kind","Direction","Stream_Id"\n"MEMORY_COPY","H2D",1\n': "rocprof",
    '"Node_Id","Logical_Node_Id","Agent_Type"\n': "rocprof",
    '{"rocprofiler-sdk-tool": [{"metadata": {}}]}': "rocprofv3.*torch.profiler",
    "Time (%);Total Time (ns);Instances\n80,0;8;4\n": "a report of `nsys stats`.*give the .sqlite",
    "Time (%)\tTotal Time (ns)\tInstances\n": "a report of `nsys stats`",
    "Generating SQLite file a.sqlite from a.nsys-rep\nProcessing [a] with [x.py]...\nTime (%),Total": "nsys stats",
    "Start (us),Duration (us),CorrId,Name\n1,2,3,a\n": "nsys stats`, which holds calls, ranges and kernels apart",
    '[\n {"Time (%)": 90.0, "Total Time (ns)": 100}\n]': "a report of `nsys stats`",
    '{"SchemaVersion":"3.2"}\n{"Type":48,"CudaEvent":{"startNs":"1"}}\n': "nsys as JSON.*--type sqlite",
    '==12== NVPROF is profiling process 12\n"Type","Time(%)"\n': "nvprof",
    '"ID";"Process ID";"Kernel Name";"Metric Name";"Metric Value"\n': "other separators: give ncu's own file",
    "version https://git-lfs.github.com/spec/v1\noid sha256:abc\n": "git lfs pull",
    "\n<!DOCTYPE html>\n<html>": "a web page: download",
    "t.json" + "\0" * 251 + "ustar": "tar -xf",
    '{"$schema": "https://www.speedscope.app/file-format-schema.json"}': "speedscope",
    "==PROF== Connected to process 8\n  a (1, 1, 1)\n    Section: GPU Speed Of Light\n": "ncu's text output.*--csv",
    "  toy(int) (1, 1, 1)\n    Section: Speed\n    ----- ----\n    Metric Name  Unit\n": "ncu's text output.*-o FILE",
}


TRACE = '{"traceEvents": [{"ph": "X", "cat": "kernel", "name": "%s", "ts": 1, "dur": 2, "pid": 0, "tid": 7}]}'


@pytest.mark.parametrize("name", ["CudaEvent", "rocprofiler-sdk-tool", "** k (cuda_k):", "<html>", "Node_Id,"])
def test_names_in_a_trace_do_not_make_it_another_file(tmp_path, name):
    (tmp_path / "t.json").write_text(TRACE % name)
    assert [each["name"] for each in summarize(tmp_path / "t.json")["kernels"]] == [name]


def test_a_trace_of_rocprof_is_no_trace_of_torch(tmp_path):
    event = {"ph": "X", "name": "k", "pid": 6, "tid": 0, "ts": "5", "dur": "20", "args": {"BeginNs": "5"}}
    (tmp_path / "t.json").write_text(json.dumps({"traceEvents": [{}, event]}))
    with pytest.raises(RecordError, match="events are of other kinds"):
        summarize(tmp_path / "t.json")


@pytest.mark.parametrize("code", ["utf-16-le", "utf-16-be"])
def test_a_table_of_ncu_in_utf_16_without_its_mark_is_read(tmp_path, code):
    text = long_csv([(0, "toy_gemm", "gpu__time_duration.sum", "us", "12.50")], before="")
    (tmp_path / "t.csv").write_bytes(text.encode(code))
    (found,) = summarize(tmp_path / "t.csv")["kernels"]
    assert found["duration_ns"] == 12_500


@pytest.mark.parametrize("text", OTHERS)
def test_outputs_of_tools_that_are_no_traces(tmp_path, text):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(RecordError, match=OTHERS[text]):
        summarize(tmp_path / "a.txt")


def test_other_databases_are_called_what_they_are(tmp_path):
    for table, message in (
        ("rocpd_kernel", "of rocprof, .*torch.profiler, which works on ROCm$"),
        ("customers", "nsys did not write.*customers"),
    ):
        with sqlite3.connect(tmp_path / f"{table}.db") as db:
            db.execute(f"CREATE TABLE {table} (a INTEGER)")
        db.close()
        with pytest.raises(RecordError, match=message):
            read_timeline(tmp_path / f"{table}.db")


DIAGNOSTICS = """
CREATE TABLE DIAGNOSTIC_EVENT (timestamp INTEGER, severity INTEGER, text TEXT);
INSERT INTO DIAGNOSTIC_EVENT VALUES (1, 2, 'Not all CUDA events might have been collected.');
INSERT INTO DIAGNOSTIC_EVENT VALUES (1, 3, 'Installed CUDA driver version (99.9) is not supported.');
INSERT INTO DIAGNOSTIC_EVENT VALUES (1, 1, 'Profiling has started.');
INSERT INTO DIAGNOSTIC_EVENT VALUES (1, 2, 'No OpenGL events collected. Does the process use OpenGL?');
INSERT INTO META_DATA_EXPORT VALUES ('EXPORT_PRODUCT_VERSION', '2025.5.2.266');
CREATE TABLE TARGET_INFO_GPU (name TEXT, clockRate INTEGER);
INSERT INTO TARGET_INFO_GPU VALUES ('Toy GPU', 1785000000), ('Toy GPU', 1785000000);
"""


def test_nsys_s_own_reasons_are_told_and_calls_are_summed(tmp_path):
    story = steady(["decode_step"] * 3)
    story.kernels.clear()
    found = summarize(story.nsys(tmp_path / "a.sqlite", DIAGNOSTICS))
    assert found["notes"][:2] == [
        "nsys says: Installed CUDA driver version (99.9) is not supported.",
        "nsys says: Not all CUDA events might have been collected.",
    ]
    assert not any("OpenGL" in note or "started" in note for note in found["notes"])
    assert found["calls"] == [{"name": "cudaLaunchKernel", "count": 3, "total_ns": 15_000}]


def test_versions_and_hardware_of_an_export(tmp_path):
    facts = read_timeline(STEPS.nsys(tmp_path / "a.sqlite", DIAGNOSTICS)).facts
    assert facts == (("nsys", "2025.5.2.266"), ("GPU", "2 × Toy GPU"), ("GPU clock, at most", "1785 MHz"))


def test_a_report_of_a_newer_nsys_names_both_versions_and_the_file(tmp_path, monkeypatch):
    report = tmp_path / "mine.nsys-rep"
    report.write_bytes(b"NVIDIA Tegra Profiler Report 1." + b"\0/opt/nvidia/nsight-systems/2031.2.1/target-linux-x64\0")
    tool = tmp_path / "nsys"
    tool.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo "NVIDIA Nsight Systems version 2023.4.1.97" && exit 0\n'
        'echo "Importer error status: unsupported" >&2; exit 1\n'
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert version_of_report(report) == "2031.2.1"
    with pytest.raises(
        RecordError, match=r"mine\.nsys-rep.*unsupported.*nsys 2031\.2\.1 wrote it and nsys 2023\.4\.1 is"
    ):
        read_timeline(report)


def test_a_report_without_nsys_names_the_file(tmp_path, monkeypatch):
    (tmp_path / "mine.nsys-rep").write_bytes(b"NVIDIA Tegra Profiler Report 1.")
    monkeypatch.setattr(nsys.shutil, "which", lambda _: None)
    with pytest.raises(MachineError, match=r"mine\.nsys-rep"):
        read_timeline(tmp_path / "mine.nsys-rep")


def test_an_export_of_ours_is_not_read_as_a_trace(json_file, tmp_path, capsys):
    for name in ("out.json", "out.json.gz"):
        assert main(["export", str(json_file), str(tmp_path / name)]) == 0
        assert main(["summarize", str(tmp_path / name)]) == 2
        assert "give the trace that it was made from" in capsys.readouterr().err
    before = json_file.read_bytes()
    assert main(["export", str(json_file), str(json_file)]) == 2
    assert json_file.read_bytes() == before


def test_an_export_keeps_the_rules_of_the_trace_event_format(tmp_path):
    """What Perfetto's importer asks for: complete events with whole ids and times, those of a track inside or beside
    each other, and names for processes and threads."""
    import json

    story = steady(["decode_step"] * 3)
    for step in range(
        3
    ):  # begins before the product is over, as kernels of one stream may, and a third before both are
        story.kernel("early", 1040 + 1000 * step, 1350 + 1000 * step, 200)
        story.kernel("earlier", 1060 + 1000 * step, 1360 + 1000 * step, 300)
    crossing = "".join(
        f"INSERT INTO NVTX_EVENTS VALUES ({start}000,{end}000,60,'request',{(1 << 48) + (100 << 24) + 1},NULL,0);"
        for start, end in ((1100, 1900), (1500, 2500), (2400, 3100))
    )
    out = tmp_path / "out.json"
    assert main(["export", str(story.nsys(tmp_path / "a.sqlite", crossing)), str(out)]) == 0
    document = json.loads(out.read_text())
    events = document["traceEvents"]
    assert document["displayTimeUnit"] == "ns" and {event["ph"] for event in events} == {"X", "M"}
    assert all(isinstance(event[key], int) for event in events for key in ("pid", "tid"))
    assert {e["name"] for e in events if e["ph"] == "M"} == {"process_name", "thread_name"}
    kernels = [event for event in events if event.get("cat") == "kernel"]
    assert len(kernels) == 9 and len({event["tid"] for event in kernels}) == 3
    rows = {(event["pid"], event["tid"]) for event in events if event["ph"] == "X" and event["cat"] != "call"}
    assert rows <= {(event["pid"], event["tid"]) for event in events if event["name"] == "thread_name"} | {(100, 1)}
    tracks: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for event in events:
        if event["ph"] == "X":
            assert event["name"] and event["ts"] >= 0 and event["dur"] >= 0
            tracks.setdefault((event["pid"], event["tid"]), []).append((event["ts"], event["ts"] + event["dur"]))
    for slices in tracks.values():
        for start, end in slices:
            assert not any(start < other < end < stop for other, stop in slices), "two slices of a track cross"

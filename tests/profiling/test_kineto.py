from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trace_files import KERNELS, RANGES, event, kineto_document, kineto_events, nsys_file

from bench.analysis.timeline import Analysis
from bench.record.errors import RecordError
from bench.record.timeline import LAUNCH, SYNC
from profiling.readers import kineto_events as streaming
from profiling.readers.kineto import read_kineto
from profiling.summarize import summarize

SAMPLE = Path(__file__).parents[2].parent / "shared" / "samples" / "kineto" / "h100_vllm_decode_bs64.trace.json.gz"


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def read(tmp_path: Path, events: list[dict]):
    return read_kineto(written(tmp_path / "a.json", kineto_document(events)))


def test_the_same_story_reads_the_same_from_both_tools(tmp_path):
    of_kineto = summarize(written(tmp_path / "a.json", kineto_document(kineto_events())))
    of_nsys = summarize(nsys_file(tmp_path / "a.sqlite"))
    for row in of_nsys["ranges"]:
        row["domain"] = ""
    assert of_kineto == of_nsys


@pytest.mark.parametrize("indent", [None, 0, 2])
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("bare", [True, False])
def test_every_layout(tmp_path, indent, packed, bare):
    events = kineto_events()
    document = json.dumps(events if bare else {"traceEvents": events, "displayTimeUnit": "ns"}, indent=indent)
    path = tmp_path / "a.trace"
    path.write_bytes(gzip.compress(document.encode()) if packed else document.encode())
    timeline = read_kineto(path)
    assert timeline.kernels.start.tolist() == [row[0] for row in KERNELS]
    assert timeline.calls.kind.tolist() == [LAUNCH, LAUNCH, 3, SYNC]
    assert (Analysis(timeline).range >= 0).all()


@pytest.mark.parametrize("block", [64, 700, 5000])
def test_blocks_of_any_size_give_the_same_events(tmp_path, monkeypatch, block):
    events = [
        event("kernel", f'odd " }}, {{ \\ name {n}', n, n + 1, 0, 7, correlation=n, nested=[{"a": 1}, {"b": 2}])
        for n in range(99)
    ]
    text = kineto_document(events, extra=[{"x": [1]}, {"y": 2}])
    monkeypatch.setattr(streaming, "_BLOCK", block)
    blocks = list(streaming.EventStream(written(tmp_path / "a.json", text)))
    assert [e.name for block in blocks for e in block] == [e["name"] for e in events]
    assert len(blocks) > 1 or block == 5000


def test_a_long_trailer_is_not_taken_for_events(tmp_path, monkeypatch):
    monkeypatch.setattr(streaming, "_BLOCK", 256)
    document = {
        "traceEvents": kineto_events(),
        "more": [{"ph": "X", "n": n} for n in range(50)],
        "baseTimeNanoseconds": 7,
    }
    timeline = read_kineto(written(tmp_path / "a.json", json.dumps(document)))
    assert len(timeline.kernels) == 2
    assert timeline.epoch_ns == 7


@given(st.integers(0, 2**43 * 1000), st.integers(0, 10**12))
def test_nanoseconds_are_exact_below_two_to_the_43_microseconds(start, width):
    from profiling.readers.kineto import _timed

    _, found = _timed([streaming.Event(ts=float(f"{start // 1000}.{start % 1000:03d}"), dur=width / 1000)])
    assert found["start"].tolist() == [start]
    assert found["end"].tolist() == [start + width]


def test_whole_microseconds_since_1970_are_exact(tmp_path):
    events = [{**event("cpu_op", "mm", 0, 3000, 1, 1), "ts": 1767189312123457, "dur": 3}]
    timeline = read(tmp_path, events)
    assert timeline.operators.start.tolist() == [1767189312123457000]
    assert timeline.operators.end.tolist() == [1767189312123460000]


def test_a_cpu_trace_gives_operators_and_says_so(tmp_path):
    events = [event("cpu_op", "aten::mm", 0, 100, 1, 1), event("cpu_op", "aten::copy_", 10, 40, 1, 1)]
    summary = summarize(written(tmp_path / "a.json", kineto_document(events)))
    assert summary["kernels"] == []
    assert summary["busy_ns"] is None
    assert [(row["name"], row["total_ns"], row["self_ns"]) for row in summary["operators"]] == [
        ("aten::mm", 100, 70),
        ("aten::copy_", 30, 30),
    ]
    assert summary["operators_busy_ns"] == 100
    assert any("no GPU kernels" in note for note in summary["notes"])


def test_numbers_that_json_does_not_know(tmp_path):
    text = kineto_document(kineto_events()).replace(
        '"stream": 7', '"stream": 7, "x": NaN, "y": -Infinity, "z": nan, "s": "NaN"'
    )
    timeline = read_kineto(written(tmp_path / "a.json", text))
    assert len(timeline.kernels) == 2
    assert timeline.kernels.stream.tolist() == [7, 7]


def test_fields_of_the_wrong_type_are_left_out_not_fatal(tmp_path):
    events = kineto_events()
    events.append({**event("kernel", "odd", 9, 10, "0", "stream 7", stream="seven", correlation="x"), "tid": [1]})
    events.append({**event("kernel", "late", 9, 10, 0, 7), "ts": "0.5"})
    events.append({**event("kernel", "never", 9, 10, 0, 7), "ts": None})
    events.append("not an event")
    timeline = read(tmp_path, events)
    assert [timeline.strings[i] for i in timeline.kernels.name] == ["gemm", "cast", "odd", "late"]
    assert timeline.kernels.start.tolist()[-1] == 500
    assert timeline.notes == ("1 events without a usable time or duration were left out",)


def test_ids_as_text_order_and_other_categories(tmp_path):
    events = [{**e, "pid": str(e["pid"])} if e["cat"] == "cuda_runtime" else e for e in reversed(kineto_events())]
    events += [event("gpu_user_annotation", "decode_step", 3000, 6000, 0, 7), {"ph": "i", "name": "mark", "ts": 1}]
    events += [event("python_function", "f", 0, 9, 1, 1), event("Trace", "x", 0, 9, "Spans", "PyTorch Profiler")]
    timeline = read(tmp_path, events)
    assert len(timeline.ranges) == len(RANGES)
    assert len(timeline.frames) == 1
    assert set(timeline.threads.pid.tolist()) == {100, 1}
    assert (Analysis(timeline).launch >= 0).all()


def test_kernels_of_a_graph_keep_their_node(tmp_path):
    node = event("kernel", "k", 1, 2, 0, 7, **{"graph node id": 5, "correlation": 11})
    assert read(tmp_path, [*kineto_events(), node]).kernels.graph_node.tolist() == [-1, -1, 5]


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"traceEvents": {}}',
        '{"traceEvents": []}',
        "[]",
        "[1, 2",
        '{"traceEvents": [{"ph": "X"}',
        '{"a": "traceEvents"}',
    ],
)
def test_what_is_no_trace_is_refused(tmp_path, text):
    with pytest.raises(RecordError):
        read_kineto(written(tmp_path / "a.json", text))


def test_impossible_values_are_refused(tmp_path):
    for changes in ({"ts": 1e300}, {"dur": -5.0}, {"ts": 10**400}, {"args": {"correlation": 2**70}}):
        with pytest.raises(RecordError):
            document = kineto_document([{**event("cuda_runtime", "x", 1, 2, 1, 1), **changes}])
            assert len(read_kineto(written(tmp_path / "a.json", document)).calls) == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"traceEvents": [' + '{"ph": "X", "args": {"a": ' + "[" * 5000, "corrupt"),
        ('{"traceEvents": [' + "{}," * 100_000 + "{}]}", "its events are empty"),
        ('{"a": 1' + " " * (33 << 20), "more than 32 MiB"),
        ('[{"ph": "X", "name": "' + "x" * (33 << 20), "more than 32 MiB"),
        ('{"traceEvents": [{"ts": "1", "x": ' + "[1]," * (1 << 19) + "1]", "truncated or corrupt"),
        (kineto_document([{**event("kernel", "k", 1, 2, 0, 7), "dur": -5.0}]), "1 events without a usable time"),
        (kineto_document(kineto_events()) * 2, "several JSON documents"),
        ("\n".join([json.dumps(kineto_events())] * 2), "several JSON documents"),
    ],
    ids=range(8),
)
def test_what_would_fill_the_memory_or_the_stack_is_one_clear_error(tmp_path, text, says):
    """Found by fuzzing."""
    path = written(tmp_path / "a.json", text)
    with pytest.raises(RecordError, match=says) as caught:
        read_kineto(path)
    assert str(path) in str(caught.value)


def test_a_file_that_would_unpack_to_gigabytes_is_refused(tmp_path):
    path = tmp_path / "a.json.gz"
    path.write_bytes(gzip.compress(b'{"traceEvents": [' + b'{"ph": "i"},' * (2 << 20), 1))
    with pytest.raises(RecordError, match="more than 200 times its size"):
        read_kineto(path)


def test_a_missing_file_is_one_clear_error(tmp_path):
    with pytest.raises(RecordError, match="cannot be read"):
        read_kineto(tmp_path / "absent.json")


@settings(deadline=None)
@given(st.data())
def test_any_damage_is_a_record_error_or_harmless(tmp_path_factory, data):
    content = kineto_document(kineto_events()).encode()
    if data.draw(st.booleans()):
        content = gzip.compress(content)
    damaged = bytearray(content[: data.draw(st.integers(0, len(content)))])
    for _ in range(data.draw(st.integers(0, 5))):
        if damaged:
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("fuzz") / "a.json"
    path.write_bytes(bytes(damaged))
    try:
        Analysis(read_kineto(path)).breakdown()
    except RecordError as error:
        assert "\n" not in str(error)


def test_truncation_is_always_noticed(tmp_path):
    content = kineto_document(kineto_events()).encode()
    for whole in (content, gzip.compress(content)):
        for length in range(0, len(whole), 61):
            path = tmp_path / "cut.json"
            path.write_bytes(whole[:length])
            with pytest.raises(RecordError):
                read_kineto(path)


@pytest.mark.skipif(not SAMPLE.exists(), reason="no ../shared/samples beside the repository")
def test_a_real_trace_of_a_decode_on_an_h100():
    with gzip.open(SAMPLE) as file:
        events = json.load(file)["traceEvents"]
    timeline = read_kineto(SAMPLE)
    kernels = [e for e in events if e.get("cat") == "kernel"]
    assert len(timeline.kernels) == len(kernels) == 412
    assert timeline.kernels.start.tolist() == [round(e["ts"] * 1000) for e in kernels]
    assert len(timeline.operators) == 100
    assert len(timeline.frames) == 736
    assert timeline.epoch_ns == 1767189312000000000
    assert (Analysis(timeline).launch >= 0).sum() == 412

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trace_files import GLOBAL_PID, GLOBAL_TID, KERNELS, nsys_file

from bench.analysis.timeline import Analysis
from bench.record.errors import MachineError, RecordError
from bench.record.timeline import LAUNCH, MEMSET, SYNC
from profiling.readers import sqlite_columns, sqlite_guard
from profiling.readers.nsys import read_nsys, read_nsys_rep
from profiling.readers.sqlite_pages import UnusualError
from profiling.summary_notes import notes_of

SAMPLES = Path(__file__).parents[2].parent / "shared" / "samples" / "nsys"
needs_samples = pytest.mark.skipif(not SAMPLES.exists(), reason="no ../shared/samples beside the repository")


def names(timeline, table) -> list[str]:
    return [timeline.strings[i] for i in table.name]


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("inline", [True, False])
def test_old_and_new_schemas(tmp_path, new, inline):
    if not new and not inline:
        pytest.skip("a schema without textId has its names inline")
    timeline = read_nsys(nsys_file(tmp_path / "a.sqlite", new=new, inline=inline))
    assert sorted(names(timeline, timeline.kernels)) == ["cast", "gemm"]
    assert sorted(timeline.kernels.start.tolist()) == [row[0] for row in KERNELS]
    assert timeline.calls.kind.tolist() == [LAUNCH, LAUNCH, 3, SYNC]
    assert "cudaLaunchKernel" in names(timeline, timeline.calls)
    assert names(timeline, timeline.ranges) == ["decode_step", "q_proj"]
    assert [timeline.strings[i] for i in timeline.ranges.domain] == ["bitledger"] * 2
    assert timeline.threads.pid.tolist() == [100]
    assert timeline.threads.tid.tolist() == [101]
    assert timeline.copies.bytes.tolist() == [512]


def test_kernels_map_to_their_innermost_range(tmp_path):
    timeline = read_nsys(nsys_file(tmp_path / "a.sqlite"))
    inside = [timeline.strings[timeline.ranges.name[row]] for row in Analysis(timeline).range]
    assert dict(zip(names(timeline, timeline.kernels), inside, strict=True)) == {
        "gemm": "q_proj",
        "cast": "decode_step",
    }


def test_ids_of_two_processes_do_not_mix(tmp_path):
    other = 1 << 48 | 200 << 24
    extra = f"""
        INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL SELECT start + 9000, end + 9000, 0, 7, correlationId, {other}, 2, 2, NULL
        FROM CUPTI_ACTIVITY_KIND_KERNEL;
        INSERT INTO CUPTI_ACTIVITY_KIND_RUNTIME VALUES (8500, 8600, {other | 5}, 11, 3);
    """
    timeline = read_nsys(nsys_file(tmp_path / "a.sqlite", extra=extra))
    analysis = Analysis(timeline)
    pids = [int(timeline.threads.pid[timeline.calls.thread[call]]) if call >= 0 else None for call in analysis.launch]
    assert sorted(map(str, pids)) == ["100", "100", "200", "None"]


def test_kernels_of_a_cuda_graph_share_their_launch(tmp_path):
    extra = f"""
        INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES (7000, 7100, 0, 7, 12, {GLOBAL_PID}, 1, 1, 77);
        CREATE TABLE CUPTI_ACTIVITY_KIND_GRAPH_TRACE (start INTEGER, end INTEGER, deviceId INTEGER, streamId INTEGER,
            correlationId INTEGER, globalPid INTEGER, graphId INTEGER);
        INSERT INTO CUPTI_ACTIVITY_KIND_GRAPH_TRACE VALUES (7200, 7300, 0, 7, 12, {GLOBAL_PID}, 3);
    """
    timeline = read_nsys(nsys_file(tmp_path / "a.sqlite", extra=extra))
    assert sorted(timeline.kernels.graph_node.tolist()) == [-1, -1, -1, 77]
    assert "CUDA graph 3" in names(timeline, timeline.kernels)
    assert (Analysis(timeline).launch >= 0).all()
    assert any("CUDA graphs were recorded as a whole" in note for note in notes_of(Analysis(timeline)))


def test_a_range_about_cuda_graphs_is_no_graph(tmp_path):
    extra = f"INSERT INTO NVTX_EVENTS VALUES (2400, 4600, 59, 'CUDA graph capture', {GLOBAL_TID}, 0, NULL);"
    timeline = read_nsys(nsys_file(tmp_path / "a.sqlite", extra=extra))
    assert "CUDA graph capture" in timeline.strings and not notes_of(Analysis(timeline))


def test_start_end_ranges_may_cross_and_open_ranges_end_with_the_trace(tmp_path):
    extra = f"""
        INSERT INTO NVTX_EVENTS VALUES (2400, 4600, 60, 'a', {GLOBAL_TID}, 0, NULL);
        INSERT INTO NVTX_EVENTS VALUES (4400, NULL, 60, 'b', {GLOBAL_TID}, 0, NULL);
        INSERT INTO NVTX_EVENTS VALUES (4400, NULL, 34, 'a mark is no range', {GLOBAL_TID}, 0, NULL);
    """
    timeline = read_nsys(nsys_file(tmp_path / "a.sqlite", extra=extra))
    assert names(timeline, timeline.ranges) == ["decode_step", "q_proj", "a", "b"]
    assert timeline.ranges.end.tolist()[-1] == 9000
    assert len(set(timeline.ranges.lane.tolist())) == 3
    inside = [timeline.strings[timeline.ranges.name[row]] for row in Analysis(timeline).range]
    assert dict(zip(names(timeline, timeline.kernels), inside, strict=True)) == {"gemm": "a", "cast": "b"}


def test_memsets_are_copies_of_their_own_kind(tmp_path):
    extra = f"""CREATE TABLE CUPTI_ACTIVITY_KIND_MEMSET (start INTEGER, end INTEGER, deviceId INTEGER, streamId INTEGER,
        correlationId INTEGER, globalPid INTEGER, bytes INTEGER);
        INSERT INTO CUPTI_ACTIVITY_KIND_MEMSET VALUES (7000, 7001, 0, 7, 99, {GLOBAL_PID}, 4);"""
    timeline = read_nsys(nsys_file(tmp_path / "a.sqlite", extra=extra))
    assert sorted(timeline.copies.kind.tolist()) == [2, MEMSET]
    assert Analysis(timeline).copies == 1


@pytest.mark.parametrize("missing", ["kernels", "calls", "copies", "ranges"])
def test_any_table_may_be_missing(tmp_path, missing):
    timeline = read_nsys(nsys_file(tmp_path / "a.sqlite", leave_out=(missing,)))
    assert len(getattr(timeline, missing)) == 0
    Analysis(timeline).breakdown()


def test_only_ranges_is_a_trace_that_says_so(tmp_path):
    timeline = read_nsys(nsys_file(tmp_path / "a.sqlite", leave_out=("kernels", "calls", "copies")))
    assert len(timeline.ranges) == 2
    assert any("no GPU" in note for note in timeline.notes)


def test_an_export_without_events_is_refused(tmp_path):
    path = nsys_file(tmp_path / "a.sqlite", leave_out=("kernels", "calls", "copies", "ranges"))
    with pytest.raises(RecordError, match="no CUDA and no NVTX"):
        read_nsys(path)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("DELETE FROM StringIds WHERE id = 5", "StringIds lack id 5"),
        ("UPDATE CUPTI_ACTIVITY_KIND_KERNEL SET start = 'soon'", "corrupt"),
        ("UPDATE CUPTI_ACTIVITY_KIND_KERNEL SET start = NULL", "corrupt"),
        ("UPDATE CUPTI_ACTIVITY_KIND_KERNEL SET end = 1", "a.sqlite: malformed trace: .* ends before it starts"),
        ("ALTER TABLE CUPTI_ACTIVITY_KIND_RUNTIME DROP COLUMN nameId", "no column nameId"),
    ],
)
def test_damaged_content_is_one_clear_error(tmp_path, damage, says):
    with pytest.raises(RecordError, match=says):
        read_nsys(nsys_file(tmp_path / "a.sqlite", extra=damage))


def test_a_kernel_or_range_whose_name_is_lost_is_called_by_its_number(tmp_path):
    timeline = read_nsys(nsys_file(tmp_path / "a.sqlite", extra="DELETE FROM StringIds WHERE id IN (1, 7)"))
    assert {timeline.strings[name] for name in timeline.kernels.name} == {"(name 1)", "cast"}
    assert {timeline.strings[name] for name in timeline.ranges.name} == {"(name 7)", "decode_step"}
    assert "the export lacks 2 of its names (in StringIds): their numbers stand for them" in timeline.notes


NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS id, 'x' AS value FROM n"
SQUARED = "SELECT a.id AS id, 'x' AS value FROM s a, s b, s c, s d, s e, s f, s g, s h"
GIGABYTES = "SELECT 1 AS id, hex(zeroblob(1000000000)) AS value"


@pytest.mark.parametrize(
    ("program", "says"),
    [
        (f"DROP TABLE StringIds; CREATE VIEW StringIds AS {NUMBERS}", "StringIds is a view"),
        (
            f"ALTER TABLE StringIds RENAME TO s; CREATE VIEW StringIds AS {SQUARED.replace('StringIds', 's')}",
            "StringIds is a view",
        ),
        (
            "DROP TABLE StringIds; CREATE VIEW StringIds AS SELECT 1 AS id, hex(zeroblob(1000000000)) AS value",
            "StringIds is a view",
        ),
        ("CREATE TABLE x (a INTEGER, b TEXT NOT NULL AS (hex(zeroblob(500000000))))", "computed columns"),
        ("CREATE VIRTUAL TABLE x USING fts5(a)", "not as nsys exports: .*virtual tables"),
        ("ALTER TABLE NVTX_EVENTS RENAME TO n; CREATE VIEW NVTX_EVENTS AS SELECT * FROM n", "NVTX_EVENTS is a view"),
        ("INSERT INTO StringIds VALUES (99, CAST(x'ff80' AS TEXT))", "UTF-8"),
    ],
)
def test_a_file_that_holds_programs_is_refused_before_they_run(tmp_path, program, says):
    """Found by fuzzing: the first of these never ended."""
    path = nsys_file(tmp_path / "a.sqlite", extra=program)
    with pytest.raises(RecordError, match=says) as caught:
        read_nsys(path)
    assert str(path) in str(caught.value)


def test_a_condition_on_rows_is_not_run(tmp_path):
    extra = "CREATE TABLE x (a CHECK (length(hex(zeroblob(500000000))) > 0)); PRAGMA ignore_check_constraints = 1;"
    path = nsys_file(tmp_path / "a.sqlite", extra=f"{extra} INSERT INTO x VALUES (1), (2), (3)")
    assert len(read_nsys(path).kernels) == 2


def test_views_and_triggers_beside_the_tables_do_no_harm(tmp_path):
    extra = f"""CREATE VIEW mine AS {NUMBERS}; CREATE INDEX i ON NVTX_EVENTS (upper(text));
        CREATE TRIGGER t AFTER INSERT ON StringIds BEGIN DELETE FROM NVTX_EVENTS; END;"""
    assert len(read_nsys(nsys_file(tmp_path / "a.sqlite", extra=extra)).ranges) == 2


def test_more_rows_than_a_file_can_hold_are_refused(tmp_path, monkeypatch):
    """Where SQLite reads the table; its pages hold no more rows than they have room for."""

    def unusual(*_):
        raise UnusualError("")

    monkeypatch.setattr(sqlite_columns, "read_pages", unusual)
    monkeypatch.setattr(sqlite_guard, "_ROW_BYTES", 1 << 20)
    with pytest.raises(RecordError, match="more rows than the file can hold"):
        read_nsys(nsys_file(tmp_path / "a.sqlite"))


def test_work_out_of_proportion_is_interrupted(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite_guard, "_LEAST_STEPS", 10)
    monkeypatch.setattr(sqlite_guard, "_STEPS_PER_BYTE", 0)
    monkeypatch.setattr(sqlite_guard, "_AT_ONCE", 10)
    with pytest.raises(RecordError, match="interrupted"):
        read_nsys(nsys_file(tmp_path / "a.sqlite"))


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ("n, n + 1, 59, 'x', n << 24, 1", "10000 processes or threads"),
        (f"n, n + 1, 59, 'x', {GLOBAL_TID}, n", "10000 domains"),
        (f"n, 99999, 60, 'x', {GLOBAL_TID}, 1", "10000 ranges open at once"),
    ],
)
def test_more_threads_domains_or_open_ranges_than_any_program_has_are_refused(tmp_path, columns, says):
    """Found by probes: each of them takes memory or time of its own."""
    numbers = "WITH RECURSIVE c(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM c WHERE n < 10100)"
    extra = f"INSERT INTO NVTX_EVENTS {numbers} SELECT {columns}, NULL FROM c"
    with pytest.raises(RecordError, match=says):
        read_nsys(nsys_file(tmp_path / "a.sqlite", extra=extra))


def test_text_kept_as_bytes_is_text(tmp_path):
    extra = "UPDATE StringIds SET value = CAST(value AS BLOB)"
    timeline = read_nsys(nsys_file(tmp_path / "a.sqlite", extra=extra))
    assert sorted(names(timeline, timeline.kernels)) == ["cast", "gemm"]


def test_a_missing_file_is_one_clear_error(tmp_path):
    with pytest.raises(RecordError, match="cannot be read"):
        read_nsys(tmp_path / "absent.sqlite")


def test_the_file_is_only_read(tmp_path):
    path = nsys_file(tmp_path / "a b#c?.sqlite")
    path.chmod(0o444)
    before = path.read_bytes()
    read_nsys(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_damage_is_a_record_error_or_harmless(tmp_path_factory, data):
    path = nsys_file(tmp_path_factory.mktemp("fuzz") / "a.sqlite")
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    for _ in range(data.draw(st.integers(1, 30))):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content))
    try:
        Analysis(read_nsys(path)).breakdown()
    except RecordError as error:
        assert "\n" not in str(error)


def test_truncation_is_always_noticed(tmp_path):
    content = nsys_file(tmp_path / "a.sqlite").read_bytes()
    cut = tmp_path / "cut.sqlite"
    for length in range(0, len(content), 997):
        cut.write_bytes(content[:length])
        with pytest.raises(RecordError):
            read_nsys(cut)


def test_a_report_needs_nsys(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(MachineError, match="nsys export --type sqlite"):
        read_nsys_rep(tmp_path / "a.nsys-rep")


def test_a_report_is_exported_by_nsys(tmp_path, monkeypatch):
    nsys = tmp_path / "nsys"
    nsys.write_text('#!/bin/sh\nwhile [ "$1" != --output ]; do shift; done\ncp "$3" "$2"\n')
    nsys.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    report = nsys_file(tmp_path / "a.nsys-rep")
    assert len(read_nsys_rep(report).kernels) == 2
    nsys.write_text("#!/bin/sh\necho not a report >&2\nexit 3\n")
    with pytest.raises(RecordError, match="not a report"):
        read_nsys_rep(report)


@needs_samples
def test_a_real_export_of_2025_without_nvtx():
    timeline = read_nsys(SAMPLES / "nsys2025_single_kernel.sqlite")
    assert len(timeline.kernels) == 1
    assert (Analysis(timeline).launch >= 0).all()
    assert timeline.epoch_ns is not None


@needs_samples
@pytest.mark.parametrize("name", ["dlprof_nvtx_kernels", "nsys2025_single_kernel", "no_cuda_tables"])
def test_cut_and_overwritten_copies_of_real_exports(tmp_path, name):
    content = (SAMPLES / f"{name}.sqlite").read_bytes()
    path = tmp_path / "copy.sqlite"
    for share in (0, 0.001, 0.3, 0.7, 0.999):
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(RecordError):
            read_nsys(path)
    half = len(content) // 2
    path.write_bytes(content[: half - 20_000] + bytes(40_000) + content[half + 20_000 :])
    with pytest.raises(RecordError):
        read_nsys(path)


def test_sqlite_of_something_else(tmp_path):
    path = tmp_path / "a.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE cats (name TEXT)")
    db.close()
    with pytest.raises(RecordError, match="nsys did not write"):
        read_nsys(path)

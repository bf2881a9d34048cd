"""``summarize --kernels``: the same kernels, read without the rest."""

from __future__ import annotations

import json
import sqlite3

import pytest

from bench.record.errors import RecordError
from benchmarks.traces import make, write_kineto, write_nsys
from profiling import cli
from profiling.summarize import summarize
from tests.planted_traces import write_planted


@pytest.mark.parametrize("write", [write_nsys, write_kineto])
def test_the_kernels_are_those_of_the_whole_summary(tmp_path, write):
    write(tmp_path / "trace", make(2_000))
    found = summarize(tmp_path / "trace", kernels=True)
    assert found == {"kind": "timeline", "kernels": summarize(tmp_path / "trace")["kernels"]}
    assert found["kernels"][0]["count"] > 10


def test_nothing_else_is_read(tmp_path):
    folder = write_planted(tmp_path)
    path = folder / "candidate.sqlite"
    expected = summarize(path)["kernels"]
    with sqlite3.connect(path) as connection:
        for table in ("CUPTI_ACTIVITY_KIND_RUNTIME", "NVTX_EVENTS"):
            connection.execute(f"DROP TABLE {table}")
    assert summarize(path, kernels=True)["kernels"] == expected


def test_a_graph_is_a_kernel_by_its_number(tmp_path):
    write_nsys(tmp_path / "t.sqlite", make(240))
    with sqlite3.connect(tmp_path / "t.sqlite") as connection:
        connection.execute("CREATE TABLE CUPTI_ACTIVITY_KIND_GRAPH_TRACE (start INTEGER, end INTEGER, graphId INTEGER)")
        connection.execute("INSERT INTO CUPTI_ACTIVITY_KIND_GRAPH_TRACE VALUES (10, 5000010, 3)")
    first = summarize(tmp_path / "t.sqlite", kernels=True)["kernels"][0]
    assert (first["name"], first["total_ns"]) == ("CUDA graph 3", 5_000_000)


def test_what_has_no_kernels_is_refused(tmp_path, capsys):
    write_nsys(tmp_path / "t.sqlite", make(240))
    with sqlite3.connect(tmp_path / "t.sqlite") as connection:
        connection.execute("DELETE FROM CUPTI_ACTIVITY_KIND_KERNEL")
    with pytest.raises(RecordError, match="no CUDA kernels"):
        summarize(tmp_path / "t.sqlite", kernels=True)
    assert cli.main(["summarize", str(tmp_path / "t.sqlite"), "--kernels", "--tables"]) == 2
    assert "leave --tables out" in capsys.readouterr().err


def test_printed(tmp_path, capsys):
    write_nsys(tmp_path / "t.sqlite", make(240))
    assert cli.main(["summarize", str(tmp_path / "t.sqlite"), "--kernels", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)) == ["kind", "kernels"]
    assert cli.main(["summarize", str(tmp_path / "t.sqlite"), "--kernels"]) == 0
    assert "gemm" in capsys.readouterr().out

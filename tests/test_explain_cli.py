"""explain and whatif as users call them: JSON, tables, and one clear line for every wrong use."""

from __future__ import annotations

import json

import pytest

from bench.cli import main
from bench.record import causes as c
from bench.record.store import open_run
from benchmarks.fidelity.decode import GPU_BOUND, HOST_BOUND, Decode
from benchmarks.fidelity.planted import cases
from benchmarks.fidelity.writers import write_kineto, write_nsys
from tests import factories as make
from tests.profiling.trace_files import nsys_file

LINE_KEYS = {"cause", "reference_ms", "scheme_ms", "delta_ms", "ci", "assumed"}


@pytest.fixture(scope="module")
def traces(tmp_path_factory):
    """Reference and candidate of one planted case, by both tools."""
    folder = tmp_path_factory.mktemp("traces")
    case = next(item for item in cases() if item.cause == c.CAST and item.regime == "host-bound")
    for name, happened in zip(("reference", "candidate"), case.happened(), strict=True):
        write_nsys(folder / f"{name}.sqlite", happened)
        write_kineto(folder / f"{name}.json", happened)
    return folder


def run_folder(path, schemes=("fp16", "int8")):
    lines = {"fp16": {c.GEMM: 0.006, c.HOST_GAP: 0.004}, "int8": {c.GEMM: 0.006, c.HOST_GAP: 0.0112}}
    with open_run(path) as writer:
        for repeat in range(3):
            for scheme in schemes:
                writer.append(make.generation(scheme, repeat))
                writer.append(make.kineto(scheme, repeat, lines=lines.get(scheme)))
    return path


def told(capsys, *arguments, code=0):
    assert main([str(item) for item in arguments]) == code
    return capsys.readouterr()


@pytest.mark.parametrize("suffix", ["sqlite", "json"])
def test_two_traces(traces, capsys, suffix):
    reference, candidate = traces / f"reference.{suffix}", traces / f"candidate.{suffix}"
    out = told(capsys, "explain", "--reference", reference, "--candidate", candidate, "--json").out
    (pair,) = json.loads(out)["pairs"]
    assert all(set(line) == LINE_KEYS for line in pair["lines"])
    assert sum(line["delta_ms"] for line in pair["lines"]) == pair["delta_ms"]
    assert pair["wall_ms"]["scheme"] - pair["wall_ms"]["reference"] == pair["delta_ms"]
    assert {line["cause"] for line in pair["lines"]} <= {*c.CAUSES, c.UNEXPLAINED}
    assert pair["unexplained_ms"] == pytest.approx(0, abs=1e-6)
    assert pair["causes"][0]["cause"] == c.CAST
    assert pair["causes"][0]["cost_ms"] == pytest.approx(pair["delta_ms"], rel=0.1)
    low, high = pair["delta_ci"]
    assert low <= pair["delta_ms"] <= high


def test_readers_of_both_tools_agree(traces, capsys):
    found = []
    for suffix in ("sqlite", "json"):
        arguments = (
            "explain",
            "--reference",
            traces / f"reference.{suffix}",
            "--candidate",
            traces / f"candidate.{suffix}",
        )
        (pair,) = json.loads(told(capsys, *arguments, "--json").out)["pairs"]
        found.append({line["cause"]: line["delta_ms"] for line in pair["lines"]})
    assert found[0] == pytest.approx(found[1], abs=1e-6)


@pytest.mark.parametrize("columns", ["80", "140"])
def test_tables_of_two_traces(traces, capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    arguments = ("explain", "--reference", traces / "reference.json", "--candidate", traces / "candidate.json")
    out = told(capsys, *arguments).out
    assert "Causes, by replay" in out
    assert "changes of number format" in out
    assert max(map(len, out.splitlines())) <= int(columns)


def test_a_run(tmp_path, capsys):
    document = json.loads(told(capsys, "explain", run_folder(tmp_path / "run"), "--json").out)
    (pair,) = document["pairs"]
    assert (pair["model"], pair["reference"], pair["scheme"]) == ("smoke", "fp16", "int8")
    assert sum(line["delta_ms"] for line in pair["lines"]) == pair["delta_ms"]
    assert [line["cause"] for line in pair["lines"]][-2:] == [c.DISTURBANCE, c.UNEXPLAINED]
    assert pair["lines"][0]["cause"] == c.HOST_GAP
    assert {item["id"] for item in document["hypotheses"]} == {f"H{number}" for number in range(1, 15)}
    assert {"change", "code", "gain_ms", "scheme"} <= set(document["remedies"][0])
    assert document["energy"] == []


def test_tables_of_a_run(tmp_path, capsys):
    out = told(capsys, "explain", run_folder(tmp_path / "run")).out
    assert "Slower than fp16: int8." in out
    assert "Why" in out
    assert "What to do" in out
    assert "Hypotheses" in out


def test_whatif_json(traces, capsys):
    out = told(capsys, "whatif", traces / "candidate.sqlite", "--remove", "cast", "--json").out
    found = json.loads(out)
    assert set(found) == {"steps", "measured_ms", "replayed_ms", "predicted_ms"}
    assert found["steps"] == 6
    assert found["replayed_ms"] == pytest.approx(found["measured_ms"], rel=0.03)
    assert found["predicted_ms"] < 0.7 * found["measured_ms"]


def test_whatif_scales_and_captures(traces, capsys):
    scaled = json.loads(told(capsys, "whatif", traces / "candidate.json", "--scale", "host_gap=0.5", "--json").out)
    graph = json.loads(told(capsys, "whatif", traces / "candidate.json", "--cuda-graph", "--json").out)
    assert graph["predicted_ms"] < scaled["predicted_ms"] < scaled["measured_ms"]
    assert graph["notes"]
    assert "predicted" in told(capsys, "whatif", traces / "candidate.json", "--cuda-graph").out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("explain",), "give a run folder, or two traces"),
        (("explain", "RUN", "--candidate", "CANDIDATE"), "not both"),
        (("explain", "--candidate", "CANDIDATE"), "--reference"),
        (("explain", "MISSING"), "does not exist"),
        (("explain", "--reference", "MISSING", "--candidate", "CANDIDATE"), "MISSING"),
        (("explain", "--reference", "CANDIDATE", "--candidate", "CANDIDATE", "--step-range", "step"), "decode_step"),
        (("explain", "--reference", "NOSTEP", "--candidate", "CANDIDATE", "--step-range", "layer"), "no range"),
        (("explain", "ALONE"), "no scheme beside"),
        (("whatif", "CANDIDATE"), "nothing to change"),
        (("whatif", "CANDIDATE", "--remove", "magic"), "unknown cause 'magic'"),
        (("whatif", "CANDIDATE", "--scale", "host_gap"), "such as"),
        (("whatif", "CANDIDATE", "--scale", "host_gap=-1"), "from 0 up"),
        (("whatif", "BROKEN", "--cuda-graph"), "BROKEN"),
        (("whatif", "MISSING", "--cuda-graph"), "MISSING"),
    ],
)
def test_wrong_use_is_one_line_and_exit_2(tmp_path, traces, capsys, arguments, text):
    (tmp_path / "BROKEN").write_bytes(b'{"traceEvents": [')
    places = {
        "RUN": run_folder(tmp_path / "run"),
        "ALONE": run_folder(tmp_path / "alone", schemes=("fp16",)),
        "CANDIDATE": traces / "candidate.sqlite",
        "NOSTEP": nsys_file(tmp_path / "nostep.sqlite"),
        "MISSING": tmp_path / "MISSING",
        "BROKEN": tmp_path / "BROKEN",
    }
    error = told(capsys, *(places.get(item, item) for item in arguments), code=2).err
    assert error.count("\n") == 1
    assert text in error


@pytest.mark.parametrize("values", [HOST_BOUND, GPU_BOUND], ids=["host-bound", "GPU-bound"])
def test_equal_traces_differ_in_nothing(tmp_path, capsys, values):
    from benchmarks.fidelity.machine import Machine

    machine = Machine()
    for _ in range(3):
        machine.step(Decode(**values).step())
    write_kineto(tmp_path / "trace.json", machine.happened)
    path = tmp_path / "trace.json"
    (pair,) = json.loads(told(capsys, "explain", "--reference", path, "--candidate", path, "--json").out)["pairs"]
    assert pair["delta_ms"] == 0.0
    assert pair["causes"] == []
    assert all(line["delta_ms"] == 0.0 for line in pair["lines"])

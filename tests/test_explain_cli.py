"""explain and whatif as users call them: JSON, tables, and one clear line for every wrong use."""

from __future__ import annotations

import json

import pytest

from bench.cli import main
from bench.record import causes as c
from bench.record.store import open_run
from tests import factories as make
from tests.planted_traces import write_planted
from tests.profiling.trace_files import nsys_file


@pytest.fixture(scope="module")
def traces(tmp_path_factory):
    """Reference and candidate of one planted case, by both tools."""
    return write_planted(tmp_path_factory.mktemp("traces"))


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


def test_prefill_of_a_run(tmp_path, capsys):
    run = run_folder(tmp_path / "run")
    both = json.loads(told(capsys, "explain", run, "--json").out)
    document = json.loads(told(capsys, "explain", run, "--phase", "prefill", "--json").out)
    assert (both["phase"], both["pairs"][0]["unit"]) == ("decode", "token")
    assert (document["phase"], document["pairs"][0]["unit"]) == ("prefill", "prompt")
    assert document["pairs"][0]["wall_ms"] == both["prefill"][0]["wall_ms"] != both["pairs"][0]["wall_ms"]
    assert "time per prompt" in document["answer"]["sentence"] and document["remedies"] == []
    short = " ".join(told(capsys, "explain", run, "--phase", "prefill").out.split())
    assert "no passes over prompts of fp16 and int8 were observed" in json.dumps(document)
    assert "time per prompt" in short and "hypotheses" not in short


def test_tables_of_a_run(tmp_path, capsys):
    run = run_folder(tmp_path / "run")
    out = told(capsys, "explain", run, "-v").out
    assert "Slower than fp16: int8." in out
    assert "Why" in out
    assert "What to do" in out
    assert "Hypotheses" in out
    short = told(capsys, "explain", run).out
    assert "Slower than fp16: int8." in short
    assert "Hypotheses" not in short
    assert short.splitlines()[-1].endswith("every remedy with its code: the same with -v")


def test_the_command_for_the_rest_tells_more_of_the_same(tmp_path, capsys, monkeypatch):
    run = run_folder(tmp_path / "my run")
    monkeypatch.setenv("COLUMNS", "400")
    assert f"bench report '{run}' --reference int8 -v" in told(capsys, "report", run, "--reference", "int8").out
    assert f"bench report '{run}' -v" in told(capsys, "report", run, "--reference", "fp16").out


BOTH = ("--reference", "CANDIDATE", "--candidate", "CANDIDATE")


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
        (("explain", "RUN", "--reference-time", "3"), "of two traces"),
        (
            ("explain", "--reference", "REFERENCE", "--candidate", "CANDIDATE", "--phase", "prefill"),
            "name the range of one prefill with --step-range",
        ),
        (("explain", *BOTH, "--reference-time", "0", "--candidate-time", "1"), "give a number over 0"),
        (("explain", *BOTH, "--reference-time", "1", "--candidate-time", "inf"), "give a number over 0"),
        (("explain", *BOTH, "--reference-time", "1", "--candidate-time", "0.0001"), "less than the GPU works"),
        (("whatif", "CANDIDATE", "--cuda-graph", "--time", "-1"), "give a number over 0"),
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

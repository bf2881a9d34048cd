"""What every verb prints on the committed runs and a trace: at most 25 lines, none wider than the terminal."""

import re
from pathlib import Path

import pytest

from bench import cli
from bench.report.brief import MOST_LINES
from profiling import cli as profiling_cli

RUNS = Path(__file__).parents[2] / "reports" / "runs"
CPU, QUALITY, GPU = (
    RUNS / name for name in ("cpu-smoke-20261126", "cpu-smoke-quality-20261126", "h100-starcoder2-3b-20261126")
)
TRACE = next(GPU.glob("artifacts/kineto-int8-e*/trace.json.gz"), None)
CALLS = [
    ["list"],
    ["doctor"],
    *(["show", run] for run in (CPU, QUALITY, GPU)),
    *(["explain", run] for run in (CPU, QUALITY, GPU)),
    *(["verify", run] for run in (CPU, QUALITY, GPU)),
    *(["compare", f"{run}::fp16", f"{run}::int8"] for run in (CPU, QUALITY, GPU)),
    ["compare", CPU, QUALITY, "--force"],
    ["tradeoff", QUALITY],
    ["whatif", TRACE, "--remove", "outliers"],
    ["summarize", TRACE],
    ["summarize", next(CPU.glob("artifacts/*/trace.json.gz"), None)],
]
# Paths and commands to be copied are not wrapped.
COPIED = re.compile(r"python -m|\.(md|html|json|gz)\b|^note: ")


def printed(call, width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    main = profiling_cli.main if call[0] == "summarize" else cli.main
    assert main([str(part) for part in call]) == 0
    return capsys.readouterr().out.splitlines()


def named(call):
    return "-".join(getattr(part, "name", str(part)) for part in call)[-60:]


@pytest.mark.parametrize("width", (80, pytest.param(140, marks=pytest.mark.slow)))
@pytest.mark.parametrize("call", CALLS, ids=named)
def test_a_verb_ends_in_25_lines_that_fit(call, width, monkeypatch, capsys):
    lines = printed(call, width, monkeypatch, capsys)
    assert 0 < len(lines) <= MOST_LINES
    assert [line for line in lines if len(line) > width and not COPIED.search(line)] == []
    text = "\n".join(lines)
    assert not re.search(r"[-−]0\.0+\b(?![0-9])|\b[0-9]{7,} B\b", text)


@pytest.mark.slow
@pytest.mark.parametrize("run", (CPU, QUALITY, GPU), ids=lambda run: run.name)
def test_report_too(run, monkeypatch, capsys):
    monkeypatch.setattr("bench.report.page.write", lambda folder, _: [folder / "report.md", folder / "report.html"])
    lines = printed(["report", run], 80, monkeypatch, capsys)
    assert len(lines) <= MOST_LINES + 2  # where it was written
    assert all(len(line) <= 80 or COPIED.search(line) for line in lines)


def test_what_was_left_out_is_counted_and_v_prints_it(monkeypatch, capsys):
    short = printed(["compare", f"{GPU}::fp16", f"{GPU}::int8"], 80, monkeypatch, capsys)
    whole = printed(["compare", f"{GPU}::fp16", f"{GPU}::int8", "-v"], 80, monkeypatch, capsys)
    assert any("more row" in line for line in short) and not any("more row" in line for line in whole)
    assert len(whole) > 80


def test_a_comparison_begins_with_decoding(monkeypatch, capsys):
    lines = printed(["compare", f"{GPU}::fp16", f"{GPU}::int8"], 80, monkeypatch, capsys)
    assert lines[0] == "B's decode time per token: 1 SLOWER"
    rows = [line for line in lines if line.startswith("fp16 → int8")]
    assert "decode time per token" in rows[0] and "×3.23" in rows[0]


def test_figures_are_never_cut(monkeypatch, capsys):
    for width in (60, 80, 140):
        lines = printed(["compare", f"{GPU}::fp16", f"{GPU}::int8"], width, monkeypatch, capsys)
        assert not any(re.search(r"×[\d.]*…|\[[\d., ]*…", line) for line in lines)

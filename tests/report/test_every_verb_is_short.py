"""What every verb prints without -v: at most 25 lines that fit, the verdict first, and how the rest is had."""

import re
import shutil
from pathlib import Path

import pytest
from rich.cells import cell_len

import profiling.cli
from bench import cli
from bench.quality.sandbox import find
from bench.record.errors import MachineError
from bench.report.short import MOST_LINES
from tests.report import wide_inputs

ROOT = Path(__file__).parents[2]
RUNS = ROOT / "reports" / "runs"
CPU, QUALITY, GPU = (
    RUNS / name for name in ("cpu-smoke-20261126", "cpu-smoke-quality-20261126", "h100-starcoder2-3b-20261126")
)
TRACE = next(GPU.glob("artifacts/kineto-int8-e*/trace.json.gz"), None)
BF16, AWQ = (ROOT / "docs" / "traces" / f"{name}.json.gz" for name in ("bf16", "awq"))
PAIR = ("explain", "--reference", BF16, "--candidate", AWQ)
WIDE = ("explain", "--reference", "{reference}", "--candidate", "{candidate}")
TIMES = ("--reference-time", "18.1", "--candidate-time", "22.0")
# {run}, {traces}, …: what wide_inputs writes; {out}: a folder of its own.
CALLS = [
    ["list"],
    ["doctor"],
    *(["show", run] for run in (CPU, QUALITY, GPU, "{run}")),
    *(["explain", run] for run in (CPU, QUALITY, GPU, "{run}")),
    [*PAIR],
    [*PAIR, *TIMES],
    ["explain", "--reference", AWQ, "--candidate", BF16, "--reference-time", "22", "--candidate-time", "18.1"],
    [*WIDE],
    [*WIDE, "--reference-time", "3", "--candidate-time", "9"],
    *(["verify", run] for run in (CPU, QUALITY, GPU)),
    *(["compare", f"{run}::fp16", f"{run}::int8"] for run in (CPU, QUALITY, GPU, "{run}")),
    ["compare", CPU, QUALITY, "--force"],
    ["tradeoff", QUALITY],
    ["tradeoff", GPU, "{run}"],
    ["whatif", TRACE, "--remove", "outliers"],
    ["whatif", AWQ, "--cuda-graph"],
    ["whatif", "{candidate}", "--remove", "host_gap"],
    ["summarize", TRACE],
    ["summarize", "{candidate}"],
    ["summarize", "{candidate}", "--kernels"],
    ["summarize", "{counters}"],
    ["summarize", next(CPU.glob("artifacts/*/trace.json.gz"), None)],
    ["rerun", GPU, "--dry-run"],
    ["energy", "check", "{emissions}"],
    ["energy", "check", "{emissions}", "--cpu-power", "240-310"],
    ["export", GPU, "{out}/x.csv"],
    ["export", AWQ, "{out}/x.json"],
    ["evaluate", QUALITY, "--export", "{out}/samples.jsonl"],
    ["share", "{run}", "--out", "{out}/shared", "--no-report"],
    ["study", "--paper", "{out}/study.md"],
]  # fmt: skip
# Calls that write a page, with figures: the same words, more time.
WRITING = [
    ["report", "{cpu}"],
    ["report", "{gpu}"],
    ["report", "{run}"],
    ["report", "--study", "{gpu}"],
    ["evaluate", "{quality}"],
    ["share", GPU, "--out", "{out}/shared"],
    ["study", "--out", "{out}/study"],
]
# These measure first, and end as "report" does, which tests/test_smoke_run.py, tests/cluster/test_gather.py and the
# profilers' own tests see.
MEASURING = {"run", "intervene", "gather", "kineto", "nsys", "ncu", "host", "all"}


# The first line is the verdict, where there is one.
FIRST = {
    "explain": r"Slower|Faster|As fast|These times cannot tell|No overall answer|This run cannot tell",
    "compare": r"B's .*: \d+ (SLOWER|FASTER|SAME|AMBIGUOUS)",
    "verify": r"verified: |NOT verified: ",
    "energy": r"(something|nothing) is amiss",
    "share": r"shared copy:",
    "study": r"Slower, yes: ",
    "doctor": r"\d+ (ok|limited|missing)",
    "rerun": r"repeats ",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wide") / wide_inputs.LONG
    folder.mkdir()
    reference, candidate = wide_inputs.write_traces(folder / "traces")
    return {
        "run": wide_inputs.write_run(folder / "run"), "reference": reference, "candidate": candidate,
        "emissions": wide_inputs.write_emissions(folder / "emissions.csv"),
        "counters": wide_inputs.write_counters(folder / "counters.csv"),
    }  # fmt: skip


@pytest.fixture
def given(made, tmp_path, request):
    """The names that a call may hold; copies of the committed runs only where one is written to."""
    out = tmp_path / wide_inputs.LONG
    out.mkdir()
    copied = {"cpu": CPU, "quality": QUALITY, "gpu": GPU}
    asked = [
        name for name in copied if any(f"{{{name}}}" in str(part) for part in request.node.callspec.params["call"])
    ]
    for name in asked:
        shutil.copytree(copied[name], out / name)
    return {**made, "out": out, **{name: out / name for name in asked}}


def printed(call, given, width, monkeypatch, capsys, code=(0, 1)):
    monkeypatch.setenv("COLUMNS", str(width))
    main = profiling.cli.main if call[0] in profiling.cli.VERBS else cli.main
    words = [str(part).format_map(given) if "{" in str(part) else str(part) for part in call]
    assert main(words) in code, capsys.readouterr().err
    return capsys.readouterr().out.splitlines()


def named(call):
    return "-".join(getattr(part, "name", str(part)) for part in call)[-60:]


def fits(line, width):
    """A name of a file is never cut: a line of one word may be as wide as it is, but for the " \\" of a command."""
    return cell_len(line) <= width or len(line.removesuffix(" \\").split()) == 1


def held(lines, width):
    assert 0 < len(lines) <= MOST_LINES
    assert [line for line in lines if not fits(line, width)] == []
    text = "\n".join(lines)
    assert not re.search(r"[-−]0\.0+\b(?![0-9])|\b[0-9]{7,} B\b|\b[0-9]{3}(,[0-9]{3})+\b(?! rows)", text), text


@pytest.mark.parametrize("width", (80, pytest.param(140, marks=pytest.mark.slow)))
@pytest.mark.parametrize("call", CALLS, ids=named)
def test_a_verb_ends_in_25_lines_that_fit(call, width, given, monkeypatch, capsys):
    lines = printed(call, given, width, monkeypatch, capsys)
    held(lines, width)
    assert re.match(FIRST.get(str(call[0]), ""), lines[0]), lines[0]


@pytest.mark.slow
@pytest.mark.parametrize("call", WRITING, ids=named)
def test_so_does_one_that_writes_a_page(call, given, monkeypatch, capsys):
    if call[0] == "evaluate":
        try:
            find()
        except MachineError as error:
            pytest.skip(str(error))
    lines = printed(call, given, 80, monkeypatch, capsys)
    held(lines, 80)
    assert any(line.startswith("written:") for line in lines)


def test_every_verb_is_called_here():
    called = {str(call[0]) for call in (*CALLS, *WRITING)}
    assert called | MEASURING == {*cli.VERBS, *profiling.cli.VERBS} and not called & MEASURING


def test_what_was_left_out_is_counted_and_v_prints_it(made, monkeypatch, capsys):
    call = ["compare", f"{GPU}::fp16", f"{GPU}::int8"]
    short, whole = (printed([*call, *more], made, 80, monkeypatch, capsys) for more in ((), ("-v",)))
    assert any("more row" in line for line in short) and not any("more row" in line for line in whole)
    assert len(whole) > 80
    short, whole = (printed([*WIDE, *more], made, 80, monkeypatch, capsys) for more in ((), ("-v",)))
    assert short[-1].endswith(": the same with -v")
    assert len(whole) > MOST_LINES


def test_a_comparison_begins_with_decoding(made, monkeypatch, capsys):
    lines = printed(["compare", f"{GPU}::fp16", f"{GPU}::int8"], made, 80, monkeypatch, capsys)
    assert lines[0] == "B's decode time per token: 1 SLOWER"
    rows = [line for line in lines if line.startswith("fp16 → int8")]
    assert "decode time per token" in rows[0] and "×3.23" in rows[0]


def test_figures_are_never_cut(made, monkeypatch, capsys):
    for width in (60, 80, 140):
        lines = printed(["compare", f"{GPU}::fp16", f"{GPU}::int8"], made, width, monkeypatch, capsys)
        assert not any(re.search(r"×[\d.]*…|\[[\d., ]*…", line) for line in lines)

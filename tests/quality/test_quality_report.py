"""The sections on quality, trade-off and the energy sign map: in reports, in the terminal, and from the verb."""

import json
from pathlib import Path

import pytest
from rich.console import Console

from bench import cli
from bench.quality.report import section as quality
from bench.record.schema import Record
from bench.record.store import open_run
from bench.report.analysed import analyse
from bench.report.build import build
from bench.report.content import Section
from bench.report.svg import rendered
from tests import factories as make
from tests import quality_records as q
from tests.written_report import print_report, write_report

ANCHORS = ("quality", "tradeoff", "signmap")


def section(records: list[Record], anchor: str) -> Section:
    return next(s for s in build(analyse(records)).sections if s.anchor == anchor)


def cells(found: Section, title: str) -> list[dict[str, str]]:
    """The rows of a table by column name."""
    table = next(item for item in found.tables if item.title == title)
    names = [column.name for column in table.columns]
    return [dict(zip(names, (cell.text for cell in row), strict=True)) for row in table.rows]


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return q.run()


@pytest.fixture(scope="module")
def folder(records: list[Record], tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("runs") / "run"
    with open_run(made) as writer:
        for record in records:
            writer.append(record)
    return made


@pytest.mark.usefixtures("no_drawing")
def test_a_report_without_programs_is_the_same_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = make.run(schemes=("fp16", "nf4"), repeats=1)
    write_report(tmp_path / "with", plain, [])
    monkeypatch.setattr(quality, "of_run", lambda _analysed: None)
    write_report(tmp_path / "without", plain, [])
    for name in ("report.md", "report.html"):
        assert (tmp_path / "with" / name).read_bytes() == (tmp_path / "without" / name).read_bytes()
    assert not any(f'id="{anchor}"' in (tmp_path / "with" / "report.html").read_text() for anchor in ANCHORS)


def test_quality_tables(records: list[Record]) -> None:
    found = section(records, "quality")
    rows = {row["Scheme"]: row for row in cells(found, "Quality")}
    assert list(rows) == ["fp16", "int8", "nf4"]
    assert rows["fp16"]["HumanEval+ pass@1"].startswith("50.0 % [35.2, 64.8]")
    costs = {row["Scheme"]: row for row in cells(found, "What a passed task costs")}
    assert costs["nf4"]["Energy per passed"].startswith("64") or costs["nf4"]["Energy per passed"].startswith("63")
    against = {row["Scheme"]: row for row in cells(found, "Outputs against the reference")}
    assert (against["nf4"]["Lost"], against["nf4"]["Won"], against["nf4"]["Verdict"]) == ("8", "0", "differs")
    assert (against["int8"]["Verdict"], against["int8"]["Same output"]) == ("cannot tell", "85 %")
    assert "taken together" in next(t.note for t in found.tables if "Outputs" in t.title)


def test_a_score_over_some_of_the_tasks_says_so_beside_it(records: list[Record]) -> None:
    """40 of HumanEval's 164: the share is right, and would be read as the model's."""
    found = section(records, "quality")
    assert {row["Tasks"] for row in cells(found, "Quality")} == {"40 of 164"}
    assert sum("Over 40 of 164 tasks of HumanEval" in item.note for item in found.tables) == 2
    assert "Quality over 40 of 164 tasks" in str(section(records, "tradeoff"))
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    print_report(records, [], console)
    assert "40 of 164" in console.export_text()


def test_a_score_over_all_tasks_has_no_such_note() -> None:
    whole = [f"HumanEval/{number}" for number in range(164)]
    found = section([q.samples("fp16"), q.judged("fp16", plus=range(20), tasks=whole)], "quality")
    assert cells(found, "Quality")[0]["Tasks"] == "164"
    assert not any("Over" in item.note for item in found.tables)


def test_programs_of_two_prompt_styles_are_two_settings() -> None:
    """The one without a name is of before, when prompts were given as they are."""
    both = [*q.arm("fp16", passed=2), *q.arm("fp16", passed=20, prompt_style="stripped")]
    rows = cells(section(both, "quality"), "Quality")
    assert {row["Setting"]: row["HumanEval+ pass@1"][:6] for row in rows} == {
        "as-is prompt": "5.0 % ",
        "stripped prompt": "50.0 %",
    }


def test_a_row_per_number_of_removed_layers(records: list[Record]) -> None:
    found = section(records, "quality")
    rows = cells(found, "Layers removed")
    assert [row["Removed"] for row in rows] == ["0", "1 (29)", "2 (28-29)", "3 (27-29)"]
    assert rows[-1]["Energy per passed"] == "none passed" and rows[0]["Verdict"] == "reference"
    (figure,) = found.figures
    assert "layers removed" in rendered(figure.draw(), figure.name)


def test_nothing_pruned_has_no_pruning_table() -> None:
    found = section(q.run(pruned=False), "quality")
    assert "Layers removed" not in [item.title for item in found.tables] and not found.figures


def test_programs_that_were_not_judged_are_told_with_the_reason() -> None:
    skipped = make.record("quality", q.of("nf4"), status="skipped", reason="no sandbox here")
    found = section([*q.arm("fp16"), q.samples("nf4"), skipped], "quality")
    assert cells(found, "Quality")[1]["HumanEval pass@1"] == "not judged"
    assert "nf4 (skipped: no sandbox here)" in found.tables[0].note
    assert cells(found, "What a passed task costs")[1]["Joules from"] == "not measured"


def test_estimated_joules_are_labelled() -> None:
    guessed = [make.codecarbon(s, r, device="cuda") for s in ("fp16", "nf4") for r in range(2)]
    records = [
        *guessed,
        *q.arm("fp16", device="cuda"),
        *q.arm("nf4", device="cuda"),
        *q.arm("fp16", "29", device="cuda"),
    ]
    assert "estimated" in cells(section(records, "quality"), "What a passed task costs")[0]["Joules from"]
    assert "(est.)" in [cell.text for cell in section(records, "signmap").tables[0].rows[0]][3]
    assert "est." in cells(section(records, "quality"), "Layers removed")[0]["Energy per passed"]


def test_the_trade_off_states_its_weights(records: list[Record]) -> None:
    found = section(records, "tradeoff")
    scores = [item for item in found.tables if item.title.startswith("Weighted score")]
    assert all("Weights: quality 0." in item.note for item in scores)
    assert all("fp16" in rendered(figure.draw(), figure.name) for figure in found.figures)


def test_the_sign_map_says_where_the_sign_flips(records: list[Record]) -> None:
    found = section(records, "signmap")
    assert "nf4 lowers joules per token for smoke (3.03 G) at batch 1" in found.text[0]
    drawn = rendered(found.figures[0].draw(), "signmap")
    assert "↓" in drawn and "↑" in drawn


def test_the_terminal_at_80_columns(records: list[Record]) -> None:
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    print_report(records, [], console)
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 80
    for title in ("Quality", "What a passed task costs", "Layers removed"):
        assert title in text.splitlines()
    assert "Does quantising lower joules? NVIDIA Example 80GB, smoke (3.03 G)" in text


def test_the_verb_prints_and_writes_figures(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert cli.main(["tradeoff", str(folder), "-v", "--weights", "quality=2,time=1", "--out", str(tmp_path / "f")]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "quality 0.667, time 0.333" in out and "Energy sign map" in out
    assert {path.suffix for path in (tmp_path / "f").iterdir()} == {".svg", ".png"}


def test_the_verb_in_json_over_two_runs(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other"
    with open_run(other) as writer:
        for scheme, used in (("fp16", 1.0), ("nf4", 2.0)):
            for repeat in range(2):
                writer.append(q.joules(scheme, per_token=used, repeat=repeat, environment=q.gpu("NVIDIA Other")))
    assert cli.main(["tradeoff", str(folder), str(other), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {spot["place"]["machine"] for spot in document["signmap"]} == {"NVIDIA Example 80GB", "NVIDIA Other"}
    assert {spot["sign"] for spot in document["signmap"]} == {"the same", "lower", "higher", "cannot tell"}
    first = document["tradeoffs"][0]
    assert sum(first["weights"].values()) == pytest.approx(1.0)
    assert {"arm", "case", "values", "front", "score", "wins"} <= set(first["rows"][0])


@pytest.mark.parametrize("bad", [["--weights", "speed=1"], ["--weights", "time=0"], ["--reference", "nothing"]])
def test_bad_input_is_one_line(
    folder: Path, tmp_path: Path, bad: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    only = tmp_path / "only"
    with open_run(only) as writer:
        writer.append(make.generation("nf4"))
    assert cli.main(["tradeoff", str(only), *bad]) == 2
    error = capsys.readouterr().err
    assert error.startswith("bitledger: ") and error.count("\n") == 1

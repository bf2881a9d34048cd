"""study.md and study.html, from invented records."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.cli import main
from bench.record.store import open_run
from bench.studies.starcoder2.replication import page
from bench.studies.starcoder2.replication.page import write_study
from tests import factories as make
from tests import study_records as records
from tests.no_model_libraries import run_verb


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("study")
    write_study(made, [records.run()], records.published())
    return made


def write(folder: Path, items: list) -> Path:
    with open_run(folder) as writer:
        for item in items:
            writer.append(item)
    return folder


def test_markdown_has_every_claim_with_its_outcome(folder: Path):
    text = (folder / "study.md").read_text()
    claims = records.published().claims
    assert sum(line.startswith(("| reproduced", "| not ")) for line in text.splitlines()) >= len(claims)
    assert "| reproduced | 4-bit is slower than the original | Table IV | nf4 takes ×2.0" in text


def test_published_and_measured_stand_side_by_side(folder: Path):
    text = (folder / "study.md").read_text()
    start = "| StarCoder2-3B | 128 | 4-bit | 23.1 | ×1.98 | ×1.992 \\[1.971, 2.011\\] | M1 |"
    (row,) = [line for line in text.splitlines() if line.startswith(start)]
    assert "| nf4 |" in row and "SLOWER" in row
    assert "| StarCoder2-7B | 256 | 8-bit | 8.90 | ×4.07 | ×4.073 \\[4.053, 4.094\\] | not measured |" in text


def test_figures_are_drawn_and_named_in_both_pages(folder: Path):
    names = {path.stem for path in (folder / "figures").glob("*.svg")}
    assert {"study-time-m1", "study-figure-3-m1", "study-figure-7", "study-figure-8"} <= names
    page, text = (folder / "study.html").read_text(), (folder / "study.md").read_text()
    assert page.count("<svg") == len(names) == text.count("![")
    assert "Figure 5 (StarCoder2-7B, 128 tokens): not measured." in text


def test_the_page_asks_for_nothing_from_elsewhere(folder: Path):
    page = (folder / "study.html").read_text()
    assert "http://" not in page and "https://" not in page


@pytest.fixture
def without_raw_sections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing the study's own figures takes seconds, and other tests look at them."""
    monkeypatch.setattr(page, "results", lambda _raw: ())


def test_the_studys_own_data_come_before_the_run(folder: Path):
    text = (folder / "study.md").read_text()
    titles = [line for line in text.splitlines() if line.startswith("## ")]
    own = next(place for place, line in enumerate(titles) if line.startswith("## Result 1"))
    assert own < titles.index("## What was measured") < titles.index("## These runs: time (Table IV)")
    assert "GPU alone: falls; GPU and whole node: stands" in text


@pytest.mark.usefixtures("without_raw_sections")
def test_a_run_of_calls_alone_has_a_report_too(tmp_path: Path):
    report, _ = write_study(tmp_path, [[make.generation("fp16")]], records.published())
    assert [line.verdict for line in report.headlines] == ["ON ITS OWN RAW DATA", "NOT SETTLED BY THESE RUNS"]
    assert "not measured" in (tmp_path / "study.md").read_text()


@pytest.mark.usefixtures("without_raw_sections")
def test_text_from_records_cannot_become_markup(tmp_path: Path):
    evil = "<script>alert(1)</script>"
    items = [replace(r, case=replace(r.case, model=evil)) for r in records.run(2)]
    write_study(tmp_path, [items], records.published())
    for name in ("study.html", "study.md"):
        assert evil not in (tmp_path / name).read_text()


@pytest.mark.slow
def test_the_verb_writes_into_the_first_folder_without_any_model_library(tmp_path: Path):
    one = write(tmp_path / "one", [records.calls(n, t, r) for n, t in records.TIMES.items() for r in range(2)])
    other = write(tmp_path / "two", [records.calls(n, t, stop="eos") for n, t in records.TIMES.items()])
    done = run_verb("report", "--study", one, other)
    assert done.returncode == 0, done.stderr
    assert "REPRODUCED" in done.stdout and "study.html" in done.stdout.replace("\n", "")
    assert (one / "study.html").exists() and not (other / "study.html").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--study", "/no/such/run"], "is not a run folder"),
        (["--study", "--reference", "fp16", "."], "--reference has no place with --study"),
        ([".", "."], "a report is about one run"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, said, capsys):
    assert main(["report", *arguments]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1


def test_a_folder_without_a_record_to_compare_is_one_line(tmp_path: Path, capsys):
    assert main(["report", "--study", str(write(tmp_path, [make.ceiling()]))]) == 2
    err = capsys.readouterr().err
    assert "nothing stands beside the study" in err and err.count("\n") == 1

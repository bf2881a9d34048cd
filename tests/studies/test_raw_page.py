"""The page of the study: one command makes it, docs/study.md is what it makes, and it needs no GPU and no run."""

import json
import re
import time
from pathlib import Path

import pytest

from bench.cli import main
from bench.report import markdown
from bench.studies.starcoder2.raw.claims import grounds
from bench.studies.starcoder2.raw.page import build
from tests.no_model_libraries import run_verb

ROOT = Path(__file__).parents[2]
PAPER = ROOT / "docs" / "study.md"
NUMBER = re.compile(r"\d[\d,\u202f]*(?:\.\d+)?")


def numbers(text: str) -> list[float]:
    return [float(re.sub("[,\u202f]", "", found)) for found in NUMBER.findall(text)]


def made() -> str:
    report = build(grounds())
    return markdown.render(report, {figure.name: f"study/{figure.name}.svg" for figure in report.figures})


def test_the_committed_paper_is_what_the_command_makes():
    """Intervals come from resampling: another numpy may draw a little otherwise, so numbers may differ by 2 %."""
    committed, now = PAPER.read_text(encoding="utf-8"), made()
    assert NUMBER.sub("#", committed) == NUMBER.sub("#", now), "run: python -m bench study --paper docs/study.md"
    for written, computed in zip(numbers(committed), numbers(now), strict=True):
        assert written == pytest.approx(computed, rel=0.02, abs=0.02)


def test_every_figure_of_the_paper_is_committed_and_no_other():
    named = set(re.findall(r"\]\(study/([\w-]+)\.svg\)", PAPER.read_text(encoding="utf-8")))
    assert named == {file.stem for file in (ROOT / "docs" / "study").iterdir()}
    assert {f"study-raw-figure-{number}" for number in range(3, 9)} <= named


@pytest.mark.slow
def test_the_verb_needs_no_gpu_no_run_and_no_model_library(tmp_path: Path):
    began = time.monotonic()
    done = run_verb("study", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < 60
    told = " ".join(done.stdout.split())
    assert (
        told.startswith("Slower, yes: ") and "Of its 20 claims: " in told and "cannot be told from these data" in told
    )
    assert {"study.md", "study.html"} <= {file.name for file in tmp_path.iterdir()}
    page = (tmp_path / "study.html").read_text()
    assert page.count("<svg") == 9 and "http://" not in page and "https://" not in page


def test_the_first_screen_says_what_changed_and_why():
    report = build(grounds())
    assert report.answer is not None
    assert "×1.6 to ×7.5 the time" in report.answer.sentence and "×3.0 to ×6.4 the energy" in report.answer.sentence
    told = " ".join(point.title + point.text for point in report.answer.causes)
    for word in ("wrapped", "newline", "164 tasks", "22 to 37 %", "cycles"):
        assert word in told


def test_as_json(capsys):
    assert main(["study", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert len(document["claims"]) == 20 and len(document["settings"]) == 12
    assert document["settings"][5]["wraps"] == [6, 6, 7, 6, 7]


def test_bad_input_is_one_line(tmp_path: Path, capsys):
    taken = tmp_path / "file"
    taken.write_text("")
    assert main(["study", "--out", str(taken)]) == 2
    assert main(["study", str(tmp_path), "--json"]) == 2
    assert main(["study", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.count("\n") == 3

"""The core works where the rooms that hang on it are not there, without their sections."""

from __future__ import annotations

import gzip
import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench import hooks

ROOT = Path(__file__).parents[1]
SMOKE = ROOT / "reports/runs/cpu-smoke-quality-20261126"
HANGING = ("bench.cluster", "bench.quality", "bench.studies")
# The rooms are not there, as far as this process can tell, and no figure is drawn: that takes most of the time.
WITHOUT = f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if any((name + ".").startswith(each + ".") for each in {HANGING!r}):
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
from bench.cli import main
from bench.report import page
page.drawn_figures = lambda report, folder: ({{figure.name: "<svg></svg>" for figure in report.figures}}, [])
sys.exit(main(sys.argv[1:]))
"""


def alone(*arguments: str | Path, code: int = 0) -> str:
    """What bitledger prints without the rooms."""
    argv = [sys.executable, "-c", WITHOUT, *map(str, arguments)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two arms of a committed run of the smoke preset: it has programs that were judged."""
    folder = tmp_path_factory.mktemp("runs") / "smoke"
    folder.mkdir()
    shutil.copy(SMOKE / "plan.json", folder)
    with gzip.open(SMOKE / "records.jsonl.gz", "rb") as packed:
        lines = [line for line in packed if json.loads(line)["case"]["scheme"] in ("fp16", "nf4")]
    assert any(json.loads(line)["instrument"] == "quality" for line in lines)
    (folder / "records.jsonl").write_bytes(b"".join(lines))
    return folder


def test_list_has_the_presets_of_the_core():
    found = alone("list")
    assert "quick" in found
    assert "paper-compat" not in found


def test_a_report_has_all_but_their_sections(run):
    alone("report", run)
    page = (run / "report.md").read_text(encoding="utf-8")
    assert "## Decode throughput" in page
    assert "## Quality" not in page


def test_explain_says_all_but_quality(run):
    found = json.loads(alone("explain", run, "--json"))
    assert found["pairs"]
    assert "quality" not in found
    assert not any("joules_per_passed_task" in pair for pair in found["energy"])


def test_compare_works(run):
    assert "B against A" in alone("compare", run, run)


def test_help_names_the_verbs_that_are_there():
    found = alone("--help")
    assert "compare" in found
    assert not any(f"    {verb} " in found for verb in ("gather", "evaluate", "tradeoff", "study"))
    assert "--partition" not in alone("run", "--help").split("examples:")[0]


def test_a_study_that_is_not_there_is_said(run):
    assert "no study" in alone("report", run, "--study", code=2)


@pytest.mark.parametrize("room", hooks.ROOMS)
def test_what_goes_wrong_in_a_room_that_is_there_is_raised(room, monkeypatch):
    def failing(name: str) -> object:
        if name == f"{room}.hook":
            raise ModuleNotFoundError("No module named 'numpy'", name="numpy")
        return importlib.import_module(name)

    monkeypatch.setattr(hooks, "import_module", failing)
    with pytest.raises(ModuleNotFoundError, match="numpy"):
        hooks.presets()


def test_so_does_the_help_of_both_rooms():
    program = WITHOUT.replace("from bench.cli import main", "from bitledger.command import main")
    argv = [sys.executable, "-c", program, "--help"]
    found = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=300, check=True).stdout
    assert "compare" in found and "summarize" in found
    assert not any(f"    {verb} " in found for verb in ("gather", "evaluate", "tradeoff", "study"))

"""A report reads its run's records once, also where a user chooses what to compare with."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from bench.cli import main
from bench.record import lines
from bench.record.store import open_run
from bench.verbs import report
from tests import factories as make

pytestmark = pytest.mark.usefixtures("no_drawing")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with open_run(tmp_path / "run") as writer:
        for record in make.run(schemes=("fp16", "nf4"), repeats=3):
            writer.append(record)
    return tmp_path / "run"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the records and the plan were read."""
    counts: Counter[str] = Counter()
    every, plan_of = lines.RecordLines.__iter__, report.plan_of

    def counted(self):
        counts["records"] += 1
        return every(self)

    def counted_plan(folder):
        counts["plan"] += 1
        return plan_of(folder)

    monkeypatch.setattr(lines.RecordLines, "__iter__", counted)
    monkeypatch.setattr(report, "plan_of", counted_plan)
    return counts


def test_a_report_of_the_planned_reference(folder: Path, read: Counter[str]) -> None:
    assert main(["report", str(folder)]) == 0
    assert read == {"records": 1, "plan": 1}


def test_a_report_of_a_chosen_reference(folder: Path, read: Counter[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(folder), "--reference", "nf4"]) == 0
    assert read == {"records": 1, "plan": 2}  # again for the hint, which names a reference that is not the planned one
    assert "--reference nf4" in capsys.readouterr().out


def test_a_reference_without_records_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(folder), "--reference", "int8"]) == 2
    assert "--reference: no record has the scheme 'int8'; choose from fp16, nf4" in capsys.readouterr().err

"""A report of a run that was interrupted says so first: its advice is about what is there."""

import json

import pytest

from bench import presets
from bench.record.store import open_run
from bench.run.plan import Block, Request
from bench.run.planfile import Run, write_plan
from bench.verbs.planned import unfinished
from bench.verbs.report import ReportChoices, build_run, report_run
from bench.workloads.sources import resolve
from tests import factories as make

RECORDS = make.run(schemes=("fp16", "nf4"), repeats=3)
KINDS = {"machine": "machine", "matmul": "matmul"}


@pytest.fixture
def folder(tmp_path):
    """A run of which the records of its last repeat are missing."""
    source, found = resolve("smoke"), tmp_path / "mine"
    blocks = tuple(
        Block(KINDS.get(one.case.workload, "generation"), source, one.repeat, (Request(one.case, one.instrument),))
        for one in RECORDS
    )
    with open_run(found) as writer:
        write_plan(found, Run("run", presets.preset("smoke"), source, "cpu", 0, blocks))
        for one in RECORDS:
            if one.repeat < 2:
                writer.append(one)
    return found


def there(folder):
    return [one for one in RECORDS if one.repeat < 2]


def test_it_says_how_much_is_missing_and_how_it_is_finished(folder, capsys):
    missing = len(RECORDS) - len(there(folder))
    report_run(folder)
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first == f"warning: this run is not finished: {missing} of {len(RECORDS)} planned records are missing"
    assert "run --resume --out" in second
    assert "this run is not finished" in (folder / "report.md").read_text()


def test_an_anonymous_report_names_the_folder_alone(folder):
    found = build_run(folder, chosen=ReportChoices(anonymous=True))
    texts = [each.finding.remedy for section in found.sections for each in section.findings]
    (told,) = [text for text in texts if "--resume" in text]
    assert told.endswith("--out mine'")
    assert str(folder) not in told


def test_what_is_finished_or_was_left_out_on_purpose_is_not_told(folder):
    assert unfinished(folder, RECORDS) == ()
    assert len(unfinished(folder, there(folder))) == 1
    keys = [one.key for one in RECORDS if one.repeat == 2]
    entry = {"reason": "no time", "artifacts": [], "records": keys}
    (folder / "left-out.json").write_text(json.dumps([entry]))
    assert unfinished(folder, there(folder)) == ()


@pytest.mark.parametrize("damage", [lambda plan: plan.unlink(), lambda plan: plan.write_text("{}")])
def test_without_a_plan_that_can_be_read_nobody_can_tell(folder, damage):
    damage(folder / "plan.json")
    assert unfinished(folder, there(folder)) == ()

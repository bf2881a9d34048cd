"""README: what it says was measured is what the committed record's report says, and its commands exist."""

import re
from pathlib import Path

import pytest

from bench import cli
from bench.analysis.grouping import REFERENCE
from bench.record.store import load
from bench.report import evidence, markdown
from bench.report.analysed import analyse
from bench.report.sections import build

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
FINDINGS = README.split("<!-- findings")[1].split("<!-- /findings -->")[0]


def test_every_row_of_the_findings_is_a_row_of_the_committed_report():
    reports = [ROOT / name for name in re.findall(r"\((reports/runs/\S+/report\.md)\)", FINDINGS)]
    lines = {line for report in reports for line in report.read_text().splitlines()}
    rows = [line for line in FINDINGS.splitlines() if line.startswith("|")]
    assert len(rows) > 5
    assert [row for row in rows if row not in lines] == []


@pytest.mark.parametrize("run", re.findall(r"\((reports/runs/\S+)/report\.md\)", FINDINGS))
def test_the_committed_report_is_made_from_the_committed_records(run):
    loaded = load(ROOT / run)
    report = build(analyse(loaded.records, loaded.findings, reference=REFERENCE))
    paths = {figure.name: f"figures/{figure.name}.svg" for figure in report.figures} | evidence.paths(loaded.records)
    again = markdown.render(report, paths).split("## Decode throughput")[0]
    assert again in (ROOT / run / "report.md").read_text()


def test_the_two_commands_are_at_the_top():
    assert [line.split("#")[0].strip() for line in README.split("```")[1].splitlines()[1:3]] == [
        "make bench",
        "make test",
    ]


@pytest.mark.parametrize("verb", sorted(set(re.findall(r"python -m bench (\w+)", README))))
def test_every_verb_that_readme_names_exists(verb):
    with pytest.raises(SystemExit) as stop:
        cli.main([verb, "--help"])
    assert stop.value.code == 0

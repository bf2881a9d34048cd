"""README and findings: what they say was measured is what the committed records' reports say; their commands exist."""

import re
from pathlib import Path

import pytest

from bench.analysis.grouping import REFERENCE
from bench.analysis.held_lines import classified
from bench.report import markdown
from bench.report.analysed import analyse
from bench.report.build import build
from bench.report.page import figure_paths
from bitledger import command
from profiling.summarize import read_timeline
from scripts import findings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
GUIDE = (ROOT / "docs/guide.md").read_text()
RUNS = sorted(
    set(re.findall(r"\((?:\.\./)?(reports/runs/\S+)/report\.md\)", README + (ROOT / "docs/findings.md").read_text()))
)


@pytest.mark.parametrize("page", findings.PAGES, ids=lambda page: page.name)
def test_every_figure_that_was_copied_stands_in_the_committed_report(page):
    text = page.read_text()
    assert findings.page(text) == text
    assert len(list(findings.tables(text))) >= 2


def test_a_row_that_no_report_holds_is_noticed():
    text = (ROOT / "README.md").read_text()
    assert findings.page(text.replace("| int8 | SLOWER |", "| int8 | FASTER |")) == text


def test_readme_is_short_begins_with_its_commands_and_shows_a_picture():
    assert len(README.splitlines()) <= 120
    shown = re.findall(r'(?:srcset|src)="([^"]+)"', README)
    assert len(shown) == 2
    assert all((ROOT / file).read_text().startswith("<?xml") for file in shown)


@pytest.mark.parametrize(
    "page", sorted([ROOT / "README.md", *ROOT.glob("docs/*.md"), ROOT / "CONTRIBUTING.md"]), ids=lambda page: page.name
)
def test_what_a_page_links_to_exists(page):
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("run", RUNS)
def test_the_committed_report_is_made_from_the_committed_records(run):
    loaded = classified(ROOT / run, read_timeline)
    report = build(analyse(loaded.records, loaded.findings, reference=REFERENCE))
    again = markdown.render(report, figure_paths(report)).split("## Decode throughput")[0]
    assert again in (ROOT / run / "report.md").read_text()


def test_the_two_commands_are_at_the_top():
    assert [line.split("#")[0].strip() for line in README.split("```")[1].splitlines()[1:3]] == [
        "make bench",
        "make test",
    ]


@pytest.mark.parametrize("verb", sorted(set(re.findall(r"(?m)^bitledger (\w+)", README + GUIDE))))
def test_every_verb_that_readme_names_exists(verb):
    with pytest.raises(SystemExit) as stop:
        command.main([verb, "--help"])
    assert stop.value.code == 0

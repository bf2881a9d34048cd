"""The walk of docs/developing.md: a section of the page is one file and its line in the list."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.report.sections.order import SECTIONS
from tests.program_copy import copy_program

ROOT = Path(__file__).parents[2]
ROOM = ROOT / "bench/report/sections"
FILE = '''"""How many schemes ran."""

from bench.report.content import Column, Section, table


def section(explanation):
    """One row."""
    rows = [(str(len(explanation.generation_rows)),)]
    made = table("Schemes", (Column("How many"),), rows)
    return Section("counted", "Schemes that ran", ("Counted.",), tables=(made,))


def document(explanation):
    """The same as JSON."""
    return {"counted": len(explanation.generation_rows)}
'''
LINE = '    of_why("counted", counted.section, counted.document),\n'
SCRIPT = """
import json, sys
from rich.console import Console
from bench.analysis.explain import explain
from bench.report import markdown
from bench.report.analysed import analyse
from bench.report.build import build
from bench.report.sections.order import explanation_document
from bench.report.page import figure_paths, render_html
from bench.report.terminal import print_built
from tests import factories as make

records = make.run(schemes=("fp16", "nf4"), repeats=3)
report = build(analyse(records))
print("MARKDOWN", markdown.render(report, figure_paths(report)))
print("PAGE", render_html(report, dict.fromkeys(figure_paths(report), "")))
print("TERMINAL")
print_built(report, Console(width=100))
print("JSON", explanation_document(explain(records))["counted"])
"""


def test_a_file_and_its_line_are_seen_on_page_terminal_and_in_json(tmp_path):
    copy_program(tmp_path, "bench")
    (tmp_path / "tests").mkdir()
    for file in (ROOT / "tests").glob("*.py"):
        shutil.copy(file, tmp_path / "tests" / file.name)
    room = tmp_path / "bench/report/sections"
    (room / "counted.py").write_text(FILE)
    before = (room / "order.py").read_text()
    first = '    of_why("ledger", ledger.section, ledger.document),\n'
    listed = before.replace("    costs,\n", "    costs,\n    counted,\n").replace(first, first + LINE)
    assert listed.count("counted") == 4  # its import, and its line
    (room / "order.py").write_text(listed)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    page, _, rest = done.stdout.partition("PAGE")
    html, _, rest = rest.partition("TERMINAL")
    terminal, _, document = rest.partition("JSON")
    assert "## Schemes that ran" in page and "| How many |" in page
    assert "Schemes that ran" in html and "How many" in html
    assert "Schemes that ran: Counted." in terminal and "How many" in terminal
    assert document.split() == ["2"]


# Text, order and code to type: not what is found in records.
WORDS = {"mark", "scheme_rank", "user_code"}
# They show records as they are: setups, states and reasons, of which there is nothing to analyse.
OF_RECORDS = {"arms.py", "environment.py", "troubles.py"}


@pytest.mark.parametrize("file", sorted(ROOM.glob("*.py")), ids=lambda file: file.name)
def test_a_section_draws_what_was_analysed_before(file):
    tree = ast.parse(file.read_text())
    opened = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bench.analysis")
        for alias in node.names
    }
    assert {name for name in opened - WORDS if not name[0].isupper()} == set(), "classes and constants only"
    reading = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert file.name in OF_RECORDS or "records" not in reading


def test_no_two_sections_have_one_anchor_and_none_is_long():
    anchors = [entry.anchor for entry in SECTIONS]
    assert len(set(anchors)) == len(anchors)
    assert max(len(file.read_text().splitlines()) for file in ROOM.glob("*.py")) <= 350


def test_what_hangs_on_the_core_comes_after_a_section_that_is_there():
    """After one that is not, it would be on no page."""
    files = [file for room in ("quality", "cluster") for file in (ROOT / "bench" / room / "report").glob("*.py")]
    calls = [node for file in files for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
    after = [call.args[0].value for call in calls if isinstance(call.func, ast.Name) and call.func.id == "Attached"]
    assert len(after) >= 4
    assert set(after) <= {entry.anchor for entry in SECTIONS}

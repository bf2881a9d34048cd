"""What a verb ends with: short, and no surer than the whole."""

import io
import os

import pytest
from rich.console import Console

from bench import cli
from bench.record.schema import Finding
from bench.report.content import Answer, Headline, Point
from bench.report.short import print_brief
from tests.committed import COMMITTED


def printed(answer=None, headlines=(), findings=(), width=80):
    out = io.StringIO()
    print_brief(answer, headlines, findings, Console(file=out, width=width), "More: elsewhere")
    return out.getvalue()


def told(*actions, causes=()):
    return Answer("It is slower.", "bad", None, causes, actions, "")


@pytest.mark.parametrize("run", COMMITTED, ids=lambda run: run.name)
def test_a_committed_run_is_explained_in_25_lines_of_80_columns(run, capsys, monkeypatch):
    monkeypatch.setitem(os.environ, "COLUMNS", "80")
    assert cli.main(["explain", str(run)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 25
    assert all(len(line) <= 80 for line in lines[:-1])


def test_what_is_not_sure_is_called_so_here_too():
    text = printed(told(Point("Try A", "why"), Point("Try B", "why", sure=False), causes=(Point("C", "", sure=False),)))
    assert "Try A.\n" in text
    assert "Try B. Not sure." in text
    assert "C. Not sure." in text


def test_only_the_first_action_shows_its_code_and_no_long_one():
    assert "first()" in printed(told(Point("A", "", "first()"), Point("B", "", "second()")))
    assert "second()" not in printed(told(Point("A", "", "first()"), Point("B", "", "second()")))
    assert "line()" not in printed(told(Point("A", "", "line()\n" * 40)))


def test_errors_are_told_and_the_rest_counted():
    found = [Finding("x", "error", "the card was shared"), *(Finding("y", "warning", "hot") for _ in range(3))]
    text = printed(told(), findings=found)
    assert "error: the card was shared" in text
    assert "1 error, 3 warnings" in text
    assert "hot" not in text


def test_without_an_answer_the_verdicts_are_shown_and_what_is_left_out_is_counted():
    lines = [Headline(f"s{n}", "SLOWER", f"sentence {n}", "bad") for n in range(11)]
    text = printed(headlines=lines)
    assert "sentence 7" in text
    assert "sentence 8" not in text
    assert "3 more verdicts" in text

"""What has no room goes by rank, and is named; a command that is too wide is one still."""

import io
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bench.record.suggested import broken, called_as
from bench.report import units
from bench.report.short import line, print_passages


def printed(*passages, rest="All: the same with -v", most=6):
    out = io.StringIO()
    print_passages(passages, Console(file=out, width=40), rest, most)
    return out.getvalue().splitlines()


def test_the_highest_rank_goes_first_and_of_equals_the_last():
    causes = [line(f"cause {n}", 2, "cause") for n in range(3)]
    lines = printed(line("verdict"), *causes, line("note", 5, "note"), line("also a note", 5, "note"))
    assert lines == ["verdict", "cause 0", "cause 1", "cause 2", "No room for 2 notes.", "All: the same with -v"]
    lines = printed(line("verdict"), *causes, line("note", 5, "note"), most=4)
    assert lines == ["verdict", "cause 0", "No room for 2 causes, 1 note.", "All: the same with -v"]


def test_what_all_fits_is_all_there_and_nothing_is_said_to_be_missing():
    assert printed(line("verdict"), line("note", 5, "note")) == ["verdict", "note", "All: the same with -v"]


def test_what_must_be_there_is_cut_where_it_is_too_long():
    lines = printed(line("word " * 100), line("last"))
    assert len(lines) == 6 and lines[-2:] == ["last", "All: the same with -v"]
    assert lines[-3].endswith(" …") and all(len(each) <= 40 for each in lines)


def test_a_command_for_the_rest_is_never_cut():
    with called_as("bitledger"):
        lines = printed(line("verdict"), rest="bitledger report a/folder/with/a/name/of/its/own -v")
    assert lines == ["verdict", "All of it:", "bitledger report \\", "  a/folder/with/a/name/of/its/own -v"]


@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=8), st.integers(10, 80))
def test_a_shell_reads_a_broken_command_as_it_was(words, width):
    text = shlex.join(word.replace("\n", " ").replace("\r", " ") for word in words)
    lines = broken(text, width).split("\\\n")
    assert shlex.split(" ".join(lines)) == shlex.split(text)
    assert all(len(each) <= width or len(shlex.split(each)) == 1 for each in lines)


@pytest.mark.parametrize(
    ("value", "told"), [(-1e-9, "0.0000"), (-0.00004, "0.0000"), (-0.0001, "-0.0001"), (2, "2.0000")]
)
def test_nothing_has_no_sign(value, told):
    assert units.decimals(value, 4) == told

"""What a box may tell is bounded before it is read: by the number of inputs, and by what a right answer could need."""

from __future__ import annotations

import pytest

from bench.quality.answer_lines import AnswerLines, Caps
from bench.quality.judge import LEAST_LENGTH, TIMES_LENGTH, Hashed, longest


def told(*parts: bytes, answers=(100, 100), total=10_000) -> AnswerLines:
    made = AnswerLines(Caps(answers, total))
    for part in parts:
        if not made.add(part):
            break
    return made


def test_lines_come_in_any_pieces_and_a_line_that_is_cut_is_none():
    made = told(b"v 1\nv", b" 2", b"\n", b"t [0.1,0.2]", b"\nv 9\n")
    assert made.lines == [b"v 1", b"v 2", b"t [0.1,0.2]"]
    assert made.over == ""
    assert told(b"v 1\nv 2").lines == [b"v 1"]


@pytest.mark.parametrize(
    ("parts", "lines", "over"),
    [
        ([b"v 1\n" * 3], 2, "output"),
        ([b"v 1\nv 2\nv " + b"3" * 1000], 2, "output"),
        ([b"v 1\nv " + b"2" * 1000 + b"\n"], 1, "long"),
        ([b"v 1\nv " + b"2" * 1000], 1, "long"),
        ([b"v 1\ne " + b"x" * 1000], 1, "long"),
        ([b"v 1\nv 2\nt [" + b"1," * 1000], 2, "output"),
    ],
)
def test_too_many_and_too_long_lines_end_it_at_once(parts, lines, over):
    made = told(*parts)
    assert (len(made.lines), made.over) == (lines, over)


def test_all_together_is_bounded_too():
    made = told(b"v " + b"1" * 600, b"1" * 600, b"1" * 600, answers=(None,), total=1000)
    assert made.over == "output"
    assert made.lines == []


def test_an_answer_may_be_as_long_as_any_that_equals_the_right_one():
    hashed = Hashed.of(b"[" + b"1," * 4999 + b"1]")
    assert longest("equal", [b"1", hashed]) == [LEAST_LENGTH + TIMES_LENGTH, LEAST_LENGTH + TIMES_LENGTH * 10_001]
    assert longest("any", [b"1"]) == [None]
    # A number of a list as a ratio, and as a complex one.
    assert len('{"ratio":["0x1","0x1"]},') < TIMES_LENGTH * len("1,")
    assert len('{"complex":[1.0,0.0]},') < TIMES_LENGTH * len("1,")

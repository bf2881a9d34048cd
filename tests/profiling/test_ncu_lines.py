from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiling.readers.ncu_lines import Lines


@given(st.text(alphabet="a\r\n", max_size=30))
def test_lines_are_what_splitting_gives(text: str) -> None:
    *whole, rest = re.split(r"\r?\n", text)
    lines = Lines(text)
    assert list(lines) == ([*whole, rest] if rest else whole)
    assert lines.complete is (not rest)
    assert lines[1:] == list(lines)[1:]


def test_there_is_nothing_behind_the_last_line() -> None:
    with pytest.raises(IndexError):
        Lines("a\nb\n")[2]

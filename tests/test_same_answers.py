"""The script that holds what the committed runs say against what they said before."""

import json

import pytest

from scripts.same_answers import compare, differences, main


def test_equal_values_differ_nowhere():
    value = {"a": [1, {"b": None}], "c": "x"}
    assert list(differences(value, json.loads(json.dumps(value)))) == []


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"a": 1}, {"a": 2}, "/a: '1' -> '2'"),
        ({"a": 1}, {}, "/a: only before"),
        ({}, {"a": None}, "/a: only after"),
        ([1, 2], [1, 3], "/1: '2' -> '3'"),
        ([1], [1, 2], ": '[1]' -> '[1, 2]'"),
    ],
)
def test_each_difference_is_told_with_its_path(before, after, told):
    assert list(differences(before, after)) == ([told] if told else [])


def test_two_dumps(tmp_path, capsys):
    for name, value in (("before", 1.0), ("after", 1.5)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.explain.json").write_text(json.dumps({"ms": value}))
        (tmp_path / name / "run.report.md").write_text("one\ntwo\n")
    assert compare(tmp_path / "before", tmp_path / "before") == 0
    assert compare(tmp_path / "before", tmp_path / "after") == 1
    assert "run.explain.json /ms: '1.0' -> '1.5'" in capsys.readouterr().out
    (tmp_path / "after" / "run.show").write_text("more")
    compare(tmp_path / "before", tmp_path / "after")
    assert "run.show only after" in capsys.readouterr().out


def test_what_it_cannot_do_is_told(tmp_path, capsys):
    assert main(["compare", str(tmp_path), str(tmp_path / "none")]) == 2
    assert "dump BEFORE" in capsys.readouterr().err

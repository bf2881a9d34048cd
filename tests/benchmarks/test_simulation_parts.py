"""Simulations made in parts."""

import json

import pytest

from benchmarks import parts


def options(out, *more):
    return parts.parser("what it is", ("one", "two")).parse_args(["--out", str(out), *more])


def test_named_parts_are_made_again_and_the_others_kept(tmp_path):
    out = tmp_path / "result.json"
    assert parts.remade(options(out), lambda part: {part: 1, "seed": 7}) == {"one": 1, "two": 1, "seed": 7}
    parts.remade(options(out, "--parts", "two"), lambda part: {part: 2})
    assert json.loads(out.read_text()) == {"one": 1, "two": 2, "seed": 7}
    assert parts.remade(options(out, "--parts", ""), lambda _: pytest.fail("made")) == {"one": 1, "two": 2, "seed": 7}


def test_a_part_that_is_done_is_kept_where_the_next_one_fails(tmp_path):
    def make(part):
        if part == "two":
            raise ArithmeticError
        return {part: 1}

    with pytest.raises(ArithmeticError):
        parts.remade(options(tmp_path / "result.json"), make)
    assert json.loads((tmp_path / "result.json").read_text()) == {"one": 1}


def test_a_file_of_somebody_is_not_replaced(tmp_path, capsys):
    out = tmp_path / "notes.txt"
    out.write_text("mine\n")
    with pytest.raises(SystemExit) as stop:
        parts.remade(options(out), lambda _: pytest.fail("made"))
    assert stop.value.code == 2
    assert out.read_text() == "mine\n"
    assert "remove it, or give another" in capsys.readouterr().err

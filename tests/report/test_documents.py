"""What --json prints is made in the report room: a verb hands over what it found, and builds no document of its own."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VERBS = sorted(file for file in (ROOT / "bench/verbs").glob("*.py") if "dumps(" in file.read_text())


def printed_elsewhere(source):
    """What is handed to ``dumps`` and was not made by a function of the report room."""
    tree = ast.parse(source)
    made_there = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bench.report")
        for alias in node.names
    }

    def is_made_there(value):
        return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in made_there

    bound = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and is_made_there(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("dumps", "json.dumps"):
            (value,) = node.args
            if not is_made_there(value) and not (isinstance(value, ast.Name) and value.id in bound):
                yield ast.unparse(value)


@pytest.mark.parametrize("file", VERBS, ids=lambda file: file.stem)
def test_a_verb_builds_no_document(file):
    assert list(printed_elsewhere(file.read_text())) == []


def test_it_is_seen_where_one_does():
    assert list(printed_elsewhere("print(dumps({'a': 1}))")) == ["{'a': 1}"]
    assert list(printed_elsewhere("from bench.report.documents import a\nb = c()\nprint(json.dumps(b))")) == ["b"]
    assert len(VERBS) >= 8

"""What --json prints is made in the room that owns the answer: a verb hands over what it found, and builds nothing."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("bench/verbs", "bench/quality/verbs", "bench/cluster/verbs", "bench/studies", "profiling/verbs")
VERBS = sorted(
    file for room in ROOMS for file in (ROOT / room).rglob("*.py") if re.search(r"\bdumps?\(", file.read_text())
)


def printed_elsewhere(source):
    """What is handed to ``dumps`` and was not made by a function of another room."""
    tree = ast.parse(source)
    made_there = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith(("bench.", "profiling."))
        and ".verbs" not in node.module
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
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("dumps", "json.dumps", "json.dump"):
            value = node.args[0]
            if not is_made_there(value) and not (isinstance(value, ast.Name) and value.id in bound):
                yield ast.unparse(value)


@pytest.mark.parametrize("file", VERBS, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_verb_builds_no_document(file):
    assert list(printed_elsewhere(file.read_text())) == []


def test_it_is_seen_where_one_does():
    assert list(printed_elsewhere("print(dumps({'a': 1}))")) == ["{'a': 1}"]
    assert list(printed_elsewhere("from bench.report.documents import a\nb = c()\nprint(json.dumps(b))")) == ["b"]
    assert list(printed_elsewhere("from bench.verbs.run import a\njson.dump(a(), out)")) == ["a()"]
    assert len(VERBS) >= 12

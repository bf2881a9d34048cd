"""Where the code looks at the wall clock: for stamps and names alone. Durations come from monotonic clocks."""

import ast
from pathlib import Path

from tests.faults.surroundings import LOOKING

ROOT = Path(__file__).parents[2]
WALL = {"time", "time_ns", "now", "utcnow", "today", "localtime", "gmtime", "strftime", "ctime", "asctime"}
OWNERS = {"time", "datetime", "date", "_time", "dt"}
# (module, function) → what the look is for.
ALLOWED = {
    ("bench.run.runner", "lost"): "started_at",
    ("bench.run.child", "_now"): "started_at",
    ("bench.run.intervening", "without"): "started_at",
    ("bench.record.plausible", "times"): "a record that began after now",
    ("bench.quality.of_run", "_blank"): "started_at",
    ("profiling.capture.filing", "_record"): "started_at",
    ("bench.run.planfile", "new_run_id"): "the run's name",
    ("bench.cluster.attempt", "_now"): "when an attempt wrote its state, for people",
}


def looks(file):
    """(function, line) of each look at the wall clock in a source file."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in WALL and _owner(node) in OWNERS:
            around = [one for one in functions if one.lineno <= node.lineno <= (one.end_lineno or 0)]
            yield max(around, key=lambda one: one.lineno).name if around else "", node.lineno
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            assert not {name.name for name in node.names} & WALL, f"{file}:{node.lineno}"


def _owner(node):
    value = node.value
    return value.id if isinstance(value, ast.Name) else value.attr if isinstance(value, ast.Attribute) else ""


def found():
    for package in ("bench", "profiling"):
        for file in sorted((ROOT / package).rglob("*.py")):
            module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
            yield from ((module, function) for function, _ in looks(file))


def test_the_wall_clock_is_read_for_stamps_and_names_alone():
    assert set(found()) == set(ALLOWED)


def test_the_fault_of_the_jumping_clock_reaches_all_that_look_at_it_in_a_run():
    elsewhere = ("profiling", "bench.run.intervening", "bench.cluster", "bench.record.plausible")
    in_a_run = {module for module, _ in ALLOWED if not module.startswith(elsewhere)}
    assert in_a_run == set(LOOKING)


def test_a_look_is_found(tmp_path):
    file = tmp_path / "late.py"
    file.write_text("import time\nfrom datetime import datetime\ndef f():\n    return time.time(), datetime.now()\n")
    assert [function for function, _ in looks(file)] == ["f", "f"]

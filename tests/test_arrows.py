"""Rooms open each other one way only: read from the source, lazy imports included."""

import ast
from collections import Counter, defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# What a room may open beside itself. Single files (plan, runner, cli, …) connect the others.
ALLOWED = {
    "bench.record": set(),
    "bench.instruments": {"bench.record"},
    # emissions_file only reads CodeCarbon's table.
    "bench.analysis": {"bench.record", "bench.instruments.emissions_file"},
    "bench.schemes": {"bench.record"},
    "bench.models": {"bench.record", "bench.schemes"},
    "bench.workloads": {"bench.record", "bench.instruments", "bench.schemes", "bench.models"},
    "bench.doctor": {"bench.record", "bench.instruments"},
    # The table of what a machine can measure is drawn like any other.
    "bench.report": {"bench.record", "bench.analysis", "bench.doctor", "bench.cluster", "bench.quality"},
    "bench.interventions": {"bench.record", "bench.instruments", "bench.schemes", "bench.models", "bench.workloads"},
    "bench.presets": {"bench.record", "bench.schemes", "bench.workloads", "bench.interventions", "bench.hooks"},
    # What a run predicts of an intervention is analysis; its bar is drawn as the report's texts are.
    "bench.run": {"bench.record", "bench.instruments", "bench.schemes", "bench.models", "bench.workloads"}
    | {"bench.interventions", "bench.presets", "bench.analysis", "bench.report.visible"},
    "bench.quality": {"bench.record", "bench.workloads", "bench.analysis", "bench.report", "bench.verbs"}
    | {"bench.instruments", "bench.kinds", "bench.output", "bench.run", "bench.cli"},
    "bench.studies": {
        "bench.record",
        "bench.analysis",
        "bench.report",
        "bench.presets",
        "bench.workloads",
        "bench.verbs",
        "bench.output",
        "bench.quality",
        "bench.run",
    },
}
# They hang on the core by a hook: only verbs and the command line open them.
HANGING = {"bench.quality", "bench.studies", "bench.cluster", "bench.verbs"}
MAY_OPEN_THEM = {"bench.verbs", "bench.cli", "bench.cluster", "bench.report"} | HANGING


def modules():
    for top in ("bench", "profiling", "bitledger"):
        yield from (ROOT / top).rglob("*.py")


def imported(source, package):
    """Dotted names that the source of a module of ``package`` imports, wherever in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            yield from (".".join([*base, *filter(None, [node.module]), alias.name]) for alias in node.names)


def room(name):
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[0] == "bench" else parts[0]


def graph():
    edges = defaultdict(set)
    for file in modules():
        parts = file.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts)
        for other in imported(file.read_text(), parts[:-1]):
            if other.split(".")[0] in ("bench", "profiling", "bitledger") and room(other) != room(name):
                edges[room(name)].add(other)
    return edges


EDGES = graph()


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_a_room_opens_only_those_beneath_it(name):
    allowed = ALLOWED[name]
    wrong = {other for other in EDGES[name] if not any(f"{other}.".startswith(f"{each}.") for each in allowed)}
    assert wrong == set()


@pytest.mark.parametrize("name", sorted(HANGING))
def test_the_core_does_not_open_what_hangs_on_it(name):
    opening = {other for other, names in EDGES.items() if any(f"{each}.".startswith(f"{name}.") for each in names)}
    # Presets of the study come through bench/hooks.py; profiling draws a run's progress as the verbs do.
    assert opening - MAY_OPEN_THEM - {"bench.hooks", "profiling", "bitledger"} == set()


def test_the_table_knows_every_room():
    folders = {f"bench.{each.parent.name}" for each in (ROOT / "bench").glob("*/__init__.py")}
    assert folders - set(ALLOWED) - HANGING == {"bench.data"}


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    from ..analysis import spread",
        "import bench.analysis.spread",
        "from bench.analysis import spread",
    ],
)
def test_an_arrow_up_is_seen_however_it_is_written(source):
    (found,) = imported(source, ("bench", "record"))
    assert room(found) == "bench.analysis"


def test_no_two_test_files_have_one_name():
    """pytest imports a test file by its bare name: of two that are called alike it refuses the second."""
    names = Counter(file.name for file in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []

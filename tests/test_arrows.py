"""Rooms open each other one way only: read from the source, lazy imports included."""

import ast
from collections import Counter, defaultdict
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from bench import hooks

ROOT = Path(__file__).parent.parent
BENEATH = {"bench.record", "bench.instruments", "bench.schemes", "bench.models", "bench.workloads"}
# What a room may open beside itself: every folder of bench, every single file of it, and the other two packages.
ALLOWED = {
    "bench.record": set(),
    "bench.instruments": {"bench.record"},
    # emissions_file only reads CodeCarbon's table.
    "bench.analysis": {"bench.record", "bench.schemes", "bench.instruments.emissions_file"},
    "bench.schemes": {"bench.record"},
    "bench.models": {"bench.record", "bench.schemes"},
    "bench.workloads": BENEATH,
    "bench.interventions": BENEATH,
    "bench.doctor": {"bench.record", "bench.instruments"},
    # The table of what a machine can measure is drawn like any other.
    "bench.report": {"bench.record", "bench.schemes", "bench.analysis", "bench.doctor", "bench.hooks"},
    "bench.presets": {*BENEATH, "bench.interventions", "bench.hooks"},
    # What a run predicts of an intervention is analysis; its bar is drawn as the report's texts are.
    "bench.run": {*BENEATH, "bench.interventions", "bench.presets", "bench.analysis", "bench.report.visible"},
    # The types of what is given, for mypy only.
    "bench.hooks": {"bench.record", "bench.presets", "bench.report", "bench.analysis"},
    "bench.output": {"bench.record"},
    # Choices that a command line may hold, where they are known.
    "bench.commandline": {"bench.record", "bench.workloads.pruning", "bench.presets"},
    "bench.verbs": {*BENEATH, "bench.interventions", "bench.presets", "bench.run", "bench.analysis", "bench.report"}
    | {"bench.doctor", "bench.hooks", "bench.commandline", "bench.output"},
    # It hands the profilers of the other package to the process that measures.
    "bench.cli": {"bench.run", "bench.record", "bench.hooks", "bench.output", "bench.commandline", "profiling"}
    | {"bench.workloads.annotation"},
    "bench.__main__": {"bench.cli"},
    "profiling": {*BENEATH, "bench.presets", "bench.run", "bench.analysis", "bench.commandline", "bench.output"}
    | {"bench.report.visible", "bench.report.console"},
    # Verbs ask in the same words, and write the same report, in both packages.
    "profiling.verbs": {*BENEATH, "profiling", "bench.presets", "bench.run", "bench.analysis", "bench.commandline"}
    | {"bench.report", "bench.verbs.report", "bench.verbs.shared_options", "bench.verbs.planning"},
    # What Python programs get: the same findings as the verbs print.
    "bench.api": {"bench.record", "bench.report", "bench.verbs"},
    "bitledger": {"bench.record", "bench.cli", "bench.output", "bench.commandline", "profiling"}
    | {"bench.api", "bench.verbs.run"},
}
_CORE = {*BENEATH, "bench.presets", "bench.run", "bench.analysis", "bench.report", "bench.verbs", "bench.commandline"}
# They hang on the core by bench/hooks.py, which names them as text: nothing of the core opens them.
HANGING = {
    "bench.cluster": {*_CORE, "bench.hooks"},
    "bench.quality": _CORE,
    # The statistics of programs judged elsewhere.
    "bench.studies": {*_CORE, "bench.quality.analysis"},
}


def modules():
    for top in ("bench", "profiling", "bitledger"):
        yield from (ROOT / top).rglob("*.py")


def imported(source, package):
    """Dotted names that the source of a module of ``package`` imports, wherever in it."""
    yield from names_of(ast.walk(ast.parse(source)), package)


def names_of(nodes, package):
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            yield from (".".join([*base, *filter(None, [node.module]), alias.name]) for alias in node.names)


def room(name):
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[0] == "bench" or parts[:2] == ["profiling", "verbs"] else parts[0]


@cache
def graph():
    edges = defaultdict(set)
    for file in modules():
        parts = file.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts)
        for other in imported(file.read_text(), parts[:-1]):
            if other.split(".")[0] in ("bench", "profiling", "bitledger") and room(other) != room(name):
                edges[room(name)].add(other)
    return edges


@pytest.mark.parametrize("name", sorted(ALLOWED | HANGING))
def test_a_room_opens_only_those_beneath_it(name):
    allowed = (ALLOWED | HANGING)[name]
    wrong = {other for other in graph()[name] if not any(f"{other}.".startswith(f"{each}.") for each in allowed)}
    assert wrong == set()


def test_no_two_rooms_open_each_other():
    """Nor in a longer circle. bench/hooks.py imports types only."""
    opened = {name: {room(other) for other in others} for name, others in graph().items() if name != "bench.hooks"}
    TopologicalSorter(opened).prepare()  # raises CycleError, which names the circle


def first_imports(sources):
    """Module → the modules that are imported before it is there, of module → source; with what holds these."""
    edges = {}
    for name, (source, package) in sources.items():
        named = names_of(ast.parse(source).body, package)  # not what is imported in a function, or for types alone
        found = {other if other in sources else other.rpartition(".")[0] for other in named} & sources.keys()
        parts = [other.split(".") for other in found]
        holding = {".".join(each[:end]) for each in parts for end in range(1, len(each))}
        edges[name] = {other for other in found | holding & sources.keys() if not f"{name}.".startswith(f"{other}.")}
    return edges


def test_no_module_is_imported_by_what_it_imports():
    """Else it depends on which of them is imported first."""
    sources = {}
    for file in modules():
        parts = file.relative_to(ROOT).with_suffix("").parts
        package = parts[:-1]
        sources[".".join(package if parts[-1] == "__init__" else parts)] = file.read_text(), package
    TopologicalSorter(first_imports(sources)).prepare()


def test_a_circle_of_two_modules_is_seen():
    inner = {"a": ("from .b import c\nfrom ..d import e", ("a",)), "a.b": ("", ("a",))}
    around = inner | {"d": ("def f():\n    import a", ())}
    assert first_imports(around) == {"a": {"a.b", "d"}, "a.b": set(), "d": set()}
    with pytest.raises(CycleError):
        TopologicalSorter(first_imports({"a": ("import b", ()), "b": ("from a import x", ())})).prepare()


def test_the_core_does_not_open_what_hangs_on_it():
    may_be_opened = {each for allowed in ALLOWED.values() for each in allowed}
    assert not {each for each in may_be_opened if room(each) in HANGING}


def test_every_room_that_hangs_has_its_hook():
    assert {room(each) for each in hooks.ROOMS} == set(HANGING)
    assert all(hooks.is_there(f"{each}.hook") for each in hooks.ROOMS)


def test_the_table_knows_every_room():
    found = {room(".".join(file.relative_to(ROOT).with_suffix("").parts)) for file in modules()}
    assert found - set(ALLOWED) - set(HANGING) == {"bench.__init__", "bench.data"}


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    from ..analysis import spread",
        "import bench.analysis.statistics.spread",
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


MOST_LINES = 380


def test_no_file_is_long():
    """About 350 lines: a longer one is two ideas. Split it by what its parts are about."""
    tops = ("bench", "profiling", "bitledger", "tests", "tools", "fuzz", "bundling")
    files = [file for top in tops for file in (ROOT / top).rglob("*.py")]
    assert {str(file.relative_to(ROOT)) for file in files if len(file.read_text().splitlines()) > MOST_LINES} == set()

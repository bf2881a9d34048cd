"""GPU work is classified once for each name on each path of names, and once for each table of classes."""

from __future__ import annotations

import numpy as np
import pytest

from bench.analysis.ledger.classes import Classes
from bench.analysis.ledger.costs import IdleSource
from bench.analysis.ledger.gpu import gpu_costs, work_of
from bench.analysis.ledger.paths import Paths
from bench.analysis.timeline import Analysis
from bench.record import causes as c
from benchmarks.fidelity.decode import HOST_BOUND, Decode
from benchmarks.fidelity.machine import Machine
from benchmarks.fidelity.writers import write_kineto, write_nsys
from profiling.summarize import read_timeline


class Counting(Classes):
    """Counts how often a kernel is asked for."""

    asked = 0

    def kernel(self, name, operators, ranges):
        self.asked += 1
        return super().kernel(name, operators, ranges)


def analysis(tmp_path, write, steps: int, numbered: bool) -> Analysis:
    played = Machine()
    for number in range(steps):
        played.step(Decode(**HOST_BOUND).step(), name=f"ProfilerStep#{number}" if numbered else "ProfilerStep")
    write(tmp_path / "trace", played.happened)
    return Analysis(read_timeline(tmp_path / "trace"))


@pytest.mark.parametrize("write", [write_nsys, write_kineto])
@pytest.mark.parametrize("numbered", [False, True])
def test_as_often_in_a_long_trace_as_in_a_short_one(tmp_path, write, numbered):
    asked = []
    for steps in (2, 9):
        classes = Counting()
        found = analysis(tmp_path, write, steps, numbered)
        for _ in range(3):
            gpu_costs(found, classes, "ProfilerStep")
        asked.append(classes.asked)
    assert asked[0] == asked[1] < 40


@pytest.mark.parametrize("write", [write_nsys, write_kineto])
def test_as_one_by_one(tmp_path, write):
    """Every piece of work, by what is around its own launch; sources in order of names and rows."""
    found, classes = analysis(tmp_path, write, 3, numbered=True), Classes()
    work, timeline = work_of(found, "ProfilerStep"), found.timeline
    strings = {text: place for place, text in enumerate(timeline.strings)}
    named = [strings.get(work.kinds[kind].name, -1) for kind in work.kind.tolist()]
    operators, ranges = found.calling, found.nesting
    names = Paths(timeline, operators), Paths(timeline, ranges, "ProfilerStep")
    rows, expected = [], []
    for name, call in zip(named, work.call.tolist(), strict=True):
        at = [np.array([column[call]]) for column in (timeline.calls.thread, timeline.calls.start, timeline.calls.end)]
        here = [int(nesting.innermost(*at)[0]) if call >= 0 else -1 for nesting in (operators, ranges)]
        around = [paths.of(row) for paths, row in zip(names, here, strict=True)]
        cause = classes.kernel(timeline.strings[name], *around) if name >= 0 else c.MEMCPY
        rows.append((name, *here))
        expected.append(IdleSource("", (around[1] or ("",))[-1], (around[0] or ("",))[-1], cause))
    sources = [kind.source(kind.cause(classes)) for kind in work.kinds]
    assert [sources[kind] for kind in work.kind.tolist()] == expected
    in_order = [source for _, source in sorted(zip(rows, expected, strict=True), key=lambda item: item[0])]
    assert list(dict.fromkeys(sources)) == list(dict.fromkeys(in_order))


def test_another_table_of_classes_is_asked_again(tmp_path):
    found = analysis(tmp_path, write_nsys, 2, numbered=False)
    assert gpu_costs(found, Classes(), "ProfilerStep") is gpu_costs(found, Classes(), "ProfilerStep")
    none = gpu_costs(found, Classes(rules=()), "ProfilerStep")
    assert {name for name in c.BUSY if none.causes[name].any()} <= {c.OTHER, c.MEMCPY}

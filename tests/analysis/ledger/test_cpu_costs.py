"""Costs of a CPU's steps: every nanosecond of a step is in one line, and gaps lead to what came next."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.ledger.classes import Classes
from bench.analysis.ledger.costs import END, START
from bench.analysis.ledger.cpu import cpu_costs
from bench.analysis.ledger.segments import cpu_steps
from bench.analysis.replay.change import Change
from bench.analysis.replay.whatif import Replay
from bench.analysis.timeline import Analysis
from bench.record import causes as c
from bench.record.timeline import Spans, Threads, Timeline

QUANT = "bitsandbytes::int8_vectorwise_quant"
STRINGS = (
    "", "decode_step", "layer", "q_proj", "aten::linear", "aten::addmm", "aten::view", QUANT, "aten::ge", "aten::max",
    "bitsandbytes::gemm_4bit", "bitsandbytes::dequantize_4bit", "custom::op",
)  # fmt: skip
NONE = [(0, 0, "aten::view")]


def timeline(operators, ranges) -> Timeline:
    """(start, end, name) each, on one thread."""

    def spans(rows):
        start, end, name = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
        zero = np.zeros(len(rows))
        names = [STRINGS.index(text) for text in name]
        return Spans.build(start=start, end=end, thread=zero, name=names, domain=zero, lane=zero)

    threads = Threads.build(process=[0], pid=[1], tid=[1])
    return Timeline("kineto", STRINGS, threads, ranges=spans(ranges), operators=spans(operators))


def costs(operators, ranges=((0, 100, "decode_step"),)):
    return cpu_costs(timeline(operators, list(ranges)), Classes(), "decode_step")


def test_own_time_and_gaps():
    found = costs([(10, 50, "aten::linear"), (20, 40, "aten::addmm")])
    assert found.causes[c.GEMM].tolist() == [40]
    assert found.causes[c.HOST_GAP].tolist() == [60]
    named = {(source.range, source.operator): int(column[0]) for source, column in found.sources.items()}
    assert named == {(START, ""): 10, (END, ""): 50}


def test_python_inside_an_operator_is_a_gap_that_leads_to_what_it_calls():
    found = costs(
        [(10, 90, "bitsandbytes::gemm_4bit"), (30, 50, "bitsandbytes::dequantize_4bit"), (60, 80, "aten::linear")]
    )
    assert found.causes[c.DEQUANTISE].tolist() == [20]
    assert found.causes[c.GEMM].tolist() == [20]
    gaps = {(source.operator or source.range, source.work): int(column[0]) for source, column in found.sources.items()}
    inside = "bitsandbytes::gemm_4bit"
    assert gaps == {(START, ""): 10, (inside, c.GEMM): 20, (inside, c.DEQUANTISE): 20, (END, ""): 10}


def test_an_operator_that_calls_nothing_does_the_work_itself():
    assert costs([(10, 90, "bitsandbytes::gemm_4bit")]).causes[c.GEMM].tolist() == [80]


def test_views_lead_to_the_next_work():
    found = costs([(10, 20, "aten::view"), (40, 60, "aten::linear")])
    named = {source.operator or source.range: int(column[0]) for source, column in found.sources.items()}
    assert named == {START: 10, "aten::linear": 30, END: 40}


def test_outliers_are_told_from_quantising():
    found = costs([(0, 100, QUANT), (10, 20, "aten::ge"), (30, 60, "aten::max")])
    assert found.causes[c.OUTLIERS].tolist() == [10]
    assert found.causes[c.QUANTISE].tolist() == [30]


def test_unknown_operators_are_named():
    assert costs([(10, 30, "custom::op")]).unknown == {"custom::op": 20}


def test_events_are_counted_where_recording_them_cost():
    found = costs([(10, 50, "aten::linear"), (20, 40, "aten::addmm")], [(0, 100, "decode_step"), (5, 60, "q_proj")])
    operators, ends = found.events[c.GEMM]
    assert (operators.tolist(), ends.tolist()) == ([1], [0])
    operators, ends = found.events[c.HOST_GAP]
    assert (operators.tolist(), ends.tolist()) == ([1], [2])


@st.composite
def trees(draw, start=0, end=200, depth=3):
    edges = sorted(draw(st.lists(st.integers(start, end), max_size=6)))
    found = []
    for a, b in zip(edges[::2], edges[1::2], strict=False):
        # Times are whole microseconds in old traces: operators of no length, several of one start, one in another.
        found += [(a, b, draw(st.sampled_from(STRINGS[4:]))) for _ in range(draw(st.integers(1, 2)))]
        if depth and draw(st.booleans()):
            found += draw(trees(a, b, depth - 1))
    return found


@given(trees(), st.integers(1, 199))
def test_every_nanosecond_is_in_one_line(operators, edge):
    both = [(0, edge, "decode_step"), (edge, 200, "decode_step")]
    made = timeline(operators, both)
    steps, _ = cpu_steps(made, Classes(), "decode_step")
    assert [step.ns for step in steps] == [edge, 200 - edge]
    found = cpu_costs(made, Classes(), "decode_step")
    assert (np.sum(list(found.causes.values()), axis=0) == found.wall).all()
    gaps = np.sum([np.zeros(2), *found.sources.values()], axis=0)
    assert (gaps == found.causes[c.HOST_GAP]).all()


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20), st.sampled_from(STRINGS[4:])), max_size=8))
def test_operators_that_cross_are_not_counted_twice(rows):
    operators = [(min(a, b), max(a, b), name) for a, b, name in rows]
    found = costs(operators, [(0, 20, "decode_step")])
    assert (np.sum(list(found.causes.values()), axis=0) == 20).all()


@given(trees())
def test_the_innermost_operator_owns_the_moment(operators):
    found = costs(operators, [(0, 200, "decode_step")])
    assert found.steps == 1
    covered = {ns for start, end, _ in operators for ns in range(start, end)}
    busy = sum(int(column.sum()) for name, column in found.causes.items() if name != c.HOST_GAP)
    assert busy <= len(covered)
    assert int(found.wall.sum()) == 200


@given(trees(), st.randoms())
def test_the_order_of_the_events_in_the_file_does_not_matter(operators, random):
    """Names of equal spans aside: of those the earlier row is the outer one, and nothing else tells them apart."""
    distinct = list({(start, end): (start, end, name) for start, end, name in operators}.values())
    shuffled = random.sample(distinct, len(distinct))
    one, other = (costs(rows, [(0, 200, "decode_step")]) for rows in (distinct, shuffled))
    assert {name: column.tolist() for name, column in one.causes.items()} == {
        name: column.tolist() for name, column in other.causes.items()
    }


@given(trees())
def test_operators_of_no_length_add_nothing(operators):
    long = [row for row in operators if row[1] > row[0]]
    one, other = (costs(rows, [(0, 200, "decode_step")]) for rows in (operators, long))
    assert one.wall.tolist() == other.wall.tolist()
    assert (np.sum(list(one.causes.values()), axis=0) == one.wall).all()
    counted = sum(int(operators.sum()) for operators, _ in (one.events[name] for name in one.causes))
    assert counted == sum(start < 200 for start, _, _ in operators)


@given(trees(), trees())
def test_a_replay_of_any_steps_starts_from_what_they_took(operators, others):
    first, second = (
        Replay(Analysis(timeline(rows, [(0, 200, "decode_step")]))) for rows in (operators or NONE, others or NONE)
    )
    found = first.whatif(Change.removing(c.GEMM))
    assert found.measured_ms == found.replayed_ms == pytest.approx(200e-6)
    assert 0.0 <= found.predicted_ms <= found.measured_ms
    told = first.diagnose(second)
    assert sum(cost.mean for cost in told.costs) == pytest.approx(told.delta, abs=1e-6)


@pytest.mark.parametrize(
    ("operators", "gap"),
    [
        ([(10, 30, "aten::linear"), (30, 30, "aten::view")], 80),
        ([(10, 30, "aten::linear"), (50, 50, "aten::view"), (50, 50, "aten::view")], 80),
        ([(10, 30, "aten::linear"), (10, 10, "aten::view"), (30, 30, "aten::addmm"), (30, 30, "aten::view")], 80),
    ],
)
def test_operators_of_no_length_are_read(operators, gap):
    """As traces with whole microseconds hold them: at the end of their caller, and one calling another."""
    found = costs(operators)
    assert (found.causes[c.GEMM].tolist(), found.causes[c.HOST_GAP].tolist()) == ([100 - gap], [gap])

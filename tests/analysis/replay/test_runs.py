"""Runs played as a whole give what playing call by call and kernel by kernel gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.analysis.ledger.classes import Classes
from bench.analysis.replay.change import Change
from bench.analysis.replay.program import Program, program_of
from bench.analysis.replay.runs import HostRun, Wait, WorkRun
from bench.analysis.replay.simulate import ReplayPlan, changed, play_plan, play_plans, slower, unchanged
from bench.analysis.timeline import Analysis
from bench.record import causes as c
from benchmarks.fidelity.decode import GPU_BOUND, HOST_BOUND, Decode
from benchmarks.fidelity.machine import Action, Kernel, Machine
from benchmarks.fidelity.writers import write_kineto
from profiling.summarize import read_timeline

COLUMNS = ("item_start", "item_end", "op_start", "op_end")


class OneByOne:
    """The replay's rules, event by event."""

    def __init__(self, program: Program, plan: ReplayPlan) -> None:
        self.program, self.plan = program, plan
        self.item_start, self.item_end = np.zeros(len(program.items)), np.zeros(len(program.items))
        self.op_start, self.op_end = np.zeros(len(program.ops)), np.zeros(len(program.ops))
        self.host: dict[int, float] = {}
        self.running: dict[int, int | None] = {}
        items, ops = program.items, program.ops
        events = [(item.start, 0, row) for row, item in enumerate(items)]
        events += [(item.end, 2, row) for row, item in enumerate(items)]
        events += [(max(op.start, items[op.item].start if op.item >= 0 else 0), 1, row) for row, op in enumerate(ops)]
        for _, what, row in sorted(events):
            (self.begin, self.work, self.finish)[what](row)

    def begin(self, row):
        thread = self.program.items[row].thread
        if self.running.get(thread) is not None:
            self.finish(self.running[thread])
        self.running[thread] = row
        before = 0.0 if self.plan.dropped[row] else self.plan.before[row]
        self.item_start[row] = self.host.get(thread, 0.0) + before

    def finish(self, row):
        item, plan = self.program.items[row], self.plan
        if self.running.get(item.thread) != row:
            return
        self.running[item.thread] = None
        end = self.item_start[row] + (0.0 if plan.dropped[row] else plan.length[row])
        if plan.waits[row] and not plan.dropped[row] and item.awaits >= 0:
            end = max(end, self.op_end[item.awaits] + plan.after[row])
        self.item_end[row] = self.host[item.thread] = end

    def work(self, row):
        op, plan = self.program.ops[row], self.plan
        head, gap = plan.graph_head[op.item] if op.item >= 0 else -1, op.gap
        if op.item < 0:
            start = float(op.start)
        elif head < 0:
            start = self.item_start[op.item] + op.latency
        else:
            start = self.item_start[head] + (op.latency if head == op.item else 0)
            gap = max(gap, self.program.usual_gap)
        if op.follows >= 0:
            start = max(start, self.op_end[op.follows] + gap)
        if op.handed_by >= 0:
            start = max(start, self.op_end[op.handed_by] + op.handover)
        end = start + plan.op[row]
        if plan.op_dropped[row]:
            end = self.op_end[op.follows] if op.follows >= 0 else start
        self.op_start[row], self.op_end[row] = start, end


def program(folder, decode, steps=3, **machine) -> Program:
    played = Machine(**machine)
    for _ in range(steps):
        played.step(decode.step())
    write_kineto(folder / "trace.json", played.happened)
    return program_of(Analysis(read_timeline(folder / "trace.json")), Classes(), "decode_step")


def _beside(ns: int):
    """After each Linear a kernel on a second stream, then a wait for all of it."""
    return lambda layer: (
        Action("launch", 200, 2_000, (Kernel("void other()", ns, stream=13),)),
        *((Action("sync", 200, 2_000),) if layer[-1] == "o_proj" else ()),
    )


@settings(max_examples=30, deadline=None)
@given(
    host=st.integers(0, 20_000),
    gemm=st.integers(500, 60_000),
    beside=st.integers(0, 30_000),
    factors=st.lists(st.floats(0, 3), min_size=1, max_size=4),
    seed=st.integers(0, 100),
)
def test_as_event_by_event(tmp_path_factory, host, gemm, beside, factors, seed):
    decode = Decode(host, gemm, after_linear=_beside(beside))
    made = program(tmp_path_factory.mktemp("any"), decode, jitter=0.3, seed=seed)
    base, random = unchanged(made), np.random.default_rng(seed)
    plans = [slower(base, host=factor, gpu=1 / (1 + factor)) for factor in factors]
    plans += [changed(made, base, Change.removing(cause)) for cause in (c.GEMM, c.SYNC_STALL, c.MEMCPY)]
    plans.append(replace(slower(base), op_dropped=random.random(len(base.op)) < 0.3))
    plans.append(replace(slower(base), dropped=random.random(len(base.before)) < 0.3))
    for found, plan in zip(play_plans(made, plans), plans, strict=True):
        _same(found, OneByOne(made, plan))
    graph = changed(made, base, Change(cuda_graph=True))
    _same(play_plan(made, graph), OneByOne(made, graph))


def _same(found, truth):
    for name in COLUMNS:
        assert getattr(found, name) == pytest.approx(getattr(truth, name), abs=1e-5), name


def test_work_that_waits_for_another_stream(tmp_path):
    """Some work is handed over here, so that the test above is one of that too."""
    made = program(tmp_path, Decode(**GPU_BOUND, after_linear=_beside(30_000)))
    for row in range(20, len(made.ops), 50):
        before_it = max(other for other in range(row) if made.ops[other].stream != made.ops[row].stream)
        made.ops[row].handed_by, made.ops[row].handover = before_it, 700
    plan = slower(unchanged(made), gpu=1.3)
    _same(play_plan(made, plan), OneByOne(made, plan))
    assert sum(op.handed_by >= 0 for op in made.ops) > 3


def test_a_step_is_one_run_of_calls_and_one_of_work(tmp_path):
    """That is what makes it quick: nothing in a step that waits once is played kernel by kernel."""
    made = program(tmp_path, Decode(**HOST_BOUND), steps=5)
    kinds = [type(run) for run in made.runs]
    waits = sum(item.awaits >= 0 for item in made.items)
    assert kinds.count(Wait) == waits
    assert kinds.count(HostRun) <= waits + 1 and kinds.count(WorkRun) <= waits + 1

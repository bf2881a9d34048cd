"""What the Records of a block tell of the machine around them, and what it costs to look."""

import pytest

from bench.instruments import environment
from bench.record.schema import Case
from bench.run import child
from bench.run.plan import Block, Request
from bench.workloads.outcome import Outcome
from bench.workloads.sources import Source
from tests import factories as make

CASE = Case("machine", "none", "", "fp32", "cpu", 0)


@pytest.fixture
def clock(monkeypatch):
    """Moves on by itself only where somebody sleeps. ``busy_others_cores`` are told from 0.2 s on."""
    now = [100.0]
    began = []

    def state(*, wait):
        began.append(now[0])
        known = wait or now[0] - began[0] >= 0.2
        return {"load_average": [now[0]]} | ({"busy_others_cores": 0.5} if known else {})

    monkeypatch.setattr(environment, "state", state)
    monkeypatch.setattr(child.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(child.time, "sleep", lambda _: pytest.fail("it slept"))
    return now


def records(clock, *seconds):
    block = Block("machine", Source("none", "shape", "", "", ""), 0, (Request(CASE, "ceiling"),))
    recorded = child._RecordMaker({"run_id": "r", "argv": []}, block, make.CPU)
    for after in seconds:
        clock[0] += after
        yield recorded(Outcome(CASE, "ceiling"))


def test_a_block_begins_without_a_look_that_takes_time_and_its_records_tell_how_busy_others_were(clock):
    first, second, third = records(clock, 0.5, 1.5, 1.5)
    assert "busy_others_cores" not in first.environment.before
    assert first.environment.after["busy_others_cores"] == 0.5
    assert [one.environment.before["load_average"] for one in (first, second, third)] == [[100.0], [100.5], [102.0]]


def test_records_that_come_at_once_tell_it_as_soon_as_it_is_known_and_are_not_looked_at_one_by_one(clock):
    found = list(records(clock, *[0.1] * 12))
    assert ["busy_others_cores" in one.environment.after for one in found] == [False, False, *[True] * 10]
    assert len({one.environment.after["load_average"][0] for one in found}) == 2

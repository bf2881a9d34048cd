"""A trace in a run folder knows its run; any other does not, and says why where it could have."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest

from bench.analysis.observer.costs import TYPICAL, EventCosts, event_costs
from bench.analysis.traces.recorded import origin_of
from bench.analysis.traces.times import given_time, timed_in
from bench.record.errors import UsageError
from bench.record.schema import Artifact
from bench.record.store import RECORDS, load, open_run
from tests import factories as make

H100 = Path(__file__).parents[3] / "reports" / "runs" / "h100-starcoder2-3b-20261126"
INSIDE = "artifacts/kineto-int8-0/trace.json.gz"


@pytest.fixture
def run(tmp_path):
    """A run of two repeats, with the trace of one of them."""
    folder = tmp_path / "run"
    trace = folder / INSIDE
    trace.parent.mkdir(parents=True)
    trace.write_bytes(b"a trace")
    kept = Artifact(INSIDE, hashlib.sha256(b"a trace").hexdigest(), "trace")
    with open_run(folder) as writer:
        for repeat in range(2):
            writer.append(make.generation("fp16", repeat))
            writer.append(make.generation("int8", repeat, batch_size=4))
            writer.append(replace(make.kineto("int8", repeat, batch_size=4), artifacts=(kept,) * (repeat == 0)))
    return folder


def test_a_trace_of_a_run(run):
    found = origin_of(run / INSIDE)
    assert found.origin is not None
    assert found.origin.folder == run.resolve()
    assert found.origin.record.instrument == "kineto"
    assert [record.case.scheme for record in found.origin.timed] == ["int8", "int8"]


def test_its_time_is_that_of_a_step(run):
    time, why = timed_in(origin_of(run / INSIDE), "decode_step")
    assert (len(time.samples), why) == (2, "")
    record = make.generation("int8", 0, batch_size=4)
    latencies = record.values("inter_token_latency")
    assert sum(time.samples[0]) / 4 == pytest.approx(sum(latencies) / len(latencies)), "not per token"
    assert time.said == f"timed in {run.name}: {sum(map(len, time.samples))} calls of 2 processes"


def test_other_steps_were_not_timed(run):
    time, why = timed_in(origin_of(run / INSIDE), "layer")
    assert time is None
    assert "timed no layer of this trace" in why


def test_of_a_trace_of_prefill_the_time_is_that_to_the_first_token(run):
    of_decoding = origin_of(run / INSIDE)
    assert timed_in(of_decoding, "prefill")[0] is None, "a trace of decode steps holds no prefill that was timed"
    origin = replace(of_decoding.origin, record=replace(of_decoding.origin.record, instrument="kineto-prefill"))
    time, why = timed_in(replace(of_decoding, origin=origin), "prefill")
    assert why == ""
    assert time.samples[0] == pytest.approx(make.generation("int8", 0, batch_size=4).values("time_to_first_token"))
    assert timed_in(replace(of_decoding, origin=origin), "decode_step")[0] is None


def test_a_copy_belongs_to_no_run(run, tmp_path):
    copy = tmp_path / "elsewhere" / "trace.json.gz"
    copy.parent.mkdir()
    shutil.copy(run / INSIDE, copy)
    assert origin_of(copy) == origin_of(tmp_path / "nothing here")
    assert origin_of(copy).origin is None and not origin_of(copy).note


@pytest.mark.parametrize("change", ["another file", "no record of it", "damaged records"])
def test_what_only_looks_like_a_run_s_trace(run, change):
    trace = run / INSIDE
    if change == "another file":
        trace.write_bytes(b"another trace")
    elif change == "no record of it":
        trace = trace.with_name("other.json.gz")
        trace.write_bytes(b"a trace")
    else:
        (run / RECORDS).write_text("{\n")
    time, why = timed_in(origin_of(trace), "decode_step")
    assert time is None
    assert "not" in why, "it says why the run's times are not used"


@pytest.mark.parametrize("ms", [0.0, -1.0, float("inf"), float("nan")])
def test_times_that_are_none(ms):
    with pytest.raises(UsageError, match="in ms"):
        given_time(ms)


def test_how_the_costs_of_events_compare(run):
    """As the record's own loops have it; else as over the processes of the committed GPU run."""
    time, _ = timed_in(origin_of(run / INSIDE), "decode_step")
    assert time.events == EventCosts(1000.0, 2000.0, 0.0)
    found = [event_costs(record) for record in load(H100).records if record.instrument == "kineto"]
    for name in ("operator", "range", "call"):
        assert median(getattr(costs, name) for costs in found) == pytest.approx(getattr(TYPICAL, name), rel=0.01)

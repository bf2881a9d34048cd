"""The seven committed pairs of H100 traces: the run's sign and order, or no answer. Profiled, nf4 takes ×0.73 of fp16;
timed it takes ×1.22."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

import pytest

from bench.analysis.ledger.pairs import pairs
from bench.analysis.timeline import Analysis
from bench.analysis.traces.pair import Trace, explain_traces
from bench.record import causes as c
from bench.record.store import load
from profiling.summarize import read_timeline
from tests.long_tables import some_of

H100 = Path(__file__).parents[3] / "reports" / "runs" / "h100-starcoder2-3b-20261126"
SCHEMES = ("bf16", "int8", "int8-thr0", "int8-planted", "fp4", "nf4", "nf4-dq")
EACH = some_of(SCHEMES, ("nf4",))


@pytest.fixture(scope="module")
def answers():
    """The run's own."""
    found = {pair.scheme: pair for pair in pairs(load(H100).records, "fp16")}
    assert set(found) == set(SCHEMES)
    return found


@pytest.fixture(scope="module")
def traces():
    """Gives (path, trace) of a scheme, each read once."""
    paths = {
        record.case.scheme: H100 / next(item.path for item in record.artifacts if item.path.endswith(".json.gz"))
        for record in load(H100).records
        if record.instrument == "kineto"
    }
    return cache(lambda scheme: (paths[scheme], Analysis(read_timeline(paths[scheme]))))


@pytest.fixture(scope="module")
def given(traces, answers, tmp_path_factory):
    """Gives what is told of a scheme's trace beside fp16's, outside the run, with the run's times."""

    def explained(scheme):
        own, folder = answers[scheme].closed, tmp_path_factory.mktemp(scheme)
        times = {"fp16": own.reference_ms, scheme: own.scheme_ms}
        return explain_traces(*(outside(traces, folder, name, ms) for name, ms in times.items())).timed

    return cache(explained)


def outside(traces, folder, scheme, time=None):
    """A copy outside any run folder."""
    path, analysis = traces(scheme)
    return Trace(Path(shutil.copy(path, folder / f"{scheme}.json.gz")), analysis, time)


@pytest.mark.parametrize("scheme", EACH)
def test_without_times_there_is_no_overall_answer(traces, tmp_path, scheme):
    found = explain_traces(outside(traces, tmp_path, "fp16"), outside(traces, tmp_path, scheme))
    assert found.timed is None
    assert found.missing == "of the reference and of the candidate"
    assert found.recorded.verdict is None, "the GPU waits most of the time: nothing can be told"
    assert found.recorded.low < 1.0 < found.recorded.high
    host = [line for line in found.recorded.lines if line.cause in c.IDLE]
    assert host and all(line.inflated and not line.sure for line in host), "their bounds hold 0"


@pytest.mark.parametrize("scheme", EACH)
def test_times_of_the_run_folder(traces, answers, scheme):
    own = answers[scheme]
    found = explain_traces(*(Trace(*traces(name)) for name in ("fp16", scheme))).timed
    assert found is not None
    assert found.run == H100.name
    assert found.closed == own.closed
    assert found.causes == own.causes
    assert sum(cause.delta_ms for cause in found.causes) == found.closed.delta.delta_ms


@pytest.mark.parametrize("scheme", EACH)
def test_times_that_are_given(given, answers, scheme):
    own = answers[scheme].closed
    found = given(scheme)
    assert found is not None
    closed = found.closed
    assert closed.delta.delta_ms == pytest.approx(own.delta.delta_ms, abs=1e-6)
    assert (closed.delta.delta_ms > 0) == (own.delta.delta_ms > 0) == (found.ratio.value > 1)
    assert sum(line.delta_ms for line in closed.lines) == closed.delta.delta_ms
    assert sum(cause.delta_ms for cause in found.causes) == closed.delta.delta_ms
    assert abs(closed.unexplained_ms) < 0.01 * own.reference_ms, "the lines close on the time"
    assert large(found.causes, own) == large(answers[scheme].causes, own)


def large(causes, closed):
    """The causes of a fifth of the difference or more, in order, with their signs."""
    least = 0.2 * abs(closed.delta.delta_ms)
    return [
        (cause.cause, cause.delta_ms > 0)
        for cause in causes
        if abs(cause.delta_ms) >= least and cause.cause not in c.CORRECTIONS
    ]


@pytest.mark.slow
def test_what_single_times_allow(given):
    """×3.23 from one process of each is SLOWER, ×1.22 is not told from chance."""
    assert {name: given(name).verdict for name in ("int8", "nf4")} == {"int8": "SLOWER", "nf4": "AMBIGUOUS"}

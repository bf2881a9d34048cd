"""One step as lanes: its pieces are the ledger's own, in order of time."""

import re
from collections import Counter
from dataclasses import replace

import pytest

from bench.analysis.grouping import setting_of
from bench.analysis.ledger.classes import table_for
from bench.analysis.ledger.read import STEP_RANGE, step_costs
from bench.analysis.recorded_steps import recorded_steps
from bench.analysis.timeline import Analysis
from bench.analysis.timeline.lane import lane_of
from bench.record import causes as c
from bench.record.schema import Artifact
from bench.record.store import artifact
from bench.report.lane_figure import lane_figure
from bench.report.svg import inline
from benchmarks.fidelity.decode import GPU_BOUND, Decode
from benchmarks.fidelity.machine import Action, Kernel, Machine
from benchmarks.fidelity.writers import write_kineto
from profiling.summarize import read_timeline
from tests import factories as make
from tests.committed import COMMITTED
from tests.long_tables import one_in
from tests.planted_traces import write_planted
from tests.safety.hostile import PAYLOADS

DECODING = "artifacts/kineto-[!p]*/trace.json.gz"  # and not prefill, which has no such steps
TRACES = [path for folder in COMMITTED for path in sorted(folder.glob(DECODING))]
SHORT = [path for path in TRACES if "planted" not in path.parent.name]


def analysis(path):
    return Analysis(read_timeline(path))


def lane(path):
    return lane_of(analysis(path), table_for(None), STEP_RANGE)


def sums(pieces):
    found = Counter()
    for piece in pieces:
        found[piece.idle or piece.cause] += piece.end - piece.begin
    return dict(found)


def adds_up(path):
    """The lane of the ledger's device is without a hole, and its sums are the step's lines to the nanosecond."""
    found = lane(path)
    ledger = found.gpu or found.operators
    assert [piece.end for piece in ledger[:-1]] == [piece.begin for piece in ledger[1:]]
    assert (ledger[0].begin, ledger[-1].end) == (0, found.ns)
    costs = step_costs(analysis(path)).causes
    assert sums(ledger) == {name: int(ns[found.step - 1]) for name, ns in costs.items() if ns[found.step - 1]}
    return found


@pytest.mark.parametrize("path", one_in(4, SHORT), ids=lambda path: f"{path.parts[-4]}-{path.parts[-2]}")
def test_a_recorded_steps_lanes_add_up_to_its_ledger(path):
    found = adds_up(path)
    assert found.layer and 0 < found.layer[0] < found.layer[1] <= found.ns


@pytest.mark.parametrize("name", ("reference.sqlite", "candidate.sqlite", "reference.json", "candidate.json"))
def test_so_do_those_of_planted_traces_of_both_tools(name, tmp_path):
    found = adds_up(write_planted(tmp_path) / name)
    assert found.gpu and found.calls


def test_so_do_those_of_work_in_two_streams(tmp_path):
    """What runs beside it began first, and yet the moment is the product's: the ledger's rule, and not another."""
    machine, beside = Machine(jitter=0.3, seed=1), Kernel("ncclDevKernel_AllReduce_Sum_bf16_RING_LL", 30_000, stream=13)
    decode = Decode(**GPU_BOUND, after_linear=lambda _: (Action("launch", 200, 2_000, (beside,)),))
    for _ in range(3):
        machine.step(decode.step())
    write_kineto(tmp_path / "trace.json", machine.happened)
    found = adds_up(tmp_path / "trace.json")
    assert c.COMMUNICATION in sums(found.gpu)
    assert all(piece.end > piece.begin for piece in found.gpu)


def test_the_step_is_the_one_of_middle_length():
    path = next(path for path in SHORT if "h100" in str(path) and "fp16" in str(path))
    walls = step_costs(analysis(path)).wall.tolist()
    assert lane(path).ns == sorted(walls)[len(walls) // 2]


def drawn(path):
    found = lane(path)
    return inline(lane_figure("int8", found, "fp16", found), "lane-1", "one step")


def test_it_is_drawn_with_the_time_of_every_part():
    path = next(path for path in SHORT if "h100" in str(path) and "int8-thr0" in str(path))
    text = drawn(path)
    assert text.startswith("<svg") and "int8: one layer of that step" in text
    for label in (c.LABELS[c.GEMM], f"gaps before {c.LABELS[c.NORM]}", "the host inside CUDA calls"):
        assert f"<title>{label}: " in text
    assert not re.search(r"#[0-9a-f]{6}\b", text), "a colour that cannot follow light and dark"
    assert len(text) < 80_000


def test_names_in_a_trace_are_text():
    path = next(path for path in SHORT if "cpu-smoke-20261126" in str(path) and "nf4" in str(path))
    found = lane(path)
    evil = [replace(piece, name=PAYLOADS[place % len(PAYLOADS)]) for place, piece in enumerate(found.operators)]
    text = inline(lane_figure(PAYLOADS[0], replace(found, operators=tuple(evil))), "lane-1", "x")
    assert "<script" not in text and "<img" not in text and "&lt;script&gt;" in text


@pytest.fixture()
def kept(tmp_path):
    """A record whose trace is in the run folder."""
    write_planted(tmp_path)
    folder = tmp_path / "artifacts" / "kineto-int8-x-0"
    folder.mkdir(parents=True)
    path = folder / "trace.json"
    (tmp_path / "candidate.json").rename(path)
    return tmp_path, replace(make.kineto("int8", 0), artifacts=(artifact(tmp_path, path, "a trace"),))


def steps(folder, record, read=read_timeline):
    return recorded_steps([record], folder, setting_of(record.case), read)["int8"]


def test_a_kept_trace_is_linked_and_drawn(kept):
    folder, record = kept
    found = steps(folder, record)
    assert found.traces == record.artifacts and found.lane and not found.missing


def test_the_sums_beside_a_trace_are_no_trace(kept):
    folder, record = kept
    sums = folder / "artifacts/kineto-int8-x-0/summary.json"
    sums.write_text("{}")
    both = replace(record, artifacts=(artifact(folder, sums, "its sums"), *record.artifacts))
    assert steps(folder, both) == steps(folder, record)
    alone = steps(folder, replace(record, artifacts=both.artifacts[:1]))
    assert (alone.traces, alone.missing) == ((), "no trace was kept")


def test_a_trace_that_cannot_be_drawn_is_said_to_be_so(kept):
    folder, record = kept
    assert steps(folder, record, None).missing == "its trace was not read here"
    path = folder / record.artifacts[0].path
    path.write_text("{}")
    changed = steps(folder, record)
    assert (changed.traces, changed.lane) == ((), None) and "changed since it was recorded" in changed.missing
    unread = steps(folder, replace(record, artifacts=(artifact(folder, path, "a trace"),)))
    assert unread.traces and unread.lane is None and "cannot be read" in unread.missing
    assert str(folder) not in unread.missing  # a report is read elsewhere, and may be anonymous
    path.unlink()
    assert steps(folder, record).missing == "its trace is not in the run folder"
    assert steps(folder, replace(record, artifacts=())).missing == "no trace was kept"


@pytest.mark.parametrize(
    "path",
    ("../x.json", "/etc/x.json", "artifacts/../../x.json", 'artifacts/a/x" onload="y.json', "artifacts/a/b/c.json"),
)
def test_a_trace_elsewhere_is_never_linked(kept, path):
    folder, record = kept
    assert steps(folder, replace(record, artifacts=(Artifact(path, "0" * 64, "x"),))).missing == "no trace was kept"

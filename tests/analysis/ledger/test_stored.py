"""A timeline's Record keeps rows, and its lines are made of them when it is read."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from bench.analysis.ledger import class_table
from bench.analysis.ledger.class_table import RULES, Rule
from bench.analysis.ledger.costs import END, START
from bench.analysis.ledger.pairs import pairs
from bench.analysis.ledger.plain import plain_times
from bench.analysis.ledger.stored import packed, rows_of, unpacked, with_lines
from bench.analysis.observer.costs import median_costs
from bench.analysis.timeline import Analysis
from bench.record import causes as c
from bench.record.errors import RecordError
from bench.record.schema import from_json, to_json
from bench.record.store import load
from profiling.capture.ledger import of_analysis
from profiling.summarize import read_timeline
from tests.long_tables import some_of

RUNS = Path(__file__).parents[3] / "reports" / "runs"
CPU, GPU = "cpu-smoke-20261126", "h100-starcoder2-3b-20261126"
# The operator that launches, or does, a step's first work.
FIRST = {CPU: "aten::__or__", GPU: "aten::bitwise_or"}


@cache
def records_of(run):
    return load(RUNS / run).records


@cache
def old_and_new(run, scheme):
    """A Record that holds lines, and what today's program would have kept of the same trace."""
    chosen = (r for r in records_of(run) if r.instrument == "kineto" and r.case.scheme == scheme and r.artifacts)
    old, trace = next(
        (record, RUNS / run / artifact.path)
        for record in chosen
        for artifact in record.artifacts
        if artifact.path.endswith(".json.gz") and (RUNS / run / artifact.path).exists()
    )
    plain = median(plain_times(old)) * 1e9 if plain_times(old) else None
    costs = median_costs({item.name: item.values for item in old.metrics})
    setup, metrics, _ = of_analysis(
        Analysis(read_timeline(trace)), {"decode_step"}, costs, plain, old.setup["ledger"]["bitsandbytes"]
    )
    other = tuple(item for item in old.metrics if not item.name.startswith(("observed_", "ledger_")))
    return old, replace(old, setup={**old.setup, **setup}, metrics=(*other, *metrics))


def lines(record):
    return {
        m.name: m.values for m in record.metrics if m.name.startswith("observed_") and m.name != "observed_step_time"
    }


def by_source(record):
    told = record.setup["ledger"]["sources"]
    keys = ("cause", "range", "operator", "work")
    return {tuple(item[key] for key in keys): item["seconds"] for item in told if any(item["seconds"])}


HELD = [(CPU, "fp16"), (CPU, "int8"), (CPU, "nf4"), (GPU, "nf4"), (GPU, "int8")]


@pytest.mark.parametrize(("run", "scheme"), some_of(HELD, [(CPU, "int8"), (GPU, "nf4")]))
def test_the_lines_are_those_that_records_held_before(run, scheme):
    old, new = old_and_new(run, scheme)
    assert not lines(new) and "sources" not in new.setup["ledger"]
    read = with_lines(from_json(json.loads(json.dumps(to_json(new)))))
    assert {name: values for name, values in lines(read).items() if any(values)} == {
        name: values for name, values in lines(old).items() if any(values)
    }
    assert read.setup["ledger"]["unknown"] == old.setup["ledger"]["unknown"]
    one, other = by_source(read), by_source(old)
    moved = {key for key in one if one[key] != other.get(key)}
    # Idle time up to a step's end (on a GPU), and the way into a step, were counted with its first work then.
    first, start, end = (c.HOST_GAP, "", FIRST[run], c.SAMPLING), (c.HOST_GAP, START, "", ""), (c.HOST_GAP, END, "", "")
    assert one.keys() == other.keys() | {start} and moved == {first, start} | ({end} if run == GPU else set())
    before, after = (np.sum([found[key] for key in moved if key in found], axis=0) for found in (other, one))
    assert np.allclose(before, after, atol=2e-9)
    assert with_lines(read) is read


@pytest.mark.parametrize(("run", "scheme"), [(CPU, "int8"), (GPU, "nf4")])
def test_a_record_is_no_larger_than_before_by_more_than_its_trace_hides(run, scheme):
    old, new = (len(json.dumps(to_json(record))) for record in old_and_new(run, scheme))
    assert new < 1.25 * old


def explained(run, schemes, records=None):
    """The first ledger of a scheme over fp16, of Records in today's form."""
    made = [old_and_new(run, scheme)[1] for scheme in schemes]
    timed = [r for r in records_of(run) if r.instrument == "generation" and r.case.scheme in schemes]
    chosen = [record for record in timed if record.case.coordinates() in [one.case.coordinates() for one in made]]
    (found,) = [pair for pair in pairs([*chosen, *made]) if pair.instrument]
    return found


@pytest.mark.parametrize(
    ("run", "rule", "gone", "more"),
    [
        (GPU, Rule(c.CAST, "kernel", name="gemm_4bit"), c.GEMM, c.CAST),
        (
            CPU,
            Rule(c.OUTLIERS, "operator", name="bitsandbytes::dequantize"),
            c.DEQUANTISE,
            c.OUTLIERS,
        ),
    ],
)
def test_a_mended_rule_mends_a_run_that_was_recorded_before(run, rule, gone, more, monkeypatch):
    before = explained(run, ("fp16", "nf4"))
    monkeypatch.setattr(class_table, "RULES", (rule, *RULES))
    after = explained(run, ("fp16", "nf4"))
    assert after.closed.delta == before.closed.delta
    line = {name: [found.closed.line(name) for found in (before, after)] for name in (gone, more)}
    moved = (line[more][1].scheme_ms if line[more][1] else 0.0) - (line[more][0].scheme_ms if line[more][0] else 0.0)
    assert moved > 0
    left = (line[gone][1].scheme_ms if line[gone][1] else 0.0) - line[gone][0].scheme_ms
    assert left < 0 and moved >= -left - 1e-6


def damaged(change):
    document = unpacked(old_and_new(CPU, "fp16")[1].setup["ledger"]["rows"])
    change(document)
    return document


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("wall"),
        lambda d: d["wall"].append(1),
        lambda d: d["ns"].pop(),
        lambda d: d["chains"].clear(),
        lambda d: d["kinds"][0].__setitem__(0, 5),
        lambda d: d["places"][0].__setitem__(2, 10_000),
        lambda d: d["paths"][0].__setitem__(1, -7),
        lambda d: d["attention"].append([-2, *([1] * len(d["wall"]))]),
        lambda d: d.update(places=None),
    ],
)
def test_rows_that_contradict_each_other_are_refused(change):
    with pytest.raises(RecordError, match="rows of its ledger"):
        rows_of(damaged(change))


@pytest.mark.parametrize("text", ["", "no base64!", "H4sI", packed({"a": 1})[:-6]])
def test_rows_that_cannot_be_unpacked_are_refused(text):
    with pytest.raises(RecordError, match="rows of its ledger"):
        unpacked(text)

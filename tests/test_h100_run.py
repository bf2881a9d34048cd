"""The first GPU run: which of its steps were slow, and that its records are what the amendment leaves of what was
measured, and nothing else."""

import json
import re
import statistics
from pathlib import Path

import pytest

from bench.analysis import generation
from bench.analysis.dispatch import dispatch
from bench.analysis.ledger import windows
from bench.analysis.ledger.pairs import pairs
from bench.record.store import load
from scripts import amend_h100_run as amendment
from scripts import h100_lengths as lengths

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "reports/runs/h100-starcoder2-3b-20261126"
# fp4 and nf4 are derived again in every run of the tests; the rest takes longer.
QUICK = ("fp4", "nf4")


@pytest.fixture(scope="module")
def measured():
    return lengths.documents()


@pytest.fixture(scope="module")
def steps(measured):
    return lengths.steps(measured)


@pytest.fixture(scope="module")
def records():
    return load(FOLDER).records


# What makes a step slow


def test_a_step_is_slow_where_its_key_value_length_is_new_to_the_process(measured):
    """Without the call that counts outliers, whose lengths the timed calls of int8's batch sizes met before too."""
    found = lengths.slow(lengths.steps(measured, count_outliers=False))
    assert found == {(True, True): (1699, 1712), (False, True): (11, 381), (False, False): (1, 234)}
    assert sum(count for _, count in found.values()) == 2327


def test_the_call_that_counts_outliers_made_its_lengths_seen_and_used_no_event_of_the_case(steps):
    """Seven steps more at a seen length with a new event, and all of them are fast."""
    assert lengths.slow(steps) == {(True, True): (1699, 1705), (False, True): (11, 388), (False, False): (1, 234)}


def test_new_events_at_seen_lengths_are_fast_until_the_first_new_length(measured):
    """The 256-token calls had no warm-up: every event is new, and the 128-token call had met the first 127 lengths."""
    found = [r for r in measured if r["instrument"] == "generation" and r["case"]["new_tokens"] == 256]
    assert len(found) == 3
    for record in found:
        assert record["setup"]["options"]["warmup_calls"] == 0
        seconds = lengths.values(record, "inter_token_latency")
        before, after = statistics.median(seconds[100:127]), statistics.median(seconds[127:154])
        assert after - before > 0.030
    fp16 = lengths.values(next(r for r in found if r["case"]["scheme"] == "fp16"), "inter_token_latency")
    assert round(statistics.median(fp16[:127]) * 1e3, 1) == 19.4
    assert min(fp16[127:]) > max(fp16[100:127]) + 0.020


def test_creating_and_recording_an_event_takes_microseconds(measured):
    """``harness_overhead`` was sampled with 201 events that no call had used: its first batch made them all."""
    batches = [lengths.values(record, "harness_overhead") for record in measured]
    first = [batch[0] for batch in batches if batch]
    assert len(first) > 30
    assert min(first) > 15e-6
    assert max(first) < 35e-6


def test_the_price_of_a_new_length_hardly_depends_on_scheme_or_batch(steps):
    price = {}
    for step in steps:
        if step.new_length and step.scheme in ("fp16", "nf4"):
            price.setdefault((step.scheme, step.batch_size), []).append(step.extra * 1e3)
    medians = {key: statistics.median(values) for key, values in price.items()}
    assert len(medians) == 16
    assert all(31 < ms < 37 for (scheme, _), ms in medians.items() if scheme == "fp16")
    others = [ms for (scheme, batch), ms in medians.items() if scheme == "nf4" and batch != 2]
    assert all(33 < ms < 38 for ms in others)


# What the records hold


def test_the_records_are_the_amended_measurement(measured):
    met = {id(record): visit for record, visit in lengths.visits(measured)}
    again = [amendment.amended(r, met.get(id(r)), FOLDER) for r in measured if r["instrument"] != "kineto"]
    committed = lengths.documents(FOLDER / "records.jsonl.gz")
    told = [record for record in committed if record["instrument"] != "kineto"]
    assert json.loads(json.dumps([record for record in again if record is not None])) == told


@pytest.mark.parametrize("scheme", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in (
    "fp16", "bf16", "int8", "int8-thr0", "int8-planted", "nf4-dq"))])  # fmt: skip
def test_the_ledgers_lines_are_those_of_the_committed_traces(measured, scheme):
    def of(documents):
        (found,) = [r for r in documents if (r["instrument"], r["case"]["scheme"]) == ("kineto", scheme)]
        return found

    again, committed = amendment.amended(of(measured), None, FOLDER), of(lengths.documents(FOLDER / "records.jsonl.gz"))
    made = {metric["name"]: metric["values"] for metric in again["metrics"]}
    known = {metric["name"]: metric["values"] for metric in committed["metrics"]}
    assert made.keys() >= known.keys()
    # A cause that was named later is nothing here.
    assert [name for name in made.keys() - known.keys() if any(made[name])] == []
    for name, values in known.items():
        assert made[name] == pytest.approx(values, rel=1e-6, abs=1e-9)
    assert again["setup"]["ledger"]["observer_scale"] == committed["setup"]["ledger"]["observer_scale"]
    assert again["setup"]["attention_backend"] == committed["setup"]["attention_backend"]


def test_every_timed_step_of_a_kept_record_is_kept(measured, records):
    """By value: those at seen lengths and those at new ones together are what was measured."""
    names = ("scheme", "intervention", "new_tokens", "batch_size")
    before = {
        (r["instrument"], *(r["case"].get(name) for name in names)): sorted(lengths.values(r, "inter_token_latency"))
        for r in measured
        if r["instrument"] in lengths.TIMED
    }
    kept = [record for record in records if record.instrument in lengths.TIMED and record.status == "ok"]
    assert len(kept) == 10
    for record in kept:
        key = (record.instrument, *(getattr(record.case, name) for name in names))
        assert sorted((*record.values("inter_token_latency"), *record.values("first_visit_latency"))) == before[key]
        assert record.values("first_visit_steps") == (len(record.values("first_visit_latency")),)
        assert record.values("first_visit_length")[0] == 144
        assert "new-lengths" in {finding.code for finding in record.findings}


def test_nothing_that_was_kept_came_after_a_timeline_unmarked(records):
    for record in records:
        if record.instrument == "energy":
            assert "observer-attached" in {finding.code for finding in record.findings}
        if record.instrument == "generation":
            assert (record.case.batch_size, record.case.new_tokens) == (1, 128)


# What they say


def row_of(records, scheme):
    (group,) = generation.summarise(records)
    return next(row for row in group.rows if row.scheme == scheme)


def test_both_users_have_their_answer(records):
    for scheme, seen, first in (("int8", 3.23, 1.64), ("nf4", 1.22, 1.07)):
        row = row_of(records, scheme)
        assert row.time_ratio.value == pytest.approx(seen, abs=0.005)
        assert row.first.ratio.value == pytest.approx(first, abs=0.005)
    assert row_of(records, "fp16").first.own.value == pytest.approx(3.16, abs=0.005)


def test_over_the_first_64_steps_alone_the_first_generation_takes_163_and_105(records):
    def first(scheme):
        (record,) = [r for r in records if r.instrument == "generation" and r.case.scheme == scheme]
        return statistics.median(record.values("first_visit_latency")[:49]) * 1e3

    assert [round(first(scheme), 1) for scheme in ("fp16", "nf4", "int8")] == [51.0, 53.7, 83.4]
    assert round(first("int8") / first("fp16"), 2) == pytest.approx(1.64, abs=0.011)
    assert round(first("nf4") / first("fp16"), 2) == 1.05


def test_what_stays_unexplained_where_only_steps_before_the_window_are_plain(records):
    found = {pair.scheme: round(pair.closed.unexplained_ms, 1) + 0.0 for pair in pairs(records)}
    assert found == {
        "bf16": -0.5, "int8": 1.1, "int8-thr0": 1.2, "int8-planted": -2.5, "fp4": -1.5, "nf4": -1.7, "nf4-dq": 0.0,
    }  # fmt: skip
    for pair in pairs(records):
        assert abs(pair.closed.line("profiler_disturbance").delta_ms) < 0.7


def test_the_linears_dispatch_alone_says_how_much_the_host_adds(records):
    found = {row.scheme: row for row in dispatch(records, generation.summarise(records))}
    told = {
        "nf4": (3.66, 3.58), "fp4": (3.50, 4.86), "nf4-dq": (4.13, 5.76), "int8-thr0": (14.69, 23.86),
        "int8": (26.84, 35.70),
    }  # fmt: skip
    for scheme, (predicted, measured_ms) in told.items():
        row = found[scheme]
        assert row.linears == 180
        assert row.predicted * 1e3 == pytest.approx(predicted, abs=0.005)
        assert row.measured * 1e3 == pytest.approx(measured_ms, abs=0.005)


def test_only_fp16s_window_was_observed_unlike_the_others(records):
    (finding,) = windows.unlike_windows(records)
    assert finding.message == "fp16: its observed steps ran slower than the other arms'"


def test_cudnn_computed_attention_in_every_observed_step(records):
    observed = [record for record in records if record.instrument == "kineto"]
    assert len(observed) == 8
    assert all(r.setup["attention_backend"] == {"decode_step": {"cudnn": 30.0}} for r in observed)


def causes_of(scheme, kernel):
    """The causes of the kernels with ``kernel`` in their name, in a scheme's observed decode steps."""
    from bench.analysis.ledger.classes import Classes
    from bench.analysis.ledger.costs import host_windows, step_rows
    from bench.analysis.ledger.gpu import work_of
    from bench.analysis.ledger.read import STEP_RANGE
    from bench.analysis.timeline import Analysis
    from profiling.summarize import read_timeline

    (trace,) = FOLDER.glob(f"artifacts/kineto-{scheme}-[0-9a-f][0-9a-f][0-9a-f]*/trace.json.gz")
    timeline = read_timeline(trace)
    work, classes = work_of(Analysis(timeline), STEP_RANGE), Classes("0.50.2")
    begin, end = host_windows(timeline, step_rows(timeline, STEP_RANGE))
    inside = (begin.min() <= work.start) & (work.start <= end.max())
    kinds = [work.kinds[kind] for kind in set(work.kind[inside].tolist())]
    return {each.cause(classes) for each in kinds if each.name is not None and kernel in each.name}


@pytest.mark.parametrize(
    ("scheme", "kernel", "cause"),
    [
        ("fp16", "nvjet_sm90_hsh_64x8_64x16_4x1_v_bz_bias_TNT", "gemm"),
        ("nf4", "gemm_4bit_simt", "gemm"),
        ("nf4-dq", "gemm_4bit_simt", "gemm"),
        ("int8", "kInt8VectorQuant", "quantise_activations"),
        ("int8", "kdequant_mm_int32_fp16", "dequantise"),
        ("int8", "i16832gemm_s8", "gemm"),
        ("int8", "AbsFunctor", "outliers"),
        ("int8-planted", "index_elementwise_kernel", "outliers"),
    ],
)
def test_real_kernels_of_bitsandbytes_have_their_class(scheme, kernel, cause):
    assert causes_of(scheme, kernel) == {cause}


@pytest.mark.parametrize("folder", ["bench", "docs", "profiling", "scripts", "README.md"])
def test_no_text_blames_the_events_any_more(folder):
    place = ROOT / folder
    files = [place] if place.is_file() else [p for s in ("*.py", "*.md", "*.sh") for p in place.rglob(s)]
    blamed = re.compile("35 ms.{0,80}" + "event|event.{0,80}" + "35 ms", re.IGNORECASE)
    assert files
    assert [path.name for path in files if blamed.search(path.read_text(encoding="utf-8"))] == []

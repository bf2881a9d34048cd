"""H1 to H14: each verdict from records that show it, and "not tested" where nothing could."""

from __future__ import annotations

import pytest

from bench.analysis.explain import explain
from bench.record import causes as c
from tests import factories as make

HOST = {c.GEMM: 0.006, c.HOST_GAP: 0.0112}
FP16 = {c.GEMM: 0.006, c.HOST_GAP: 0.004}


def run(schemes, repeats=4, extra=(), **coordinates):
    records = list(extra)
    for repeat in range(repeats):
        for scheme, lines in schemes.items():
            records += [
                make.generation(scheme, repeat, **coordinates),
                make.kineto(scheme, repeat, lines=lines, plain=sum(lines.values()), **coordinates),
            ]
    return records


def verdicts(records):
    return {item.id: item for item in explain(records).hypotheses}


def test_all_fourteen_are_judged_and_the_studys_guesses_are_among_them():
    found = verdicts(run({"fp16": FP16, "int8": HOST}))
    assert list(found) == [f"H{number}" for number in range(1, 15)]
    assert [item.id for item in found.values() if item.paper] == ["H5", "H6", "H7", "H14"]


def test_host_dispatch_is_supported_where_the_gap_is_the_difference():
    found = verdicts(run({"fp16": FP16, "int8": HOST}))
    assert found["H1"].verdict == "supported"
    assert "host_gap" in found["H1"].evidence[0]
    assert found["H8"].verdict == "refuted"


def test_what_only_a_gpu_shows_is_not_tested_on_a_cpu():
    found = verdicts(run({"fp16": FP16, "int8": HOST}))
    assert {found[name].verdict for name in ("H2", "H5", "H6", "H12")} == {"not tested"}
    assert all("GPU" not in item.statement for item in found.values() if item.verdict == "supported")
    assert "this CPU" in found["H1"].statement


def test_nothing_slower_nothing_to_explain():
    found = verdicts([make.generation("fp16", repeat) for repeat in range(3)])
    assert found["H1"].verdict == "not tested"


def test_outliers_by_their_removal():
    lines = {**FP16, c.OUTLIERS: 0.007}
    extra = []
    for repeat in range(4):
        extra += [
            make.intervention("int8", "none", repeat),
            make.intervention("int8", "threshold-0", repeat, step=0.014),
        ]
    found = verdicts(run({"fp16": FP16, "int8": lines}, extra=extra))["H3"]
    assert found.verdict == "supported"
    assert "threshold-0" in found.evidence[0]


def test_a_removal_that_gains_nothing_refutes():
    extra = []
    for repeat in range(6):
        extra += [
            make.intervention("int8", "none", repeat),
            make.intervention("int8", "threshold-0", repeat, step=0.01998),
        ]
    assert verdicts(run({"fp16": FP16, "int8": HOST}, extra=extra))["H3"].verdict == "refuted"


def test_a_fair_comparison_and_an_unfair_one():
    assert verdicts(run({"fp16": FP16, "int8": HOST}))["H13"].verdict == "refuted"
    records = run({"fp16": FP16, "nf4": HOST})
    for record in records:
        if record.case.scheme == "nf4":
            record.setup["arm"]["compute_dtype"] = "float32"  # type: ignore[index]
    found = verdicts(records)["H13"]
    assert found.verdict == "supported"
    assert "float32" in found.evidence[0]


@pytest.mark.parametrize(("clock", "reasons", "verdict"), [(1.98e9, 0, "refuted"), (1.5e9, 0x4, "supported")])
def test_throttling_shows_in_the_clocks(clock, reasons, verdict):
    """A throttled clock, simulated in records."""
    extra = []
    for scheme, hertz, mask in (("fp16", 1.98e9, 0), ("nf4", clock, reasons)):
        metrics = {"gpu_clock_sm": [hertz] * 5, "gpu_throttle_reasons": [mask] * 5, "window_time": [1.0]}
        extra.append(make.record("energy", make.case(scheme, device="cuda"), metrics))
    found = verdicts(run({"fp16": FP16, "nf4": HOST}, extra=extra, device="cuda"))["H12"]
    assert found.verdict == verdict
    assert ("throttled" in found.evidence[1]) and (("5 samples" in found.evidence[1]) == bool(reasons))


def test_joules_that_are_only_estimated_are_not_tested():
    extra = [make.codecarbon("fp16"), make.codecarbon("int8")]
    assert verdicts(run({"fp16": FP16, "int8": HOST}, extra=extra))["H14"].verdict == "not tested"


def test_lower_power_outweighed_by_time():
    extra = [make.energy(scheme, repeat) for scheme in ("fp16", "int8") for repeat in range(3)]
    found = verdicts(run({"fp16": FP16, "int8": HOST}, extra=extra, device="cuda"))["H14"]
    assert found.verdict == "supported"


def test_a_cliff_between_batches():
    extra = []
    for repeat in range(3):
        for scheme, steps in (("fp16", (10, 10, 11, 12)), ("nf4", (12, 12, 30, 31))):
            for size, step in zip((1, 4, 8, 16), steps, strict=True):
                name = "none" if size == 1 else f"batch-{size}"
                more = {} if size == 1 else {"batch_size": size}
                extra.append(make.intervention(scheme, name, repeat, step=step * 1e-3, **more))
    found = verdicts(run({"fp16": FP16, "nf4": HOST}, extra=extra))["H10"]
    assert found.verdict == "supported"
    assert "8: ×" in found.evidence[0]


@pytest.mark.parametrize(
    ("last", "repeats", "verdict"),
    [(0.031, 3, "supported"), (0.0155, 3, "refuted"), (0.031, 1, "ambiguous"), (0.0155, 1, "ambiguous")],
)
def test_a_cliff_shows_in_a_sweep_of_batch_sizes_too(last, repeats, verdict):
    """As the GPU study sweeps them: timed runs, no interventions."""
    records = [
        make.generation(scheme, repeat, step=step / make.SPEEDS[scheme], batch_size=size, calls=1)
        for scheme, steps in (("fp16", (0.010, 0.010, 0.0112, 0.012)), ("nf4", (0.012, 0.012, 0.014, last)))
        for size, step in zip((1, 4, 8, 16), steps, strict=True)
        for repeat in range(repeats)
    ]
    found = verdicts(records)["H10"]
    assert found.verdict == verdict
    assert found.evidence[0].startswith("nf4 ÷ fp16, by batch: 1: ×1.")


@pytest.mark.parametrize(("issue", "dram", "verdict"), [(81.0, 40.0, "supported"), (30.0, 92.0, "refuted")])
def test_look_ups_by_issue_slots_against_dram(issue, dram, verdict):
    metrics = {
        "sm__inst_issued.avg.pct_of_peak_sustained_active": {"unit": "%", "value": issue},
        "dram__throughput.avg.pct_of_peak_sustained_elapsed": {"unit": "%", "value": dram},
    }
    top = [{"name": "nvjet", "metrics": {}}, {"name": "void gemm_4bit_simt<__half>", "metrics": metrics}]
    extra = [make.record("ncu-warm", make.case("nf4", device="cuda"), {"profiled_launches": 1}, setup={"top": top})]
    found = verdicts(run({"fp16": FP16, "nf4": HOST}, extra=extra, device="cuda"))["H5"]
    assert found.verdict == verdict
    assert found.paper == "guess 1"


def test_cold_against_hot_layers():
    extra = [
        make.matmul(scheme, 1, residency=residency, repeat=repeat, device="cuda")
        for scheme in ("fp16", "nf4")
        for residency in ("hot", "cold")
        for repeat in range(3)
    ]
    found = verdicts(run({"fp16": FP16, "nf4": HOST}, extra=extra, device="cuda"))["H6"]
    assert found.verdict == "refuted"
    assert "cold ÷ hot" in found.evidence[0]


def test_the_bare_integer_product_against_the_float_one():
    extra = []
    for repeat in range(3):
        extra += [
            make.matmul("fp16", 1, repeat=repeat),
            make.matmul("int8", 1, repeat=repeat, op="gemm"),
        ]
    found = verdicts(run({"fp16": FP16, "int8": HOST}, extra=extra))["H7"]
    assert found.verdict == "supported"
    assert found.paper == "guess 3"

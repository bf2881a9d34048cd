"""The first GPU run: its records are what the amendment leaves of what was measured, and nothing else."""

import gzip
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "reports/runs/h100-starcoder2-3b-20261126"
sys.path.insert(0, str(ROOT / "scripts"))
import amend_h100_run as amendment  # noqa: E402


def documents(name):
    return [json.loads(line) for line in gzip.decompress((FOLDER / name).read_bytes()).decode().splitlines()]


@pytest.fixture(scope="module")
def measured():
    return documents("as-measured.jsonl.gz")


def test_the_records_are_the_amended_measurement(measured):
    again = [record for record in map(amendment.amended, measured) if record is not None]
    assert documents("records.jsonl.gz") == again


def test_what_is_left_out_is_slow_from_one_step_on(measured):
    """The fault: 35 ms more from the first step whose event did not exist."""
    timed = [r for r in measured if r["instrument"] == "generation" and r["setup"]["options"]["warmup_tokens"] == 16]
    assert len(timed) == 8
    for record in timed:
        values = next(m["values"] for m in record["metrics"] if m["name"] == "inter_token_latency")
        assert max(values[:15]) + 0.02 < min(values[15:30])


def test_nothing_that_was_kept_came_after_a_timeline_unmarked():
    for record in documents("records.jsonl.gz"):
        if record["instrument"] == "energy":
            assert "observer-attached" in {finding["code"] for finding in record["findings"]}
        if record["instrument"] == "generation":
            assert (record["case"]["batch_size"], record["case"]["new_tokens"]) == (1, 128)


def causes_of(scheme, kernel):
    """The causes of the kernels with ``kernel`` in their name, in a scheme's observed decode steps."""
    from bench.analysis.ledger.classes import Classes
    from bench.analysis.ledger.costs import host_windows, step_rows
    from bench.analysis.ledger.gpu import work_of
    from bench.analysis.ledger.read import STEP_RANGE
    from bench.analysis.timeline import Analysis
    from bench.record import causes
    from profiling.summarize import read_timeline

    (trace,) = FOLDER.glob(f"artifacts/kineto-{scheme}-[0-9a-f][0-9a-f][0-9a-f]*/trace.json.gz")
    timeline = read_timeline(trace)
    work = work_of(Analysis(timeline), Classes("0.50.2"), STEP_RANGE)
    begin, end = host_windows(timeline, step_rows(timeline, STEP_RANGE))
    named = zip(work.names, work.code, work.start, strict=True)
    return {
        causes.BUSY[code]
        for name, code, start in named
        if name >= 0 and begin.min() <= start <= end.max() and kernel in timeline.strings[name]
    }


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

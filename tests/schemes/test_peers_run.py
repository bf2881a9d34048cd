"""The preset peers from plan to page: each peer that is installed has records, a verdict, a ledger, products."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.analysis.matmul import summarise
from bench.presets import PRESETS
from bench.record import causes as c
from bench.record.store import load
from bench.verbs import fitting

ROOT = Path(__file__).parents[2]
LEFT, MISSING = fitting.available(PRESETS["peers"], "cpu")
HERE = [name for name in LEFT.sweeps[0].schemes if name not in ("fp16", "int8", "nf4")]


def program(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "bench", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.slow
@pytest.mark.skipif(not HERE, reason="none of the packages of the extra peers is installed")
def test_each_goes_from_the_plan_to_the_page(tmp_path):
    run = tmp_path / "run"
    told = program(
        "run", "--preset", "peers", "--device", "cpu", "--out", str(run), "--repeats", "3", "--calls", "2",
        "--matmul-m", "1", "--matmul-seconds", "0.02", "--energy-seconds", "0.2",
    )  # fmt: skip
    assert all(f"{name} skipped: " in told for name in MISSING)
    records = load(run).records
    assert {record.status for record in records if record.instrument in ("generation", "kineto", "matmul")} == {"ok"}
    explained = json.loads(program("explain", str(run), "--json"))
    pairs = {
        pair["scheme"]: pair
        for pair in explained["pairs"]
        if pair["instrument"] == "kineto" and pair["setting"].get("cache") == "dynamic"
    }
    assert set(HERE) <= set(pairs)
    for name in HERE:
        lines = {line["cause"]: line["scheme_ms"] for line in pairs[name]["lines"]}
        assert lines[c.GEMM] > 0 and lines[c.DEQUANTISE] > 0, name
        assert (lines.get(c.QUANTISE, 0) > 0) == (name == "torchao-int8-dyn"), name
        assert lines.get(c.OTHER, 0) < 0.1 * sum(lines.values()), name
    compiled = {pair["scheme"]: pair for pair in explained["pairs"] if pair["setting"].get("cache") == "static"}
    assert set(LEFT.sweeps[1].schemes) - {"fp16"} <= set(compiled)
    assert any(line["cause"] == c.HOST_GAP for line in compiled["fp16+compile"]["lines"])
    products = summarise(records)
    assert {row.scheme for row in products} >= set(HERE)
    assert all(row.traffic is not None for row in products if row.op == "linear")
    page = (run / "report.html").read_text()
    assert all(f"--s-{name}:" in page for name in HERE)

"""Traces whose only ranges are around a part of each step: layers, exchanges, the choice of a token."""

from __future__ import annotations

import json

import pytest

from bench.analysis.timeline import Analysis
from bench.analysis.traces.taken import Wanted, taken
from bench.cli import main
from profiling.summarize import read_timeline
from tests.foreign_traces import Story

STEPS, PARTS = 12, 8


def story(gemm, kind, *, syncs=True):
    """Products one after the other, then a token is chosen; the host asks for all of a step before the GPU is done."""
    made = Story()
    for step in range(STEPS):
        start = 1000 + 1000 * step
        call, gpu = start + 20, start + 50
        for _ in range(PARTS):
            if kind == "layers":
                made.range("LlamaDecoderLayer", call - 1, 10)
            made.kernel("toy_gemm", call, gpu, gemm / PARTS)
            call, gpu = call + 12, gpu + gemm / PARTS
            if kind == "exchanges":
                made.range("nccl:all_reduce", call - 1, 10).kernel("ncclDevKernel_AllReduce", call, gpu, 10)
                call, gpu = call + 12, gpu + 10
        if kind == "choice":
            made.range("sample", call - 1, 20)
        made.kernel("argmax_kernel", call, gpu, 5)
        if syncs:
            made.call("cudaStreamSynchronize", call + 8, max(gpu - call, 5))
    return made


SAID = {
    "layers": "'LlamaDecoderLayer (1 of 8)', each to the start of the next",
    "exchanges": "'(inferred step)'",
    "choice": "'sample', each to the start of the next",
}


@pytest.mark.parametrize("kind", SAID)
@pytest.mark.parametrize("syncs", [True, False])
@pytest.mark.parametrize("suffix", ["json", "sqlite"])
def test_the_difference_is_that_of_a_step(tmp_path, capsys, kind, syncs, suffix):
    paths = []
    for name, gemm in (("a", 300), ("b", 400)):
        made, path = story(gemm, kind, syncs=syncs), tmp_path / f"{name}.{suffix}"
        paths.append(str(made.kineto(path) if suffix == "json" else made.nsys(path)))
    assert main(["explain", "--reference", paths[0], "--candidate", paths[1], "--json"]) == 0
    (pair,) = json.loads(capsys.readouterr().out)["pairs"]
    gemm = next(line for line in pair["recorded"]["lines"] if line["cause"] == "gemm")
    assert (gemm["reference_ms"], gemm["scheme_ms"]) == (pytest.approx(0.3), pytest.approx(0.4))
    assert SAID[kind] in pair["taken"][0]["said"]


def test_what_is_called_a_step_is_one_however_seldom_the_host_waits(tmp_path):
    made = Story()
    for step in range(24):
        made.range("decode_step", 1000 + 500 * step, 500).kernel("toy_gemm", 1020 + 500 * step, 1040 + 500 * step, 300)
        if step % 4 == 3:
            made.call("cudaStreamSynchronize", 1400 + 500 * step, 50)
    assert taken(Analysis(read_timeline(made.kineto(tmp_path / "t.json"))), Wanted()).said == "24 steps 'decode_step'"


def test_work_of_before_the_first_step_is_not_its_own(tmp_path):
    made = Story().kernel("toy_gemm", 900, 910, 600)
    for step in range(8):
        start = 1000 + 1000 * step
        made.range("decode_step", start, 990).kernel("elementwise_kernel", start + 20, start + 600, 100)
    found = taken(Analysis(read_timeline(made.kineto(tmp_path / "t.json"))), Wanted())
    assert found.said == "7 of 8 steps 'decode_step'"
    assert found.notes == ("the first step is left out: the GPU still works at what was asked for before it",)

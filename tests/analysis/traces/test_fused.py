"""Kernels that do two things: what of them is which no trace tells, and that is said."""

from __future__ import annotations

import pytest

from bench.analysis.timeline import Analysis
from bench.analysis.traces.fused import FUSED, quantised_in_passing
from bench.analysis.traces.logits import with_chosen_tokens
from bench.analysis.traces.pair import Trace, explain_traces
from bench.analysis.traces.taken import Wanted, taken
from bench.cli import main
from bench.record import causes as c
from profiling.summarize import read_timeline
from tests.foreign_traces import Story

NORM, ACT = "void vllm::rms_norm_kernel<half, 8>()", "void vllm::act_and_mul_kernel<half>()"
NORM_QUANT = "void vllm::rms_norm_static_fp8_quant_kernel<c10::Half, c10::Float8_e4m3fn>()"
ACT_QUANT = "void vllm::silu_and_mul_quant_kernel<c10::Half, c10::Float8_e4m3fn>()"
QUANT = "void vllm::static_scaled_fp8_quant_kernel<half>()"
FLASH = "void pytorch_flash::flash_fwd_splitkv_kernel<Flash_fwd_kernel_traits>"
SOFTMAX = "void at::native::(anonymous namespace)::cunn_SoftMaxForward<4, float, float, float, Epilogue>(float*)"


def steps(*kernels: tuple[str, float], layers: int = 8, last: tuple[tuple[str, float], ...] = ()) -> Story:
    """Six steps of layers of these kernels, and the last ones once a step."""
    story, time = Story(), 1000.0
    for _ in range(6):
        begin = time
        for name, length in (*kernels * layers, *last):
            story.kernel(name, time, time + 6, length)
            time += length + 8
        story.range("execute_model", begin, time - begin)
        time += 1
    return story


def read(path, story) -> Trace:
    story.nsys(path)
    return Trace(path, Analysis(read_timeline(path)), None, "execute_model")


def explained(folder, one, other):
    return explain_traces(read(folder / "a.sqlite", one), read(folder / "b.sqlite", other))


@pytest.mark.parametrize("kernels", [((NORM_QUANT, 40.0), (ACT, 30.0)), ((NORM, 30.0), (ACT_QUANT, 40.0))])
def test_kernels_that_also_quantise_are_named_where_one_trace_has_them(tmp_path, kernels):
    plain = steps((NORM, 30.0), (ACT, 30.0), ("toy_gemm", 100.0))
    for arms, whose in (((plain, steps(*kernels, ("toy_gemm", 60.0))), "candidate"),
                        ((steps(*kernels, ("toy_gemm", 60.0)), plain), "reference")):  # fmt: skip
        (finding,) = [one for one in explained(tmp_path, *arms).findings if one.code == FUSED]
        assert f"of the {whose}" in finding.message and "cannot be told" in finding.remedy


def test_where_both_have_them_or_quantising_is_its_own_kernel_nothing_is_said(tmp_path):
    fused = steps((NORM_QUANT, 40.0), ("toy_gemm", 60.0))
    apart = steps((NORM, 30.0), (QUANT, 10.0), ("toy_gemm", 60.0))
    plain = steps((NORM, 30.0), ("toy_gemm", 100.0))
    for one, other in ((fused, fused), (plain, apart)):
        both = read(tmp_path / "a.sqlite", one), read(tmp_path / "b.sqlite", other)
        assert quantised_in_passing([each.analysis for each in both], ["execute_model"] * 2) == []


def lines(folder, story, name="a") -> dict[str, float]:
    """What `explain` says a step holds, µs."""
    trace = read(folder / f"{name}.sqlite", story)
    found = with_chosen_tokens(taken(trace.analysis, Wanted()))
    told = explain_traces(*[Trace(trace.path, found.analysis, None, found.step_range)] * 2).recorded
    return {line.cause: line.scheme_ms * 1e3 for line in told.lines}


def test_a_softmax_once_a_step_beside_attention_in_every_layer_chooses_the_token(tmp_path):
    found = lines(tmp_path, steps((FLASH, 20.0), ("toy_gemm", 50.0), last=((SOFTMAX, 200.0),)))
    assert found[c.SAMPLING] == pytest.approx(200, abs=1)
    assert found[c.ATTENTION] == pytest.approx(160, abs=1)


def test_a_softmax_in_every_layer_is_attention_s(tmp_path):
    found = lines(tmp_path, steps((SOFTMAX, 20.0), ("toy_gemm", 50.0)))
    assert found[c.ATTENTION] == pytest.approx(160, abs=1) and c.SAMPLING not in found
    few = lines(tmp_path, steps((FLASH, 20.0), (SOFTMAX, 20.0), ("toy_gemm", 50.0)))
    assert c.SAMPLING not in few


def test_what_is_inferred_of_a_softmax_is_said(tmp_path, capsys):
    for name, length in (("a", 200.0), ("b", 400.0)):
        steps((FLASH, 20.0), ("toy_gemm", 50.0), last=((SOFTMAX, length),)).nsys(tmp_path / f"{name}.sqlite")
    paths = [str(tmp_path / f"{name}.sqlite") for name in "ab"]
    assert main(["explain", "--reference", paths[0], "--candidate", paths[1], "-v"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "it is taken for choosing the token" in told
    assert "Choosing the token: +0.2 ms" in told

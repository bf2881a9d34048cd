"""The study's two presets: corrected, and as it was run.

What "as it was run" means is read off the authors' own scripts (ana-oprescu/GreenLLMs @09aaf30, GenerateSamplesv2.py
and GenerateSamples_quantised.py): the original loaded without a dtype (float32), load_in_4bit with
bnb_4bit_compute_dtype=torch.bfloat16 and no quant type (fp4), load_in_8bit, greedy, end of sequence allowed, one task
after the other, no warm-up, the prompt with its last newline, CodeCarbon with measure_power_secs=1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.workloads.prompts import AS_IS

if TYPE_CHECKING:
    from bench.presets.forms import Preset

TOKENS = (128, 256)
# fp32, 4bit-study and 4bit-default are there so that the shares of the gap that they carry are told apart.
_PAPER_ARMS = ("fp16", "fp32", "bf16", "int8", "int8-thr0", "fp4", "nf4", "nf4-dq", "4bit-default", "4bit-study")
_PAPER_JUDGED = ("fp16", "int8", "fp4", "nf4", "nf4-dq")
COMPAT_ARMS = ("fp32", "4bit-study", "int8")


def presets() -> tuple[Preset, ...]:
    """``paper`` and ``paper-compat``. Imported here because bench.presets asks for them while it is being imported."""
    return _paper(), _compat()


def _paper() -> Preset:
    from bench.presets.forms import ALL_NINE, M_SWEEP, PRUNED, EndToEnd, Preset, quality_sweep

    timed = tuple(
        EndToEnd(
            f"{tokens} tokens",
            _PAPER_ARMS,
            new_tokens=tokens,
            calls=20,
            warmup_calls=2,
            repeats=5,
            observers={
                **dict.fromkeys(("kineto", "energy", "codecarbon"), (_PAPER_ARMS, 5)),
                "annotation": (("fp16", "nf4"), 1),
            },
            energy_seconds=5.0,
            limit_s=3600,
        )
        for tokens in TOKENS
    )
    judged = tuple(quality_sweep(f"pass@1, {tokens} tokens", _PAPER_JUDGED, new_tokens=tokens) for tokens in TOKENS)
    return Preset(
        "paper",
        "the StarCoder2 study, corrected: matched dtypes, forced token counts, five interleaved repeats",
        "shape:starcoder2-3b",
        sweeps=(*timed, *judged, quality_sweep("pruning", ("fp16",), new_tokens=128, dropped_layers=PRUNED)),
        matmul_schemes=ALL_NINE,
        matmul_m=M_SWEEP,
    )


def _compat() -> Preset:
    from bench.presets.forms import EndToEnd, Preset, quality_sweep

    timed = tuple(
        EndToEnd(
            f"{tokens} tokens",
            COMPAT_ARMS,
            new_tokens=tokens,
            stop="eos",
            calls=164,
            warmup_calls=0,
            repeats=5,
            observers=dict.fromkeys(("energy", "codecarbon"), (COMPAT_ARMS, 5)),
            limit_s=24 * 3600,
            prompt_style=AS_IS,
        )
        for tokens in TOKENS
    )
    judged = tuple(quality_sweep(f"pass@1, {n} tokens", COMPAT_ARMS, new_tokens=n, prompt_style=AS_IS) for n in TOKENS)
    return Preset(
        "paper-compat",
        "the StarCoder2 study as it was run: fp32 original, fp4 with bfloat16 compute, int8, prompts as they are, "
        "early stop, no warm-up",
        "shape:starcoder2-3b",
        sweeps=(*timed, *judged),
        reference="fp32",
        machine=(),
    )

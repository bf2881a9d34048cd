"""The StarCoder2 quantisation study: corrected, and as it was run."""

from __future__ import annotations

from bench.workloads.prompt_styles import AS_IS

from .forms import ALL_NINE, M_SWEEP, PRUNED, Preset, Sweep, quality_sweep

# fp32 and 4bit-default are what the study ran without saying so: their shares of its gap are told apart.
_PAPER_ARMS = ("fp16", "fp32", "bf16", "int8", "int8-thr0", "fp4", "nf4", "nf4-dq", "4bit-default")
_PAPER_JUDGED = ("fp16", "int8", "fp4", "nf4", "nf4-dq")
PAPER = Preset(
    "paper",
    "the StarCoder2 study, corrected: matched dtypes, forced token counts, five interleaved repeats",
    "shape:starcoder2-3b",
    sweeps=tuple(
        Sweep(
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
        for tokens in (128, 256)
    )
    + tuple(quality_sweep(f"pass@1, {tokens} tokens", _PAPER_JUDGED, new_tokens=tokens) for tokens in (128, 256))
    + (quality_sweep("pruning", ("fp16",), new_tokens=128, dropped_layers=PRUNED),),
    matmul_schemes=ALL_NINE,
    matmul_m=M_SWEEP,
)

_COMPAT_ARMS = ("fp32", "4bit-default", "int8")
COMPAT = Preset(
    "paper-compat",
    "the StarCoder2 study as it was run: fp32 original, library defaults for 4-bit, prompts as they are, early stop, "
    "no warm-up",
    "shape:starcoder2-3b",
    sweeps=tuple(
        Sweep(
            f"{tokens} tokens",
            _COMPAT_ARMS,
            new_tokens=tokens,
            stop="eos",
            prompt_style=AS_IS,
            calls=164,
            warmup_calls=0,
            repeats=5,
            observers=dict.fromkeys(("energy", "codecarbon"), (_COMPAT_ARMS, 5)),
            limit_s=24 * 3600,
        )
        for tokens in (128, 256)
    )
    + tuple(
        quality_sweep(f"pass@1, {tokens} tokens", _COMPAT_ARMS, new_tokens=tokens, prompt_style=AS_IS)
        for tokens in (128, 256)
    ),
    reference="fp32",
    machine=(),
)

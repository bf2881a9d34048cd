"""The presets that need no choice: smoke on any machine, quick on one GPU."""

from __future__ import annotations

from typing import Any

from .forms import ALL_NINE, M_SWEEP, PRUNED, EndToEnd, Preset, quality_sweep

# What is cheap to try, and keeps the memory saving; each where it means something for the arm and the machine.
_TRIES = ("threshold-0", "compute-matched", "static-cache", "batch-8", "cuda-graph")
SMOKE = Preset(
    "smoke",
    "the committed tiny checkpoint on any machine, no GPU needed; up to 10 minutes on 2 cores, half of it pass@1",
    "smoke",
    sweeps=(
        EndToEnd(
            "all",
            ALL_NINE,
            new_tokens=32,
            calls=4,
            warmup_calls=1,
            repeats=4,
            timeline_steps=4,
            observers={
                "kineto": (ALL_NINE, 4),
                "energy": (("fp16", "int8", "nf4"), 3),
                "codecarbon": (("fp16", "int8", "nf4"), 1),
                "annotation": (("fp16", "nf4"), 1),
            },
            tries=_TRIES,
            tried_on=("int8", "nf4"),
            annotation_pairs=4,
            energy_windows=2,
            energy_seconds=1.0,
            limit_s=180,
        ),
        quality_sweep("pass@1", ("fp16", "int8", "nf4"), new_tokens=160),
        quality_sweep("pruning", ("fp16",), new_tokens=160, dropped_layers=PRUNED),
    ),
    machine=("fp32", "fp16"),
    matmul_schemes=ALL_NINE,
    matmul_m=(1, 8, 64),
    matmul_seconds=0.1,
    # The tiny model gains nothing from a second thread, and on a busy machine the threads wait for each other.
    threads=1,
)

# What people would pick instead of bitsandbytes' schemes, beside these; what is not installed is left out.
_PEERS = ("fp16", "int8", "nf4", "torchao-int8", "torchao-int8-dyn", "hqq", "quanto-int8", "torchao-int4")
_COMPILED = ("fp16", "fp16+compile", "torchao-int8", "torchao-int8+compile")
PEERS = Preset(
    "peers",
    "what people would pick instead: torchao, HQQ, optimum-quanto and torch.compile, on the committed checkpoint",
    "smoke",
    sweeps=(
        EndToEnd(
            "all",
            _PEERS,
            new_tokens=32,
            calls=4,
            warmup_calls=1,
            repeats=3,
            timeline_steps=4,
            observers={"kineto": (_PEERS, 3), "energy": (_PEERS, 3)},
            energy_windows=1,
            energy_seconds=1.0,
            limit_s=300,
        ),
        # torchao is meant to be compiled: what that gives it, and what it gives the reference.
        EndToEnd(
            "compiled",
            _COMPILED,
            caches=("static",),
            new_tokens=32,
            calls=4,
            warmup_calls=1,
            repeats=2,
            timeline_steps=4,
            observers={"kineto": (_COMPILED, 1)},
            limit_s=1800,
        ),
    ),
    machine=("fp32", "fp16"),
    matmul_schemes=_PEERS,
    matmul_m=(1, 8),
    matmul_seconds=0.1,
    threads=1,
)

# What most people ask about: three processes of each, in which batch 8 follows batch 1, take turns; of fewer the spread
# would have to be assumed (docs/verdicts.md), of joules too. The other schemes join their first round, without joules.
CORE = ("fp16", "int8", "nf4")
_OTHERS = ("fp32", "bf16", "int8-thr0", "int8-planted", "fp4", "nf4-dq")
_TIMED: dict[str, Any] = {"new_tokens": 32, "calls": 2, "warmup_calls": 1, "process": "arm"}
# Windows and products as long as those of the H100 run, by which scripts/study_times.py tells how long all of it takes.
_OBSERVED: dict[str, Any] = {"timeline_steps": 4, "energy_windows": 1, "energy_seconds": 1.5}
QUICK = Preset(
    "quick",
    "exact StarCoder2-3B shapes with random weights on one GPU; planned for 10 minutes",
    "shape:starcoder2-3b",
    sweeps=(
        EndToEnd(
            "core",
            CORE,
            repeats=3,
            observers={
                "kineto": (CORE, 1),
                "energy": (CORE, 3),
                "codecarbon": (CORE, 1),
                "annotation": (("fp16", "nf4"), 1),
            },
            tries=_TRIES,
            tried_on=("int8", "nf4"),
            annotation_pairs=2,
            **_TIMED,
            **_OBSERVED,
        ),
        EndToEnd(
            "others",
            _OTHERS,
            repeats=1,
            observers={"kineto": (_OTHERS, 1)},
            **_TIMED,
            **_OBSERVED,
        ),
        EndToEnd("batch", CORE, batch_sizes=(8,), repeats=3, **_TIMED),
    ),
    matmul_schemes=ALL_NINE,
    matmul_m=tuple(m for m in M_SWEEP if m != 6),  # the eight seconds that this takes are those of what is tried
    matmul_seconds=0.02,
    relative_standard_error=0.01,
)

"""The presets: smoke and peers on any machine, quick on one GPU, and one for each part of scripts/gpu-study.sh."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .forms import ALL_NINE, LAST, M_SWEEP, EndToEnd, Observers, Preset, quality_sweep

# Few programs, so that the first report comes within minutes; --tasks takes more.
_PROGRAMS: Mapping[str, Any] = {"tasks": 20, "new_tokens": 160, "energy_windows": 2}
# What is cheap to try, and keeps the memory saving; each where it means something for the arm and the machine.
_TRIES = ("threshold-0", "compute-matched", "static-cache", "batch-8", "cuda-graph")
SMOKE = Preset(
    "smoke",
    "the committed tiny checkpoint on any machine, no GPU needed; minutes on 2 cores, a third of them pass@1",
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
        quality_sweep("pass@1", ("fp16", "int8", "nf4"), **_PROGRAMS),
        quality_sweep("pruning", ("fp16",), dropped_layers=(f"{LAST}1", f"{LAST}3"), **_PROGRAMS),
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
_REMAINING = ("fp32", "bf16", "int8-thr0", "int8-planted", "fp4", "nf4-dq")
_TIMED: dict[str, Any] = {"new_tokens": 32, "calls": 2, "warmup_calls": 1, "process": "arm"}
# Windows and products as long as those of the H100 run, by which scripts/study_times.py tells how long all of it takes.
_OBSERVED: dict[str, Any] = {"timeline_steps": 4, "energy_windows": 1, "energy_seconds": 1.5}
QUICK = Preset(
    "quick",
    "exact StarCoder2-3B shapes with random weights on one GPU; under 10 minutes, estimated (prefill is a guess)",
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
            _REMAINING,
            repeats=1,
            observers={"kineto": (_REMAINING, 1)},
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


_ARMS = ("fp16", "bf16", "int8", "int8-thr0", "int8-planted", "fp4", "nf4", "nf4-dq")
_OTHERS = ("fp16", "bf16", "nf4", "int4-tinygemm")


def _sweep(name: str, schemes: tuple[str, ...], observed: Mapping[str, int], **options: Any) -> EndToEnd:
    """128 tokens in one call per process, short energy window: minutes of a GPU are what is scarce. Joules are taken in
    three processes of an arm, or not at all: fewer show nothing of how these differ.

    ``observed``: instrument → number of repeats that it runs in, for all the schemes.
    """
    observers: Observers = {instrument: (schemes, repeats) for instrument, repeats in observed.items()}
    fields = {"calls": 1, "warmup_calls": 1, "repeats": 1, "timeline_steps": 4, **options}
    return EndToEnd(name, schemes, energy_windows=1, energy_seconds=1.5, observers=observers, **fields)


def _part(name: str, description: str, *sweeps: EndToEnd, **options: Any) -> Preset:
    """A part of the study that adds to the first one: no ceilings, no layer products unless asked for."""
    return Preset(name, description, "shape:starcoder2-3b", sweeps, **{"machine": (), **options})


# Few tokens, because every batch size meets all its key-value lengths anew before it is timed.
_BATCHES: dict[str, Any] = {"new_tokens": 32, "process": "arm"}
# What takes three processes: all eight sizes would take twice a part's time.
_JOULES_AT = (8, 64)


def _batches(*schemes: str) -> tuple[EndToEnd, EndToEnd]:
    """All batch sizes once, and joules at two of them in three processes, the first of which is the same."""
    return (
        _sweep("batches", schemes, {}, batch_sizes=(1, 2, 4, 6, 8, 16, 32, 64), **_BATCHES),
        _sweep("joules", schemes, {"energy": 3}, repeats=3, batch_sizes=_JOULES_AT, **_BATCHES),
    )


def _lengths(*schemes: str) -> tuple[EndToEnd, ...]:
    """The two lengths of the StarCoder2 study, one after the other in one process per repeat."""
    options: dict[str, Any] = {"repeats": 3, "process": "arm"}
    return tuple(_sweep(f"{n} tokens", schemes, {"energy": 3}, new_tokens=n, **options) for n in (128, 256))


_PRODUCTS: dict[str, Any] = {"matmul_m": M_SWEEP, "matmul_seconds": 0.02, "relative_standard_error": 0.01}
# One preset for each part of scripts/gpu-study.sh, each under 8 minutes of a GPU (scripts/study_times.py).
STUDIES = (
    _part(
        "study",
        "the GPU study's first part: every scheme once, with a timeline, and all layer products",
        _sweep("128 tokens", _ARMS, {"kineto": 1}),
        machine=("fp32", "bf16", "fp16"),
        matmul_schemes=("fp16", "bf16", "int8", "int8-thr0", "fp4", "nf4", "nf4-dq"),
        **_PRODUCTS,
    ),
    _part(
        "study-repeats",
        "four interleaved fresh processes of fp16, int8 and nf4, with energy in three and timelines in two",
        _sweep("128 tokens", CORE, {"kineto": 2, "energy": 3}, repeats=4),
    ),
    _part(
        "study-repeats-more",
        "the same of int8 without decomposition and of nf4 with double quantisation, beside fp16",
        _sweep("128 tokens", ("fp16", "int8-thr0", "nf4-dq"), {"kineto": 2, "energy": 3}, repeats=4),
    ),
    _part(
        "study-repeats-rest",
        "the same of bf16, fp4 and int8 with planted outliers, beside fp16, three times, with energy in all",
        _sweep("128 tokens", ("fp16", "bf16", "fp4", "int8-planted"), {"energy": 3}, repeats=3),
    ),
    _part(
        "study-batches",
        "batch sizes 1 to 64 of fp16, int8 with and without decomposition, and nf4; 8 and 64 three times, with energy",
        *_batches("fp16", "int8", "int8-thr0", "nf4"),
    ),
    _part(
        "study-batches-more",
        "the same of bf16, fp4 and nf4 with double quantisation, beside fp16",
        *_batches("fp16", "bf16", "fp4", "nf4-dq"),
    ),
    _part(
        "study-batches-rest",
        "the same of int8 with planted outliers, beside fp16",
        *_batches("fp16", "int8-planted"),
    ),
    _part(
        "study-lengths",
        "the two lengths of the StarCoder2 study with energy: fp16 and nf4, three processes each, for any model",
        *_lengths("fp16", "nf4"),
    ),
    _part(
        "study-lengths-more",
        "the same of int8, beside fp16",
        *_lengths("fp16", "int8"),
    ),
    _part(
        "study-alternatives",
        "torch's own int4 weight-only products against bitsandbytes' nf4 and both 16-bit types",
        _sweep("128 tokens", _OTHERS, {"kineto": 1, "energy": 3}, repeats=3),
        matmul_schemes=_OTHERS,
        **_PRODUCTS,
    ),
    _part(
        "study-costs",
        "what annotation costs (ranges on and off in turn), and the noise of calls within a process",
        _sweep("128 tokens", CORE, {"annotation": 1}, calls=3, annotation_pairs=3),
    ),
)

"""The presets: what is measured, how often, and for how long. Plain frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bench.record.errors import UsageError
from bench.workloads import pruning
from bench.workloads.schemes import REFERENCE, arm

ALL_NINE = ("fp32", "bf16", "fp16", "int8", "int8-thr0", "int8-planted", "fp4", "nf4", "nf4-dq")
M_SWEEP = (1, 2, 4, 6, 8, 16, 32, 64, 128, 512)
# instrument → (schemes it runs for, number of repeats it runs in)
Observers = Mapping[str, tuple[tuple[str, ...], int]]


@dataclass(frozen=True)
class Sweep:
    """End-to-end Cases: every scheme × batch size × cache × set of dropped layers, each in ``repeats`` fresh processes
    of ``calls`` generate calls. ``stop`` is "length" (the number of new tokens is forced) or "eos" (the model may stop
    early). ``warmup_tokens``: new tokens of a warm-up call (None: as many as in a timed one).
    ``timed``: False for a sweep that only observes, as those for pass@1 do, with ``tasks`` tasks (None: all).
    Sweeps with the same ``process`` measure a scheme's Cases one after the other in one process per repeat.
    """

    name: str
    schemes: tuple[str, ...]
    batch_sizes: tuple[int, ...] = (1,)
    caches: tuple[str, ...] = ("dynamic",)
    dropped_layers: tuple[str, ...] = ("",)
    prompt_tokens: int = 128
    new_tokens: int = 128
    stop: str = "length"
    calls: int = 5
    warmup_calls: int = 2
    warmup_tokens: int | None = None
    repeats: int = 5
    observers: Observers = field(default_factory=dict)
    annotation_pairs: int = 5
    timeline_steps: int = 8
    energy_windows: int = 3
    energy_seconds: float = 3.0
    limit_s: float = 600.0
    process: str = ""
    timed: bool = True
    tasks: int | None = None


@dataclass(frozen=True)
class Preset:
    """``machine`` are the dtypes whose ceilings (copy, matrix product) are measured; no matmul_m, no matmul blocks.
    ``matmul_seconds`` is the time limit of one point; it stops earlier at ``relative_standard_error``. ``threads`` is
    the number of CPU threads that torch may use (None: its own choice)."""

    name: str
    description: str
    model: str
    sweeps: tuple[Sweep, ...]
    reference: str = REFERENCE
    machine: tuple[str, ...] = ("fp32", "bf16", "fp16")
    matmul_schemes: tuple[str, ...] = ()
    matmul_m: tuple[int, ...] = ()
    matmul_seconds: float = 0.2
    relative_standard_error: float = 0.005
    residencies: tuple[str, ...] = ("hot", "cold")
    max_copies: int = 64
    threads: int | None = None
    annotate: bool = False
    country: str = "USA"


def _quality(name: str, schemes: tuple[str, ...], like: Sweep | None = None, **options: Any) -> Sweep:
    """A sweep for pass@1: programs for HumanEval's tasks, and joules; nothing timed. ``like``: with its settings."""
    measured = dict.fromkeys(("samples", "energy", "codecarbon"), (schemes, 1))
    fields = {"calls": 4, "warmup_calls": 0, "repeats": 1, "energy_windows": 3, "energy_seconds": 1.0, **options}
    made = like or Sweep(name, schemes, stop="eos", timed=False, **fields)
    return replace(made, schemes=schemes, observers=measured)


def _of(sweep: Sweep, schemes: tuple[str, ...]) -> tuple[str, ...]:
    """The schemes for a quality sweep where a user chose some: all of them, but for pruning only the sweep's own."""
    return schemes if sweep.dropped_layers == ("",) else tuple(name for name in sweep.schemes if name in schemes)


_PRUNED = tuple(f"last:{count}" for count in range(1, 6))
_SMOKE = Preset(
    "smoke",
    "the committed tiny checkpoint on any machine, no GPU needed; up to 10 minutes on 2 cores, half of it pass@1",
    "smoke",
    sweeps=(
        Sweep(
            "all",
            ALL_NINE,
            new_tokens=32,
            calls=4,
            warmup_calls=1,
            repeats=4,
            timeline_steps=4,
            observers={
                "kineto": (ALL_NINE, 4),
                "energy": (ALL_NINE, 1),
                "codecarbon": (("fp16", "int8", "nf4"), 1),
                "annotation": (("fp16", "nf4"), 1),
            },
            annotation_pairs=4,
            energy_windows=2,
            energy_seconds=1.0,
            limit_s=180,
        ),
        _quality("pass@1", ("fp16", "int8", "nf4"), new_tokens=160),
        _quality("pruning", ("fp16",), new_tokens=160, dropped_layers=_PRUNED),
    ),
    machine=("fp32", "fp16"),
    matmul_schemes=ALL_NINE,
    matmul_m=(1, 8, 64),
    matmul_seconds=0.1,
    # The tiny model gains nothing from a second thread, and on a busy machine the threads wait for each other.
    threads=1,
)

_CORE = ("fp16", "int8", "int8-thr0", "nf4", "nf4-dq")
_QUICK = Preset(
    "quick",
    "exact StarCoder2-3B shapes with random weights on one GPU; planned for 10 minutes",
    "shape:starcoder2-3b",
    sweeps=(
        Sweep(
            "core",
            _CORE,
            new_tokens=64,
            calls=2,
            warmup_calls=1,
            repeats=2,
            timeline_steps=4,
            observers={
                "kineto": (_CORE, 2),
                "energy": (ALL_NINE, 1),
                "codecarbon": (("fp16", "int8", "nf4"), 1),
                "annotation": (("fp16", "nf4"), 1),
            },
            annotation_pairs=2,
            energy_windows=2,
            energy_seconds=2.0,
        ),
        Sweep(
            "others",
            ("fp32", "bf16", "int8-planted", "fp4"),
            new_tokens=64,
            calls=2,
            warmup_calls=1,
            repeats=1,
            timeline_steps=4,
            observers={"kineto": (ALL_NINE, 1), "energy": (ALL_NINE, 1)},
            energy_windows=2,
            energy_seconds=2.0,
        ),
        Sweep("batch", ("fp16", "int8", "nf4"), batch_sizes=(8,), new_tokens=64, calls=2, warmup_calls=1, repeats=1),
    ),
    matmul_schemes=ALL_NINE,
    matmul_m=M_SWEEP,
    matmul_seconds=0.05,
)

_STUDY_ARMS = ("fp16", "bf16", "int8", "int8-thr0", "int8-planted", "fp4", "nf4", "nf4-dq")
_STUDY_CORE = ("fp16", "int8", "nf4")
_STUDY_OTHERS = ("fp16", "bf16", "nf4", "int4-tinygemm")


def _study_sweep(name: str, schemes: tuple[str, ...], observed: Mapping[str, int], **options: Any) -> Sweep:
    """128 tokens in one call per process, short warm-up, short energy window: minutes of a GPU are what is scarce.

    ``observed``: instrument → number of repeats that it runs in, for all the schemes.
    """
    observers: Observers = {instrument: (schemes, repeats) for instrument, repeats in observed.items()}
    fields = {"calls": 1, "warmup_calls": 1, "warmup_tokens": 16, "repeats": 1, "timeline_steps": 4, **options}
    return Sweep(name, schemes, energy_windows=1, energy_seconds=1.5, observers=observers, **fields)


def _study_of(name: str, description: str, *sweeps: Sweep, **options: Any) -> Preset:
    """A part of the study that adds to the first one: no ceilings, no layer products unless asked for."""
    return Preset(name, description, "shape:starcoder2-3b", sweeps, **{"machine": (), **options})


_BATCHES: dict[str, Any] = {"batch_sizes": (1, 2, 4, 6, 8, 16, 32, 64), "warmup_tokens": 4, "process": "arm"}
_STUDY_PRODUCTS: dict[str, Any] = {"matmul_m": M_SWEEP, "matmul_seconds": 0.02, "relative_standard_error": 0.01}
# One preset for each part of scripts/gpu-study.sh, each under 8 minutes of a GPU (scripts/study_times.py).
_STUDIES = (
    _study_of(
        "study",
        "the GPU study's first part: every scheme once, with energy and timeline, and all layer products",
        _study_sweep("128 tokens", _STUDY_ARMS, {"kineto": 1, "energy": 1}),
        machine=("fp32", "bf16", "fp16"),
        matmul_schemes=("fp16", "bf16", "int8", "int8-thr0", "fp4", "nf4", "nf4-dq"),
        **_STUDY_PRODUCTS,
    ),
    _study_of(
        "study-repeats",
        "five interleaved fresh processes of fp16, int8 and nf4, with energy in three and timelines in two",
        _study_sweep("128 tokens", _STUDY_CORE, {"kineto": 2, "energy": 3}, repeats=5),
    ),
    _study_of(
        "study-repeats-more",
        "the same of int8 without decomposition and of nf4 with double quantisation, beside fp16",
        _study_sweep("128 tokens", ("fp16", "int8-thr0", "nf4-dq"), {"kineto": 2, "energy": 3}, repeats=5),
    ),
    _study_of(
        "study-repeats-rest",
        "the same of bf16, fp4 and int8 with planted outliers, beside fp16, with energy once",
        _study_sweep("128 tokens", ("fp16", "bf16", "fp4", "int8-planted"), {"energy": 1}, repeats=5),
    ),
    _study_of(
        "study-batches",
        "batch sizes 1 to 64 of fp16, int8 with and without decomposition, and nf4, one process per scheme",
        _study_sweep("batches", ("fp16", "int8", "int8-thr0", "nf4"), {"energy": 1}, **_BATCHES),
    ),
    _study_of(
        "study-batches-more",
        "the same of bf16, fp4 and nf4 with double quantisation, beside fp16",
        _study_sweep("batches", ("fp16", "bf16", "fp4", "nf4-dq"), {"energy": 1}, **_BATCHES),
    ),
    _study_of(
        "study-batches-rest",
        "the same of int8 with planted outliers, beside fp16",
        _study_sweep("batches", ("fp16", "int8-planted"), {"energy": 1}, **_BATCHES),
    ),
    _study_of(
        "study-lengths",
        "the two lengths of the StarCoder2 study with energy, one process per scheme, for any of the models",
        *(
            _study_sweep(f"{tokens} tokens", _STUDY_CORE, {"energy": 1}, new_tokens=tokens, process="arm")
            for tokens in (128, 256)
        ),
    ),
    _study_of(
        "study-alternatives",
        "torch's own int4 weight-only products against bitsandbytes' nf4 and both 16-bit types",
        _study_sweep("128 tokens", _STUDY_OTHERS, {"kineto": 1, "energy": 2}, repeats=3),
        matmul_schemes=_STUDY_OTHERS,
        **_STUDY_PRODUCTS,
    ),
    _study_of(
        "study-costs",
        "what annotation costs (ranges on and off in turn), and the noise of calls within a process",
        _study_sweep("128 tokens", _STUDY_CORE, {"annotation": 1}, calls=3, annotation_pairs=3),
    ),
)

# fp32 and 4bit-default are what the study ran without saying so: their shares of its gap are told apart.
_PAPER_ARMS = ("fp16", "fp32", "bf16", "int8", "int8-thr0", "fp4", "nf4", "nf4-dq", "4bit-default")
_PAPER_JUDGED = ("fp16", "int8", "fp4", "nf4", "nf4-dq")
_PAPER = Preset(
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
    + tuple(_quality(f"pass@1, {tokens} tokens", _PAPER_JUDGED, new_tokens=tokens) for tokens in (128, 256))
    + (_quality("pruning", ("fp16",), new_tokens=128, dropped_layers=_PRUNED),),
    matmul_schemes=ALL_NINE,
    matmul_m=M_SWEEP,
)

_COMPAT_ARMS = ("fp32", "4bit-default", "int8")
_COMPAT = Preset(
    "paper-compat",
    "the StarCoder2 study as it was run: fp32 original, library defaults for 4-bit, early stop, no warm-up",
    "shape:starcoder2-3b",
    sweeps=tuple(
        Sweep(
            f"{tokens} tokens",
            _COMPAT_ARMS,
            new_tokens=tokens,
            stop="eos",
            calls=164,
            warmup_calls=0,
            repeats=5,
            observers=dict.fromkeys(("energy", "codecarbon"), (_COMPAT_ARMS, 5)),
            limit_s=24 * 3600,
        )
        for tokens in (128, 256)
    )
    + tuple(_quality(f"pass@1, {tokens} tokens", _COMPAT_ARMS, new_tokens=tokens) for tokens in (128, 256)),
    reference="fp32",
    machine=(),
)

PRESETS = {preset.name: preset for preset in (_SMOKE, _QUICK, *_STUDIES, _PAPER, _COMPAT)}


def preset(name: str, changes: Mapping[str, Any] | None = None) -> Preset:
    """The preset of that name with the given changes to its own or its sweeps' fields; None means unchanged.

    Raises UsageError for an unknown preset or scheme, or a value out of range.
    """
    if name not in PRESETS:
        raise UsageError(f"unknown preset {name!r}: choose from {', '.join(PRESETS)}")
    wanted = {key: value for key, value in (changes or {}).items() if value is not None}
    chosen = PRESETS[name]
    if "schemes" in wanted:
        chosen = _with_schemes(chosen, tuple(wanted.pop("schemes")))
    own = {key: value for key, value in wanted.items() if key in Preset.__dataclass_fields__}
    of_sweep = {key: value for key, value in wanted.items() if key in Sweep.__dataclass_fields__}
    tasks = of_sweep.pop("tasks", None)
    sweeps = [replace(sweep, **of_sweep) for sweep in chosen.sweeps if sweep.timed]
    if tasks != 0:
        given = {name: of_sweep[name] for name in ("energy_seconds",) if name in of_sweep}
        given |= {} if tasks is None else {"tasks": tasks}
        sweeps += [replace(sweep, **given) for sweep in chosen.sweeps if not sweep.timed]
    chosen = replace(chosen, **own, sweeps=tuple(sweeps))
    _check(chosen)
    return chosen


LAST = "last:"


def for_layers(chosen: Preset, layers: int) -> Preset:
    """The preset with "last:N" of its dropped layers said as numbers, for a model of so many decoder layers.

    Raises UsageError for layers that the model has not. More of the last ones than it has are left out.
    """

    def numbered(text: str) -> str | None:
        if text.startswith(LAST):
            count = int(text.removeprefix(LAST))
            return pruning.last(count, layers) if count < layers else None
        dropped = pruning.parse(text)
        pruning.check(dropped, layers)
        return pruning.text(dropped)

    def of(sweep: Sweep) -> Sweep:
        named = [name for text in sweep.dropped_layers if (name := numbered(text)) is not None]
        return replace(sweep, dropped_layers=tuple(dict.fromkeys(named)))

    return replace(chosen, sweeps=tuple(of(sweep) for sweep in chosen.sweeps))


def _with_schemes(chosen: Preset, schemes: tuple[str, ...]) -> Preset:
    for name in schemes:
        arm(name)
    first = chosen.sweeps[0]
    widened = {name: (schemes, repeats) for name, (_, repeats) in first.observers.items()}
    sweeps = (replace(first, schemes=schemes, observers=widened), *chosen.sweeps[1:])
    sweeps = tuple(sweep if sweep.timed else _quality(sweep.name, _of(sweep, schemes), sweep) for sweep in sweeps)
    kept = tuple(replace(sweep, schemes=tuple(s for s in sweep.schemes if s in schemes)) for sweep in sweeps)
    matmul = schemes if chosen.matmul_schemes else ()
    reference = chosen.reference if chosen.reference in schemes else schemes[0]
    return replace(chosen, sweeps=kept, matmul_schemes=matmul, reference=reference)


def _check(chosen: Preset) -> None:
    for sweep in chosen.sweeps:
        positive = {
            "batch size": min(sweep.batch_sizes),
            "new tokens": sweep.new_tokens - 1,
            "calls": sweep.calls,
            "repeats": sweep.repeats,
            "prompt tokens": sweep.prompt_tokens,
        }
        for what, value in positive.items():
            if value < 1:
                raise UsageError(f"{what} must be larger: at least {2 if what == 'new tokens' else 1}")
        for cache in sweep.caches:
            if cache not in ("dynamic", "static"):
                raise UsageError(f"unknown cache {cache!r}: choose dynamic or static")
    if chosen.threads is not None and chosen.threads < 1:
        raise UsageError("--threads must be at least 1")
    if any(m < 1 for m in chosen.matmul_m):
        raise UsageError("matmul rows (M) must be at least 1")


def from_json(document: Mapping[str, Any]) -> Preset:
    """The preset in a run's plan. Raises KeyError or TypeError where it is not one."""
    sweeps = tuple(_sweep(sweep) for sweep in document["sweeps"])
    return Preset(**{**_tuples(document), "sweeps": sweeps})


def _sweep(document: Mapping[str, Any]) -> Sweep:
    observers = {name: (tuple(schemes), repeats) for name, (schemes, repeats) in document["observers"].items()}
    return Sweep(**{**_tuples(document), "observers": observers})


def _tuples(document: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no tuples: lists of values become tuples again."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in document.items()}

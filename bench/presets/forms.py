"""What a preset consists of, as frozen data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bench.schemes import REFERENCE
from bench.workloads.prompts import DEFAULT

ALL_NINE = ("fp32", "bf16", "fp16", "int8", "int8-thr0", "int8-planted", "fp4", "nf4", "nf4-dq")
M_SWEEP = (1, 2, 4, 6, 8, 16, 32, 64, 128, 512)
# Sets of dropped layers, numbered when the model is known.
LAST = "last:"
PRUNED = tuple(f"{LAST}{count}" for count in range(1, 6))
# instrument → (schemes it runs for, number of repeats it runs in)
Observers = Mapping[str, tuple[tuple[str, ...], int]]


@dataclass(frozen=True)
class EndToEnd:
    """End-to-end Cases: every scheme × batch size × cache × set of dropped layers, each in ``repeats`` fresh processes
    of ``calls`` generate calls. ``stop`` is "length" (the number of new tokens is forced) or "eos" (the model may stop
    early). ``warmup_calls``: at least so many before the timed ones, and as many as it takes to meet every key-value
    length that is timed; with 0 none at all, so that the timed calls are the first (bench/workloads/session.py).
    ``timed``: False for a sweep that only observes, as those for pass@1 do, with ``tasks`` tasks (None: all).
    ``prompt_style``: how HumanEval's prompts are given, see bench/workloads/prompts.py.
    ``prompt_lengths``: prompts of exactly so many tokens, one Case for each; () for texts as long as they are, and for
    token ids drawn at random ``prompt_tokens`` of them.
    ``tries``: interventions tried on the schemes ``tried_on``, in turns with them, in the sweep's first setting
    (bench/run/intervening.py).
    Sweeps with the same ``process`` measure a scheme's Cases one after the other in one process per repeat.
    """

    name: str
    schemes: tuple[str, ...]
    batch_sizes: tuple[int, ...] = (1,)
    caches: tuple[str, ...] = ("dynamic",)
    dropped_layers: tuple[str, ...] = ("",)
    prompt_tokens: int = 128
    prompt_lengths: tuple[int, ...] = ()
    new_tokens: int = 128
    stop: str = "length"
    calls: int = 5
    warmup_calls: int = 2
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
    prompt_style: str = DEFAULT
    tries: tuple[str, ...] = ()
    tried_on: tuple[str, ...] = ()

    def with_schemes(self, change: Callable[[Sequence[str]], tuple[str, ...]]) -> EndToEnd:
        """The sweep with what ``change`` makes of its schemes, wherever it names some."""
        observers = {name: (change(schemes), repeats) for name, (schemes, repeats) in self.observers.items()}
        return replace(self, schemes=change(self.schemes), observers=observers, tried_on=change(self.tried_on))


@dataclass(frozen=True)
class Preset:
    """``machine`` are the dtypes whose ceilings (copy, matrix product) are measured; no matmul_m, no matmul blocks.
    ``matmul_seconds`` is the time limit of one point; it stops earlier at ``relative_standard_error``. ``threads`` is
    the number of CPU threads that torch may use (None: its own choice)."""

    name: str
    description: str
    model: str
    sweeps: tuple[EndToEnd, ...]
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


def quality_sweep(name: str, schemes: tuple[str, ...], **options: Any) -> EndToEnd:
    """A sweep for pass@1: programs for HumanEval's tasks, and joules; nothing timed. Programs are written once, so that
    joules are of one process, and how processes differ in them is assumed."""
    fields = {"calls": 4, "warmup_calls": 0, "repeats": 1, "energy_windows": 3, "energy_seconds": 1.0, **options}
    return judged(EndToEnd(name, schemes, stop="eos", timed=False, **fields), schemes)


def judged(sweep: EndToEnd, schemes: tuple[str, ...]) -> EndToEnd:
    """The quality sweep with these schemes."""
    return replace(sweep, schemes=schemes, observers=dict.fromkeys(("samples", "energy", "codecarbon"), (schemes, 1)))

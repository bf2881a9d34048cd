"""The carried figures in SI: runs by CodeCarbon, the node's own records by EAR, verdicts and counts by task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..carried import read
from ..published import EIGHT_BIT, FOUR_BIT, ORIGINAL

WH = 3600.0
SETTINGS = (("StarCoder2-3B", 128), ("StarCoder2-3B", 256), ("StarCoder2-7B", 128), ("StarCoder2-7B", 256))
ARMS = (ORIGINAL, FOUR_BIT, EIGHT_BIT)
PHI2 = ("Phi-2", 128)
MODELS = {"StarCoder2-3B": "3b", "StarCoder2-7B": "7b", "Phi-2": "Phi2"}
_SUFFIX = {ORIGINAL: "", FOUR_BIT: "_4bit", EIGHT_BIT: "_8bit"}


@dataclass(frozen=True)
class EarStep:
    """One job step as EAR recorded it, the loading of the model included. Powers in W, of the node for packages and
    DRAM; ``gpu_busy``: share of the time, read to whole per cents; frequencies in Hz."""

    job: str
    step: int
    seconds: float
    cpi: float
    package_power: float
    dram_power: float
    cycles: float
    instructions: float
    l1_misses: float
    l2_misses: float
    gpu_power: float
    gpu_busy: float
    cpu_frequency: float
    gpu_frequency: float

    @property
    def node(self) -> str:
        return self.job.rpartition(".")[2]


@dataclass(frozen=True)
class RawRun:
    """One run as CodeCarbon wrote it: J of each part, kg of CO2, s. ``row``: in the authors' file, from 1."""

    row: int
    dram: float
    gpu: float
    cpu: float
    total: float
    kg: float
    seconds: float
    ear: EarStep | None = None


@dataclass(frozen=True)
class RawArm:
    """The runs of one arm of one setting, in the authors' order."""

    model: str
    tokens: int
    arm: str
    runs: tuple[RawRun, ...]

    @property
    def key(self) -> str:
        """How the authors' files name it."""
        return key_of(self.model, self.tokens, self.arm)


@dataclass(frozen=True)
class Raw:
    """``verdicts`` and ``samples``: by the authors' name of a set, then by what was counted. ``jobs``: as carried."""

    arms: Mapping[tuple[str, int, str], RawArm]
    pruned: Mapping[tuple[str, int], tuple[RawRun, ...]]
    steps: tuple[EarStep, ...]
    verdicts: Mapping[str, Mapping[str, str]]
    samples: Mapping[str, Mapping[str, Any]]
    continues: Mapping[str, Mapping[str, str]]
    jobs: Mapping[str, Any]
    sanitiser: str

    def arm(self, model: str, tokens: int, arm: str) -> RawArm:
        return self.arms[model, tokens, arm]

    def of_job(self, job: str) -> tuple[EarStep, ...]:
        return tuple(step for step in self.steps if step.job == job)

    @property
    def package_powers(self) -> tuple[float, float]:
        """The least and the greatest power of a node's packages that EAR recorded in any job, W."""
        powers = [step.package_power for step in self.steps]
        return min(powers), max(powers)


def key_of(model: str, tokens: int, arm: str) -> str:
    return f"{MODELS[model]}_{tokens}{_SUFFIX[arm]}"


def load() -> Raw:
    """All of it, from the files that travel with the package."""
    energy, jobs, verdicts = read("energy"), read("jobs"), read("verdicts")
    steps = _steps(read("ear")["jobs"])
    by_place = {(step.job, step.step): step for step in steps}
    places = jobs["ear_of_run"]
    arms = {}
    for model, tokens in (*SETTINGS, PHI2):
        for arm in ARMS if (model, tokens) != PHI2 else (ORIGINAL,):
            key = key_of(model, tokens, arm)
            ears = [by_place[place[0], place[1]] if place else None for place in places[key]]
            arms[model, tokens, arm] = RawArm(model, tokens, arm, _runs(energy["runs"][key], ears))
    return Raw(
        arms=arms,
        pruned={
            (model, removed): _runs(energy["pruning"][f"{short}_128_minus_{removed}"])
            for model, short in MODELS.items()
            for removed in range(1, 7)
        },
        steps=steps,
        verdicts=verdicts["sets"],
        samples=read("samples")["sets"],
        continues=read("prompts")["continues"],
        jobs=jobs,
        sanitiser=verdicts["sanitiser_now"],
    )


def _steps(jobs: Mapping[str, Sequence[Sequence[float]]]) -> tuple[EarStep, ...]:
    return tuple(_step(job, row) for job, rows in jobs.items() for row in rows)


def _step(job: str, row: Sequence[float]) -> EarStep:
    step, seconds, cpi, package, dram, cycles, instructions, l1, l2, gpu, busy_percent, cpu_khz, gpu_khz = row
    return EarStep(
        job, int(step), seconds, cpi, package, dram, cycles, instructions, l1, l2, gpu, busy_percent / 100,
        1e3 * cpu_khz, 1e3 * gpu_khz,
    )  # fmt: skip


def _runs(rows: Sequence[Sequence[float]], ears: Sequence[EarStep | None] = ()) -> tuple[RawRun, ...]:
    known = ears or [None] * len(rows)
    return tuple(
        RawRun(place, WH * dram, WH * gpu, WH * cpu, WH * total, grams / 1e3, seconds, ear)
        for place, ((dram, gpu, cpu, total, grams, seconds), ear) in enumerate(zip(rows, known, strict=True), 1)
    )

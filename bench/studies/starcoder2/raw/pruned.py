"""What removing layers did, from the authors' own runs: figures 7 and 8."""

from __future__ import annotations

from dataclasses import dataclass

from bench.analysis.statistics import Estimate

from ..published import ORIGINAL
from .data import MODELS, Raw
from .means import Mean, mean, over


@dataclass(frozen=True)
class PrunedRaw:
    """A model less its last ``removed`` layers at 128 tokens: J of the GPU and by CodeCarbon in all, s, and passed
    tasks (HumanEval, HumanEval+) as this project judges the programs kept; None where none are."""

    model: str
    removed: int
    gpu: Mean
    total: Mean
    seconds: Mean
    gpu_ratio: Estimate | None
    total_ratio: Estimate | None
    passed: tuple[int, int] | None


def pruned(raw: Raw) -> tuple[PrunedRaw, ...]:
    return tuple(_point(raw, model, removed) for model in MODELS for removed in range(7))


def _point(raw: Raw, model: str, removed: int) -> PrunedRaw:
    whole = raw.arm(model, 128, ORIGINAL).runs
    runs = raw.pruned[model, removed] if removed else whole
    key = f"{MODELS[model]}_128" + (f"_{removed}" if removed else "")
    letters = raw.verdicts[key]["ours"] if key in raw.verdicts else None
    return PrunedRaw(
        model,
        removed,
        mean([run.gpu for run in runs]),
        mean([run.total for run in runs]),
        mean([run.seconds for run in runs]),
        over([run.gpu for run in runs], [run.gpu for run in whole]) if removed else None,
        over([run.total for run in runs], [run.total for run in whole]) if removed else None,
        (sum(c in "PB" for c in letters), letters.count("P")) if letters else None,
    )

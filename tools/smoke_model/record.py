"""The training record: everything needed to judge, or to repeat, how the checkpoint came to be."""

from __future__ import annotations

import hashlib
import os
import platform
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.workloads.prompts import Task, shipped
from tools.smoke_model.checking import Matches
from tools.smoke_model.recipe import Recipe

LABEL = "memorised"
RECORD = "training-record.json"
WEIGHTS = "model.safetensors"
PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "bitsandbytes")
CPU_INFO = Path("/proc/cpuinfo")


def training_record(
    folder: Path, recipe: Recipe, tasks: tuple[Task, ...], parameters: int, losses: list[float], seconds: float
) -> dict[str, Any]:
    """The JSON document about the training itself; ``seconds`` is the wall time of all epochs."""
    return {
        "label": LABEL,
        "recipe": asdict(recipe),
        "optimiser": "AdamW, linear warm-up then cosine to 0, float32; weights rounded to float16 when saved",
        "dataset": {
            "name": "HumanEval",
            "sha256": sha256(shipped()),
            "tokenizer_trained_on": "prompts and canonical solutions of all its tasks",
            "model_trained_on": [task.task_id for task in tasks],
        },
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "machine": {"cpu": cpu_model(), "logical_cpus": os.cpu_count()},
        # Above the recipe's threads, other programs shared the processor and the training took longer than it needs.
        "load_average_after_training": [round(load, 2) for load in os.getloadavg()],
        "parameters": parameters,
        "files": {
            name: {"bytes": (folder / name).stat().st_size, "sha256": sha256(folder / name)}
            for name in (WEIGHTS, "config.json", "tokenizer.json")
        },
        "training_seconds": round(seconds, 1),
        "final_loss": losses[-1],
        "loss_per_epoch": losses,
        "loss_unit": "nat per target token, weighted mean (see recipe), averaged over the epoch's batches",
    }


def check_record(found: dict[str, dict[int, Matches]]) -> dict[str, Any]:
    """The outcome of the checks: scheme → layers removed → task → known, as two entries of the record."""
    return {
        "check": {
            "what": "greedy completion of the prompt (CPU, batch 1, one thread) equals the canonical solution and end "
            "of text, token for token; no generated code is executed",
            "schemes": {
                scheme: {"exact_matches": sum(counts[0].values()), "of": len(counts[0]), "tasks": counts[0]}
                for scheme, counts in found.items()
            },
        },
        "layers_removed": {
            "what": "exact matches after removing the last N layers",
            "exact_matches": {
                scheme: {str(count): sum(matches.values()) for count, matches in counts.items() if count}
                for scheme, counts in found.items()
            },
        },
    }


def sha256(file: Path) -> str:
    """Hexadecimal SHA-256 of a small file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def cpu_model() -> str:
    """The processor's name; the architecture where the system does not tell."""
    lines = CPU_INFO.read_text().splitlines() if CPU_INFO.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()

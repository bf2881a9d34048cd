"""Train, save, check, write down: the whole job, into one folder."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.record.errors import StorageError, UsageError
from bench.workloads.prompts import Task
from tools.smoke_model.card import model_card
from tools.smoke_model.checking import MOST_LAYERS_REMOVED, SCHEMES, check
from tools.smoke_model.progress import TrainingSteps
from tools.smoke_model.recipe import Recipe
from tools.smoke_model.record import RECORD, check_record, training_record
from tools.smoke_model.training import build_model, reproducible, train
from tools.smoke_model.vocabulary import train_tokenizer


def make_checkpoint(
    out: Path,
    recipe: Recipe,
    all_tasks: tuple[Task, ...],
    tasks: tuple[Task, ...],
    schemes: tuple[str, ...] = SCHEMES,
) -> dict[str, Any]:
    """Trains on ``tasks`` (the tokenizer on ``all_tasks``), fills ``out`` and returns the training record.

    The files appear in ``out`` together at the end, so that weights and record always belong to each other.
    Raises UsageError when ``out`` holds a checkpoint of another origin, StorageError when it cannot be written.
    """
    if (out / "config.json").exists() and not (out / RECORD).exists():
        raise UsageError(f"{out} holds another model, which would be lost: give a new folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out, prefix=".making-") as scratch:
            folder = Path(scratch)
            record = _fill(folder, recipe, all_tasks, tasks, schemes)
            for file in sorted(folder.iterdir()):
                file.chmod(0o644)  # safetensors writes its file for the owner only
                file.replace(out / file.name)
    except OSError as error:
        raise StorageError(f"cannot write the checkpoint to {out}: {error.strerror or error}") from error
    return record


def _fill(
    folder: Path, recipe: Recipe, all_tasks: tuple[Task, ...], tasks: tuple[Task, ...], schemes: tuple[str, ...]
) -> dict[str, Any]:
    tokenizer = train_tokenizer(all_tasks, recipe)
    model, losses, seconds = _train(tokenizer, tasks, recipe)
    model.half().eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    record = training_record(folder, recipe, tasks, parameters, losses, seconds)
    record |= check_record(_check(folder, tasks, schemes, recipe))
    (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(model_card(record), encoding="utf-8")
    return record


def _train(tokenizer: Any, tasks: tuple[Task, ...], recipe: Recipe) -> tuple[Any, list[float], float]:
    start = time.perf_counter()
    model, losses = build_model(tokenizer, recipe), []
    with TrainingSteps("training", recipe.epochs) as steps, reproducible(recipe.threads):
        for loss in train(model, tokenizer, tasks, recipe):
            losses.append(round(loss, 6))
            steps.done(f"loss {loss:.4f}")
    return model, losses, time.perf_counter() - start


def _check(
    folder: Path, tasks: tuple[Task, ...], schemes: tuple[str, ...], recipe: Recipe
) -> dict[str, dict[int, dict[str, bool]]]:
    removed, style = min(MOST_LAYERS_REMOVED, recipe.layers - 1), recipe.prompt_style
    # One thread, because a vector through a matrix this small gains nothing from a second and may wait long for it.
    with TrainingSteps("checking", len(schemes) * (removed + 1)) as steps, reproducible(threads=1):
        return {scheme: check(folder, tasks, style, scheme, removed, steps.done) for scheme in schemes}

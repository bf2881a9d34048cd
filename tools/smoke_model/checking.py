"""Is a task known by heart? Greedy decoding against the canonical solution, token for token. Nothing is executed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.schemes import ARMS
from bench.workloads.models import load
from bench.workloads.prompts import Task
from bench.workloads.sources import resolve
from tools.smoke_model.vocabulary import solved

SCHEMES = ("fp32", "fp16", "int8", "nf4")
MOST_LAYERS_REMOVED = 5
Matches = dict[str, bool]


def knows(model: Any, tokenizer: Any, task: Task, style: str) -> bool:
    """Whether the greedy completion of the prompt alone is the canonical solution followed by end of text."""
    import torch

    given, expected = solved(tokenizer, task, style)
    prompt = torch.tensor([given], device=model.device)
    with torch.inference_mode():
        output = model.generate(
            prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=len(expected)
        )
    return bool(output[0, prompt.shape[1] :].tolist() == expected)


def remove_last_layer(model: Any) -> None:
    """Drops the last layer in place. The layers before it keep their index, so the cache needs no renumbering."""
    model.model.layers = model.model.layers[:-1]
    model.config.num_hidden_layers -= 1


def check(
    folder: Path, tasks: tuple[Task, ...], style: str, scheme: str, removed: int, done: Callable[[str], None]
) -> dict[int, Matches]:
    """Layers removed (0 … ``removed``) → task → whether it is known, for the checkpoint on the CPU in ``scheme``.

    The scheme is one of ``bench.schemes.ARMS``: the check sees exactly what the benchmark measures.
    """
    loaded = load(resolve(str(folder)), ARMS[scheme], "cpu", seed=0)
    found: dict[int, Matches] = {}
    for count in range(removed + 1):
        if count:
            remove_last_layer(loaded.model)
        found[count] = {task.task_id: knows(loaded.model, loaded.tokenizer, task, style) for task in tasks}
        done(f"{scheme}, {count} layers removed: {sum(found[count].values())} of {len(tasks)} known")
    return found

"""Training until the tasks are known by heart. Deterministic for a recipe, a torch version and a kind of CPU."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.record.errors import MeasurementError
from bench.workloads.prompts import Task
from tools.smoke_model.recipe import Recipe
from tools.smoke_model.vocabulary import solved

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Example:
    """Token ids of prompt + completion and the loss weight of each, as a target."""

    ids: tuple[int, ...]
    weights: tuple[float, ...]


def example(tokenizer: Any, task: Task, recipe: Recipe) -> Example:
    """The task as one training sequence."""
    prompt, answer = solved(tokenizer, task, recipe.prompt_style)
    weights = [recipe.prompt_weight] * len(prompt) + [recipe.completion_weight] * len(answer)
    return Example(tuple(prompt + answer), tuple(weights))


def build_model(tokenizer: Any, recipe: Recipe) -> Any:
    """A fresh StarCoder2-architecture model in float32, its random weights drawn from the recipe's seed."""
    import torch
    from transformers import Starcoder2Config, Starcoder2ForCausalLM

    config = Starcoder2Config(
        vocab_size=recipe.vocabulary,
        hidden_size=recipe.hidden_size,
        intermediate_size=recipe.intermediate_size,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.key_value_heads,
        max_position_embeddings=recipe.max_positions,
        tie_word_embeddings=True,
        residual_dropout=0.0,
        embedding_dropout=0.0,
        attention_dropout=0.0,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(recipe.seed)
    return Starcoder2ForCausalLM(config)


def learning_rate_factor(step: int, steps: int, warmup: int) -> float:
    """Linear warm-up, then half a cosine down to 0 at ``steps``."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def train(model: Any, tokenizer: Any, tasks: tuple[Task, ...], recipe: Recipe) -> Iterator[float]:
    """Trains ``model`` in place and yields the mean loss of each epoch when it ends.

    The loss is cross entropy in nats, averaged over target tokens with the recipe's weights; the mean is over the
    epoch's batches, each taken before its own update. Raises MeasurementError when it stops being finite.
    """
    import torch

    model.train()
    order = torch.Generator().manual_seed(recipe.seed)
    examples = [example(tokenizer, task, recipe) for task in tasks]
    optimiser = torch.optim.AdamW(model.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    steps = recipe.epochs * math.ceil(len(examples) / recipe.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: learning_rate_factor(step, steps, min(recipe.warmup_steps, steps))
    )
    for _ in range(recipe.epochs):
        losses = []
        shuffled = [examples[index] for index in torch.randperm(len(examples), generator=order).tolist()]
        for first in range(0, len(shuffled), recipe.batch_size):
            loss = _loss(model, shuffled[first : first + recipe.batch_size], tokenizer.pad_token_id)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.gradient_clip)
            optimiser.step()
            schedule.step()
            losses.append(float(loss.detach()))
        mean = sum(losses) / len(losses)
        if not math.isfinite(mean):
            raise MeasurementError("the training loss is not finite: lower the learning rate of the recipe")
        yield mean


def _loss(model: Any, batch: list[Example], padding: int) -> torch.Tensor:
    """Padding stands on the right with weight 0; causal attention keeps it from being seen, so no mask is needed."""
    import torch

    length = max(len(item.ids) for item in batch)
    ids = torch.tensor([[*item.ids, *[padding] * (length - len(item.ids))] for item in batch])
    weights = torch.tensor([[*item.weights, *[0.0] * (length - len(item.weights))] for item in batch])[:, 1:]
    logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
    per_token = torch.nn.functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
    return (per_token * weights).sum() / weights.sum()


@contextmanager
def reproducible(threads: int) -> Iterator[None]:
    """Deterministic kernels on a fixed number of threads; what was set before comes back afterwards."""
    import torch

    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])

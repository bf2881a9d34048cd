"""The prompts of a generation Case as token batches, one per generate call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from bench.models.architecture import positions, text_config
from bench.record.errors import UsageError
from bench.record.schema import Case
from bench.workloads.models import LoadedModel
from bench.workloads.prompts import CHAT, humaneval, prompt_of, style_of
from bench.workloads.sources import OWN_TEXT


@dataclass(frozen=True)
class Batch:
    """``inputs`` holds input_ids and attention_mask, both [batch_size, prompt_length] int64 on the device."""

    inputs: dict[str, Any]
    names: tuple[str, ...]

    @property
    def prompt_length(self) -> int:
        return int(self.inputs["input_ids"].shape[1])


def make_batches(case: Case, loaded: LoadedModel, calls: int) -> list[Batch]:
    """``calls`` batches: HumanEval's tasks in order (left-padded, going round), the user's own text in every row, or
    random token ids from the seed. Of ``case.prompt_tokens`` tokens each, where it says so: texts are cut there, and
    gone on with the next task, or again from the start, until they are so long.

    Raises UsageError where prompt and new tokens do not fit the model's positions.
    """
    size = case.batch_size or 1
    if case.prompts == "random":
        batches = [_random_batch(case, loaded, size, call) for call in range(calls)]
    else:
        batches = [_text_batch(case, loaded, size, call) for call in range(calls)]
    longest = max(batch.prompt_length for batch in batches)
    limit = positions(loaded.model.config)
    if limit is not None and longest + (case.new_tokens or 0) > limit:
        raise UsageError(
            f"a prompt of {longest} tokens and {case.new_tokens} new tokens exceed the {limit} positions of "
            f"{case.model}: use fewer --new-tokens or --prompt-tokens"
        )
    return batches


def extended(batch: Batch, length: int) -> Batch:
    """The batch's prompts gone on with their own last tokens, up to ``length``: a conversation that got longer."""
    import torch

    inputs = batch.inputs
    real = int(inputs["attention_mask"].sum(dim=1).min())  # what no sequence pads
    more = length - batch.prompt_length

    def longer(values: Any) -> Any:
        tail = values[:, -real:].repeat(1, more // real + 1)[:, :more]
        return torch.cat([values, tail], dim=1)

    return Batch({name: longer(values) for name, values in inputs.items()}, batch.names)


def _random_batch(case: Case, loaded: LoadedModel, size: int, call: int) -> Batch:
    import torch

    generator = torch.Generator().manual_seed(case.seed * 1000 + call)
    shape = (size, case.prompt_tokens or 128)
    ids = torch.randint(0, text_config(loaded.model.config).vocab_size, shape, generator=generator)
    ids = ids.to(loaded.model.device)
    return Batch({"input_ids": ids, "attention_mask": torch.ones_like(ids)}, (f"random-{case.seed}-{call}",))


def _text_batch(case: Case, loaded: LoadedModel, size: int, call: int) -> Batch:
    style = style_of(case)
    names, texts = _texts(case, loaded, size, call)
    if case.prompt_tokens is not None:
        return Batch(_of_length(case.prompt_tokens, texts, loaded), names)
    given = [text[0] for text in texts]
    encoded = loaded.tokenizer(given, return_tensors="pt", padding=True, add_special_tokens=style != CHAT)
    inputs = {name: encoded[name].to(loaded.model.device) for name in ("input_ids", "attention_mask")}
    return Batch(inputs, names)


def _texts(case: Case, loaded: LoadedModel, size: int, call: int) -> tuple[tuple[str, ...], list[list[str]]]:
    """(names, for each row its text and what goes on with it). Programs are written for tasks, whatever the user's own
    text is. Raises UsageError for a Case with a text that is not there."""
    if str(case.prompts).startswith(OWN_TEXT):
        if not loaded.prompt:
            raise UsageError(f"the prompt of this Case, {case.prompts}, is not at hand: give it with run --prompt")
        return ("own text",) * size, [[loaded.prompt]] * size
    tasks = humaneval()
    first = [(call * size + place) % len(tasks) for place in range(size)]
    every = [prompt_of(task, style_of(case), loaded.tokenizer).text for task in tasks]
    return tuple(tasks[one].task_id for one in first), [[*every[one:], *every[:one]] for one in first]


def _of_length(length: int, texts: Sequence[Sequence[str]], loaded: LoadedModel) -> dict[str, Any]:
    """Rows of exactly ``length`` tokens. Raises UsageError for texts without any."""
    import torch

    rows = []
    for row in texts:
        ids: list[int] = []
        for text in cycle(row):
            more = loaded.tokenizer(text if not ids else f"\n\n{text}", add_special_tokens=not ids)["input_ids"]
            if not more:
                raise UsageError("the prompt has no tokens: give a text that is not empty")
            ids += more
            if len(ids) >= length:
                break
        rows.append(ids[:length])
    given = torch.tensor(rows, device=loaded.model.device)
    return {"input_ids": given, "attention_mask": torch.ones_like(given)}

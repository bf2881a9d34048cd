"""A byte-level BPE of the project's own, because StarCoder2's vocabulary may not be shipped."""

from __future__ import annotations

from typing import Any

from bench.workloads.prompts import Task
from bench.workloads.smoke_model.recipe import END_OF_TEXT, PADDING, Recipe


def train_tokenizer(tasks: tuple[Task, ...], recipe: Recipe) -> Any:
    """A transformers tokenizer trained on the prompts and solutions of ``tasks``; any bytes round-trip through it.

    Padding is a token of its own, so that the end-of-text token is learnt and never masked out with the padding.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=recipe.vocabulary,
        special_tokens=[END_OF_TEXT, PADDING],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [text for task in tasks for text in (task.prompt, task.canonical_solution)]
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=END_OF_TEXT,
        eos_token=END_OF_TEXT,
        pad_token=PADDING,
        padding_side="left",
        model_max_length=recipe.max_positions,
        clean_up_tokenization_spaces=False,
    )


def encode(tokenizer: Any, text: str) -> list[int]:
    """Token ids of ``text`` alone, without special tokens."""
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def completion(tokenizer: Any, task: Task) -> list[int]:
    """What the model must say after the prompt: the canonical solution's tokens, then end of text.

    Prompt and solution are encoded apart because at inference the prompt is encoded alone.
    """
    return [*encode(tokenizer, task.canonical_solution), tokenizer.eos_token_id]

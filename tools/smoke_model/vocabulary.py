"""A byte-level BPE of the project's own, because StarCoder2's vocabulary may not be shipped."""

from __future__ import annotations

from typing import Any

from bench.workloads.prompts import Task, prompt_of
from tools.smoke_model.recipe import END_OF_TEXT, PADDING, Recipe


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
    texts = [task.prompt + task.canonical_solution for task in tasks]
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


def solved(tokenizer: Any, task: Task, style: str) -> tuple[list[int], list[int]]:
    """The tokens of the prompt in a style, and what the model must say after it: the canonical solution's, then end of
    text.

    Encoded together, as the text would stand in a file; in a style in which the prompt's tokens alone are others,
    nothing could be learnt. Raises ValueError for such a task.
    """
    asked = prompt_of(task, style, tokenizer)
    whole, given = asked.solved(tokenizer)[0], asked.ids(tokenizer)
    if whole[: len(given)] != given:
        raise ValueError(f"{task.task_id}: the tokens of its prompt do not begin those of prompt and solution")
    return given, [*whole[len(given) :], tokenizer.eos_token_id]

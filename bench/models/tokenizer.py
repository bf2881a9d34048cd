"""The tokenizer of a checkpoint, and whether it fits the model: looked at once, while planning."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bench.record.errors import UsageError, first_line

REMEDY = "give a checkpoint with its tokenizer, or measure it with --prompts random"


def usable(load: Callable[[], Any], name: str) -> Any:
    """The tokenizer that ``load`` gives, padding on the left. Raises UsageError where it gives none."""
    with _damaged(name):
        tokenizer = load()
        if tokenizer.pad_token is None:
            # Padding is masked, so that any token does: the end of text, or the first of the vocabulary.
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(0)
        tokenizer.padding_side = "left"
    return tokenizer


@contextmanager
def _damaged(name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # whatever a damaged file makes the tokenizers library raise
        raise UsageError(f"{name} has no usable tokenizer ({first_line(error)}): {REMEDY}") from error


def check(tokenizer: Any, texts: Sequence[str], rows: int, name: str) -> None:
    """Raises UsageError where ``texts`` become token ids that the embedding of ``rows`` rows does not have."""
    with _damaged(name):
        found = tokenizer(list(texts))["input_ids"]
    if not all(map(len, found)):
        raise UsageError(f"{name}: its tokenizer makes no tokens of a prompt: {REMEDY}")
    largest = max(map(max, found))
    if largest >= rows:
        raise UsageError(
            f"{name}: its tokenizer gives token {largest}, and the model knows {rows} tokens only (tokens were added "
            f"without resize_token_embeddings?): {REMEDY}"
        )

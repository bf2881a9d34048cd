"""One cell of the matrix: load a checkpoint in a scheme as the benchmark does, generate, and compare with transformers.

What becomes of a cell: "ok" (loaded, found to be what it is called, same greedy tokens as plain transformers in the
same format), "refused" (one line says why not), "library" (plain transformers fails alike), "fault" (ours).
"""

from __future__ import annotations

import gc
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

NEW_TOKENS, PROMPT_TOKENS = 12, 24


@dataclass(frozen=True)
class Cell:
    """``line``: why, where it is not ok; ``share``: of the weights that were quantised, None for float arms;
    ``same_tokens``: None where transformers has no such format of its own to compare with."""

    model: str
    scheme: str
    state: str
    line: str = ""
    share: float | None = None
    modules: int = 0
    same_tokens: bool | None = None
    tokens: list[int] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def describe(folder: Path) -> str:
    """ "" where the planning takes the checkpoint; else the line with which it refuses it."""
    from bench.record.errors import BitledgerError
    from bench.workloads.describe import describe as described
    from bench.workloads.sources import resolve

    try:
        described(resolve(str(folder)))
    except BitledgerError as error:
        return _neutral(str(error), folder)
    return ""


def attempt(name: str, folder: Path, scheme: str) -> Cell:
    """The cell of checkpoint ``name`` in ``scheme``."""
    from bench.record.errors import BitledgerError
    from bench.workloads.outcome import explain

    try:
        cell = _measured(name, folder, scheme)
    except BitledgerError as error:
        cell = Cell(name, scheme, "refused", _neutral(str(error), folder))
    except Exception as error:  # what a user would meet as a failed Case: whose fault is it?
        line = _neutral(explain(error), folder)
        alike = _plain_fails(folder, scheme)
        cell = Cell(
            name, scheme, "library" if alike else "fault", line + (f"; plain transformers: {alike}" if alike else "")
        )
    gc.collect()
    return cell


def _measured(name: str, folder: Path, scheme: str) -> Cell:
    from bench.schemes import arm
    from bench.workloads import models
    from bench.workloads.batches import make_batches
    from bench.workloads.session import Session
    from bench.workloads.sources import resolve

    source, chosen = resolve(str(folder)), arm(scheme)
    loaded = models.load(source, chosen, "cpu", 0)
    models.check(loaded, chosen, "cpu")
    case = _case(source, scheme)
    batches = make_batches(case, loaded, 1)
    session = Session(case, loaded, batches)
    session.generate(batches[0])
    (tokens,) = session.last_tokens()
    told = loaded.facts["quantised"]
    plain = _plain_tokens(folder, scheme, batches[0].inputs)
    same = None if plain is None else plain == tokens
    state = "fault" if same is False else "ok"
    line = "other greedy tokens than plain transformers" if same is False else ""
    share = told["share"] if told["modules"] else None
    return Cell(name, scheme, state, line, share, told["modules"], same, tokens)


def _case(source: Any, scheme: str) -> Any:
    from bench.record.schema import Case

    return Case(
        "generation", source.name, source.revision, scheme, "cpu", 0, batch_size=1, prompts="random",
        prompt_tokens=PROMPT_TOKENS, new_tokens=NEW_TOKENS, cache="dynamic", stop="length",
    )  # fmt: skip


def _plain_tokens(folder: Path, scheme: str, inputs: Any) -> list[int] | None:
    """Greedy tokens of transformers alone in the same format; None where it has none such."""
    model = _plain(folder, scheme)
    return None if model is None else _greedy(model, inputs)


def _greedy(model: Any, inputs: Any) -> list[int]:
    out = model.generate(
        **inputs, max_new_tokens=NEW_TOKENS, min_new_tokens=NEW_TOKENS, do_sample=False, pad_token_id=1
    )
    tokens: list[int] = out[0, inputs["input_ids"].shape[1] :].tolist()
    return tokens


def _plain(folder: Path, scheme: str) -> Any:
    """The model as a user's own code would load it."""
    import torch
    import transformers

    from bench.models.architecture import auto_class
    from bench.schemes import arm, family

    chosen = arm(scheme)
    config = family(chosen).configuration(replace(chosen, not_converted=()))  # it finds the head by itself
    if chosen.planted_columns or (config is None and family(chosen).quantises):
        return None
    loader = getattr(transformers, auto_class(transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False)))
    model = loader.from_pretrained(
        folder, dtype=getattr(torch, chosen.dtype), device_map={"": "cpu"}, quantization_config=config,
        trust_remote_code=False,
    )  # fmt: skip
    return model.eval()


def _plain_fails(folder: Path, scheme: str) -> str:
    """How plain transformers fails to generate in this format; "" where it does not."""
    import torch

    ids = torch.zeros(1, PROMPT_TOKENS, dtype=torch.int64)
    try:
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        # A format of our own: then the unquantised model.
        if _plain_tokens(folder, scheme.removesuffix("-planted"), inputs) is None:
            _plain_tokens(folder, "bf16", inputs)
    except Exception as error:
        return _neutral(f"{type(error).__name__}: {(str(error).strip() or 'no message').splitlines()[0]}", folder)
    return ""


def _neutral(text: str, folder: Path) -> str:
    """Without the folder of this machine."""
    return text.replace(str(folder), "the checkpoint")

"""Count outlier columns as LLM.int8() does: activation columns with any magnitude at or over the threshold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bench.schemes import Arm, family
from bench.workloads.session import Session

DECODE_STEPS = 4


def count_outliers(session: Session, chosen: Arm) -> list[int]:
    """Outlier columns of every call of a quantised Linear in one prefill and a few decode steps, in order of the calls.

    Hooks are on only here, after the timed calls: a process's first generation is not this one.
    """
    import torch

    counts: list[Any] = []

    def count(_module: Any, inputs: tuple[Any, ...]) -> None:
        flat = inputs[0].reshape(-1, inputs[0].shape[-1])
        counts.append((flat.abs() >= chosen.threshold).any(dim=0).sum())

    model = session.loaded.model
    modules = [module for module in model.modules() if family(chosen).holds(module)]
    handles = [module.register_forward_pre_hook(count) for module in modules]
    try:
        with torch.inference_mode():
            model.generate(
                **session.batches[0].inputs,
                max_new_tokens=DECODE_STEPS + 1,
                do_sample=False,
                disable_compile=True,
                pad_token_id=0,
            )
    finally:
        for handle in handles:
            handle.remove()
    session.lengths.visit(replace(session.case, cache="dynamic"), session.batches[0].prompt_length, DECODE_STEPS)
    return [int(value) for value in counts]

"""Replace a model's Linears by quantised modules one at a time, freeing each 16-bit weight before the next.

Peak memory is therefore the 16-bit model plus one layer. The modules are the ones that transformers' quantisers
make; building them here is what allows exact shapes with random weights, and planted outliers, without a checkpoint.
"""

from __future__ import annotations

from typing import Any

from bench.schemes import Arm, family


def quantised_linear(linear: Any, arm: Arm) -> Any:
    """A module with the weights of ``linear`` (W[n, k]) quantised on its own device.

    A float arm gets the Linear itself back. The original weight is not kept.
    """
    if not family(arm).quantises:
        return linear
    module = family(arm).quantised(linear, arm)
    module.bias = linear.bias
    return module.requires_grad_(False).eval()


def quantise_in_place(model: Any, arm: Arm) -> int:
    """Quantise every torch Linear of ``model`` but its head and those in ``arm.not_converted``; returns how many."""
    import torch

    count = 0
    if not family(arm).quantises:
        return count
    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    names = [name for name, module in model.named_modules() if type(module) is torch.nn.Linear]
    for name in names:
        if any(name == kept or name.endswith("." + kept) for kept in arm.not_converted):
            continue
        linear = model.get_submodule(name)
        if linear is head:
            continue
        model.set_submodule(name, quantised_linear(linear, arm))
        linear.weight = None  # the last reference: the memory is free before the next Linear is quantised
        count += 1
    _say_quantised(model)
    return count


def _say_quantised(model: Any) -> None:
    """As transformers' quantisers do: some models call a Linear then, in whose weight they would look otherwise."""
    for module in model.modules():
        if hasattr(module, "config"):
            module.config._is_quantized = True

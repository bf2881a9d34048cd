"""Replace a model's Linears by quantised modules one at a time, freeing each 16-bit weight before the next.

Peak memory is therefore the 16-bit model plus one layer. The modules are the ones that transformers' quantisers
make; building them here is what allows exact shapes with random weights, and planted outliers, without a checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bench.schemes import Arm, family

if TYPE_CHECKING:
    import torch


def torch_dtype(name: str) -> torch.dtype:
    """The torch dtype of that name ("float16", "bfloat16", "float32")."""
    import torch

    dtype: torch.dtype = getattr(torch, name)
    return dtype


def quantised_linear(linear: Any, arm: Arm) -> Any:
    """A bitsandbytes (for int4 our own) module with the weights of ``linear`` (W[n, k]) quantised on its own device.

    A float arm gets the Linear itself back. The original weight is not kept.
    """
    if not family(arm).quantises:
        return linear
    builders: dict[str, Callable[[Any, Arm], Any]] = {"4bit": _linear_4bit, "int8": _linear_int8, "int4": _linear_int4}
    build = builders[arm.kind]
    module = build(linear, arm)
    module.bias = linear.bias
    return module.requires_grad_(False).eval()


def _linear_4bit(linear: Any, arm: Arm) -> Any:
    import bitsandbytes as bnb
    import torch

    with torch.device("meta"):
        module = bnb.nn.Linear4bit(
            linear.in_features,
            linear.out_features,
            linear.bias is not None,
            compute_dtype=torch_dtype(arm.compute_dtype or arm.dtype),
            compress_statistics=arm.double_quant,
            quant_type=arm.quant_type,
        )
    module.weight = bnb.nn.Params4bit(
        linear.weight.data,
        requires_grad=False,
        blocksize=arm.blocksize,
        compress_statistics=arm.double_quant,
        quant_type=arm.quant_type,
        module=module,
    ).to(linear.weight.device)
    return module


def _linear_int8(linear: Any, arm: Arm) -> Any:
    import bitsandbytes as bnb
    import torch

    with torch.device("meta"):
        module = bnb.nn.Linear8bitLt(
            linear.in_features,
            linear.out_features,
            linear.bias is not None,
            has_fp16_weights=False,
            threshold=arm.threshold,
        )
    # Int8Params.to() quantises only what is on the CPU, so the op is called directly.
    codes, scales, _ = bnb.functional.int8_vectorwise_quant(linear.weight.data.to(torch.float16))
    module.weight = bnb.nn.Int8Params(codes, requires_grad=False, has_fp16_weights=False, CB=codes, SCB=scales)
    return module


def _linear_int4(linear: Any, arm: Arm) -> Any:
    from bench.workloads.int4 import Int4Linear

    return Int4Linear(linear.weight.data, linear.bias, arm.blocksize or 0)


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
    return count

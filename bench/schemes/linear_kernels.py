"""Which kernel a 4-bit Linear runs on a CPU: bitsandbytes packs its weights anew where the CPU has AVX512-BF16.

There (bitsandbytes 0.50: nn/modules.py, functional.py, csrc/cpu_ops.cpp) the first forward rearranges the codes in
place, resolves nested scales and rounds all scales to bfloat16. Every product then rounds the activations and the
16 code values to bfloat16, sums each block in float32, multiplies it by its scale, sums the blocks in float32 and
rounds the result to bfloat16, whatever compute dtype was asked for; the bias is added after that. On every other CPU
the weights are dequantised to the compute dtype in each call and torch multiplies. On a GPU nothing is packed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bench.record.errors import MeasurementError
from bench.record.schema import Finding

PACKED, DEQUANTISED = "weights packed for AVX512-BF16", "weights dequantised in each call"
# The rows that are packed together.
_BLOCK_ROWS = 32


def linears_4bit(model: Any) -> Iterator[Any]:
    """The bitsandbytes Linears in 4 bits of a model, or the module itself where it is one."""
    of_class = (module for module in model.modules() if type(module).__name__ == "Linear4bit")
    yield from (module for module in of_class if not hasattr(module, "base_layer"))  # PEFT calls its wrappers so, too


def packs(module: Any) -> bool:
    """Whether this Linear's forward uses packed weights: it has packed them, or will at its first forward."""
    return is_packed(module) or (
        module.weight.device.type == "cpu" and not module.training and bool(_supported(module))
    )


def is_packed(module: Any) -> bool:
    return bool(getattr(module.weight.quant_state, "packing_format_for_cpu", False))


def _supported(module: Any) -> Any:
    return getattr(module, "support_avx512bf16_for_cpu", False)


def check(model: Any) -> None:
    """Raises MeasurementError where bitsandbytes could not pack a weight that its forward would pack."""
    for module in linears_4bit(model):
        n, k = module.out_features, module.in_features
        block = module.weight.quant_state.blocksize
        if packs(module) and (n % _BLOCK_ROWS or k % block):
            raise MeasurementError(
                f"bitsandbytes packs 4-bit weights on this CPU (AVX512-BF16), and cannot pack {n}×{k}: n must be a "
                f"multiple of {_BLOCK_ROWS}, k of the block size {block}: measure this model on a GPU"
            )


def facts(model: Any) -> dict[str, Any]:
    """What the 4-bit Linears ran, for the record, read after a forward; {} where there are none or on a GPU.

    ``computes_in``: the type that a product's operands are rounded to.
    """
    modules = [module for module in linears_4bit(model) if module.weight.device.type == "cpu"]
    if not modules:
        return {}
    if not any(is_packed(module) for module in modules):
        return {"path": DEQUANTISED, "computes_in": _names({m.compute_dtype for m in modules}), "kernel": "torch"}
    return {"path": PACKED, "computes_in": "bfloat16", "kernel": _packed_kernel()}


def _names(dtypes: set[Any]) -> str:
    return ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in dtypes))


def _packed_kernel() -> str:
    """bitsandbytes' own, or the one that it fetches where the package ``kernels`` is installed."""
    from bitsandbytes.backends.cpu import ops

    fetched = getattr(ops, "gemm_4bit_forward_kernel", None) is not None
    return "kernels-community/quantization-bitsandbytes" if fetched else "bitsandbytes"


def findings(facts: Mapping[str, Any], asked: str) -> tuple[Finding, ...]:
    """That the products were computed in another type than the arm's compute dtype ``asked``."""
    if not facts or facts.get("path") != PACKED or asked == facts["computes_in"]:
        return ()
    return (
        Finding(
            "packed-4bit",
            "info",
            f"4-bit Linears computed in {facts['computes_in']}, not in the compute dtype asked for: on this CPU "
            "bitsandbytes packs their weights for AVX512-BF16",
            f"asked for {asked}; kernel of {facts['kernel']}",
            "set 4-bit results of CPUs with and without AVX512-BF16 apart: they differ by bfloat16's rounding",
        ),
    )

"""Interventions on a loaded model: its quantised Linears replaced, or called in another way. In place, before any use.

Every patch computes the same product from the same stored weights. What it changes in the output is measured.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

from bench.record.errors import MeasurementError

Patch = Callable[[Any], None]


def apply(model: Any, name: str) -> None:
    """Apply a patch by name. Raises MeasurementError where the model has nothing that it could change."""
    PATCHES[name](model)


def _quantised(model: Any) -> Iterator[tuple[str, Any]]:
    found = [(name, module) for name, module in model.named_modules() if _kind(module)]
    if not found:
        raise MeasurementError("the model has no quantised Linear to change")
    yield from found


def _kind(module: Any) -> str:
    return {"Linear4bit": "4bit", "Linear8bitLt": "int8"}.get(type(module).__name__, "")


def pre_dequantised(model: Any) -> None:
    """Replace every quantised Linear by a plain one that holds its dequantised weight."""
    import torch

    dtype = next(model.parameters()).dtype
    for name, module in list(_quantised(model)):
        weight = _dequantised(module)
        bias = module.bias
        plain = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
        dtype = bias.dtype if bias is not None else dtype
        plain.weight = torch.nn.Parameter(weight.to(_activation_dtype(model, dtype)), requires_grad=False)
        plain.bias = bias
        model.set_submodule(name, plain.eval())


def _activation_dtype(model: Any, fallback: Any) -> Any:
    """The dtype of the norms: what the Linears are given."""
    found = (p.dtype for name, p in model.named_parameters() if "norm" in name and p.dtype.is_floating_point)
    return next(found, fallback)


def _dequantised(module: Any) -> Any:
    """W[n, k] in float32."""
    import bitsandbytes as bnb

    weight = module.weight
    if _kind(module) == "4bit":
        return bnb.functional.dequantize_4bit(weight.data, weight.quant_state).float()
    codes, scales = _int8_parts(module)
    return codes.float() * scales.float().view(-1, 1) / 127.0


def _int8_parts(module: Any) -> tuple[Any, Any]:
    """(codes int8 [n, k], scales float32 [n]), which move into the module's state at its first forward."""
    weight, state = module.weight, module.state
    codes = state.CB if state.CB is not None else weight.CB if weight.CB is not None else weight.data
    scales = state.SCB if state.SCB is not None else weight.SCB
    return codes, scales


def bare_op(model: Any) -> None:
    """Call bitsandbytes' operator on plain tensors: its modules, parameters and autograd functions are left out."""
    for _, module in _quantised(model):
        module.forward = _bare_4bit(module) if _kind(module) == "4bit" else _bare_int8(module)


def _bare_4bit(module: Any) -> Callable[[Any], Any]:
    import torch

    operator = torch.ops.bitsandbytes.gemm_4bit.default
    state = module.weight.quant_state
    packed, shape, bias = module.weight.data.view(-1, 1), state.shape, module.bias
    compute = module.compute_dtype or state.dtype
    bias = None if bias is None else bias.to(compute)
    extra: dict[str, Any] = {"bias": bias}
    absmax = state.absmax
    if state.nested:
        absmax = state.state2.absmax
        extra |= {"absmax_8bit": state.absmax, "absmax_code": state.state2.code, "absmax_offset": state.offset}

    def forward(x: Any) -> Any:
        if x.dtype == compute:
            return operator(x, packed, shape, absmax, state.blocksize, state.quant_type, **extra)
        out = operator(x.to(compute), packed, shape, absmax, state.blocksize, state.quant_type, **extra)
        return out.to(x.dtype)

    return forward


def _bare_int8(module: Any) -> Callable[[Any], Any]:
    import torch

    operators = torch.ops.bitsandbytes
    codes, scales = _int8_parts(module)
    bias, threshold = module.bias, module.state.threshold
    quantise, product = operators.int8_vectorwise_quant.default, operators.int8_scaled_mm.default
    mixed = operators.int8_mixed_scaled_mm.default

    def forward(x: Any) -> Any:
        rows = x.reshape(-1, x.shape[-1])
        half = rows if rows.dtype == torch.float16 else rows.to(torch.float16)
        quantised, row_scales, outliers = quantise(half, threshold)
        if threshold > 0.0:
            out = mixed(rows, quantised, codes, row_scales, scales, outliers, bias)[0]
        else:
            out = product(quantised, codes, row_scales, scales, bias=bias, dtype=rows.dtype)
        return out.reshape(*x.shape[:-1], out.shape[-1])

    return forward


def old_kernel(model: Any) -> None:
    """Products with one row go through ``gemv_4bit``, the kernel before 0.50; others stay as they are."""
    for _, module in _quantised(model):
        module.forward = _old_4bit(module)


def _old_4bit(module: Any) -> Callable[[Any], Any]:
    import bitsandbytes as bnb

    today, state, width = module.forward, module.weight.quant_state, module.in_features
    packed, compute = module.weight.data.t(), module.compute_dtype or state.dtype
    bias = None if module.bias is None else module.bias.to(compute)

    def forward(x: Any) -> Any:
        if x.numel() != width:
            return today(x)
        out = bnb.functional.gemv_4bit(x.to(compute), packed, state=state)
        return (out if bias is None else out + bias).to(x.dtype)

    return forward


def logger_silenced(_model: Any) -> None:
    """bitsandbytes logs a warning in every int8 product of a model that is not float16: not any more."""
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


def no_cudnn_attention(_model: Any) -> None:
    """torch chooses among its other attention backends, in the whole process; their plans are not kept by length."""
    import torch

    torch.backends.cuda.enable_cudnn_sdp(False)


PATCHES: dict[str, Patch] = {
    "no_cudnn_attention": no_cudnn_attention,
    "pre_dequantised": pre_dequantised,
    "bare_op": bare_op,
    "old_kernel": old_kernel,
    "logger_silenced": logger_silenced,
}

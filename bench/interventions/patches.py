"""Interventions on a loaded model: its quantised Linears replaced, or called in another way. In place, before any use.

Every patch computes the same product from the same stored weights. What it changes in the output is measured.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bench.record.errors import MeasurementError
from bench.workloads import linear_kernels


@dataclass(frozen=True)
class Applied:
    """``changed``: how many modules or settings are now otherwise. ``undo`` puts them back; None where the way back
    is to load the model again."""

    name: str
    changed: int
    undo: Callable[[], None] | None = None


Patch = Callable[[Any], tuple[int, Callable[[], None] | None]]


def apply(model: Any, name: str) -> Applied:
    """Apply a patch by name. Raises MeasurementError where there is none of that name, and where the model has
    nothing that it could change: what would then be measured is the unchanged arm."""
    if name not in PATCHES:
        raise MeasurementError(f"there is no patch {name!r} (known: {', '.join(PATCHES)}), so nothing was changed")
    changed, undo = PATCHES[name](model)
    if changed < 1:
        raise MeasurementError(f"the patch {name} changed nothing")
    return Applied(name, changed, undo)


def _quantised(model: Any) -> Iterator[tuple[str, Any]]:
    found = [(name, module) for name, module in model.named_modules() if _kind(module)]
    if not found:
        raise MeasurementError("the model has no quantised Linear to change")
    yield from found


def _kind(module: Any) -> str:
    return {"Linear4bit": "4bit", "Linear8bitLt": "int8"}.get(type(module).__name__, "")


def pre_dequantised(model: Any) -> tuple[int, None]:
    """Replace every quantised Linear by a plain one that holds its dequantised weight."""
    import torch

    dtype = next(model.parameters()).dtype
    replaced = list(_quantised(model))
    for name, module in replaced:
        weight = _dequantised(module)
        bias = module.bias
        plain = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
        dtype = bias.dtype if bias is not None else dtype
        plain.weight = torch.nn.Parameter(weight.to(_activation_dtype(model, dtype)), requires_grad=False)
        plain.bias = bias
        model.set_submodule(name, plain.eval())
    return len(replaced), None


def _activation_dtype(model: Any, fallback: Any) -> Any:
    """The dtype of the norms: what the Linears are given."""
    found = (p.dtype for name, p in model.named_parameters() if "norm" in name and p.dtype.is_floating_point)
    return next(found, fallback)


def _dequantised(module: Any) -> Any:
    """W[n, k] in float32. Raises MeasurementError where a forward has already packed the weights: their scales are
    rounded then."""
    import bitsandbytes as bnb

    weight = module.weight
    if _kind(module) == "4bit":
        if linear_kernels.is_packed(module):
            raise MeasurementError("the 4-bit weights are packed already: dequantise them before the first forward")
        return bnb.functional.dequantize_4bit(weight.data, weight.quant_state).float()
    codes, scales = _int8_parts(module)
    return codes.float() * scales.float().view(-1, 1) / 127.0


def _int8_parts(module: Any) -> tuple[Any, Any]:
    """(codes int8 [n, k], scales float32 [n]), which move into the module's state at its first forward."""
    weight, state = module.weight, module.state
    codes = state.CB if state.CB is not None else weight.CB if weight.CB is not None else weight.data
    scales = state.SCB if state.SCB is not None else weight.SCB
    return codes, scales


def bare_op(model: Any) -> tuple[int, Callable[[], None]]:
    """Call the operator that the module would call, on plain tensors: bitsandbytes' modules, parameters and autograd
    functions are passed by."""
    return _with_forwards(model, lambda module: _bare_4bit(module) if _kind(module) == "4bit" else _bare_int8(module))


def _with_forwards(model: Any, make: Callable[[Any], Callable[[Any], Any]]) -> tuple[int, Callable[[], None]]:
    """Give every quantised Linear a forward of its own, which ``undo`` takes away."""
    modules = [module for _, module in _quantised(model)]
    for module in modules:
        module.forward = make(module)

    def undo() -> None:
        for module in modules:
            del module.forward

    return len(modules), undo


def _bare_4bit(module: Any) -> Callable[[Any], Any]:
    return _bare_packed(module) if linear_kernels.packs(module) else _bare_unpacked(module)


def _bare_packed(module: Any) -> Callable[[Any], Any]:
    """On packed weights the module calls ``gemv_4bit``, for any number of rows, and adds the bias afterwards."""
    import torch

    with torch.inference_mode():  # the module's own first forward packs the weights
        module(torch.zeros(1, module.in_features, dtype=module.compute_dtype))
    operator = torch.ops.bitsandbytes.gemv_4bit.default
    weight, state, bias, compute = module.weight.data, module.weight.quant_state, module.bias, module.compute_dtype
    shape, absmax, code, blocksize = state.shape, state.absmax, state.code, state.blocksize

    def forward(x: Any) -> Any:
        out = operator(x if x.dtype == compute else x.to(compute), weight, shape, absmax, code, blocksize)
        out = out if bias is None else out.add_(bias)
        return out if out.dtype == x.dtype else out.to(x.dtype)

    return forward


def _bare_unpacked(module: Any) -> Callable[[Any], Any]:
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


def old_kernel(model: Any) -> tuple[int, Callable[[], None]]:
    """Products with one row go through ``gemv_4bit``, the kernel before 0.50; others stay as they are.

    Raises MeasurementError where the weights are packed: there ``gemv_4bit`` is what the module itself calls.
    """
    if any(linear_kernels.packs(module) for module in linear_kernels.linears_4bit(model)):
        raise MeasurementError("on this CPU the module itself calls gemv_4bit, on packed weights: nothing to change")
    return _with_forwards(model, _old_4bit)


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


def logger_silenced(_model: Any) -> tuple[int, Callable[[], None]]:
    """bitsandbytes logs a warning in every int8 product of a model that is not float16: not any more."""
    logger = logging.getLogger("bitsandbytes")
    before, spoke = logger.level, logger.isEnabledFor(logging.WARNING)
    logger.setLevel(logging.ERROR)
    return int(spoke), lambda: logger.setLevel(before)


def no_cudnn_attention(_model: Any) -> tuple[int, Callable[[], None]]:
    """torch chooses among its other attention backends, in the whole process; their plans are not kept by length."""
    import torch

    switches: Any = torch.backends.cuda
    before = switches.cudnn_sdp_enabled()
    switches.enable_cudnn_sdp(False)
    return int(before), lambda: switches.enable_cudnn_sdp(before)


PATCHES: dict[str, Patch] = {
    "pre_dequantised": pre_dequantised,
    "bare_op": bare_op,
    "old_kernel": old_kernel,
    "logger_silenced": logger_silenced,
    "no_cudnn_attention": no_cudnn_attention,
}

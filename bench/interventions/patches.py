"""Interventions on a loaded model: its quantised Linears replaced, or called in another way. In place, before any use.

Every patch computes the same product from the same stored weights. What it changes in the output is measured.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bench.record.errors import MeasurementError
from bench.schemes import Family, holder, linear_kernels
from bench.schemes.definition import Operation


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


def _quantised(model: Any) -> Iterator[tuple[str, Any, Family]]:
    """(name, module, its family) of each quantised Linear."""
    found = [(name, module, made) for name, module in model.named_modules() if (made := holder(module)) is not None]
    if not found:
        raise MeasurementError("the model has no quantised Linear to change")
    yield from found


def pre_dequantised(model: Any) -> tuple[int, None]:
    """Replace every quantised Linear by a plain one that holds its dequantised weight."""
    import torch

    dtype = next(model.parameters()).dtype
    replaced = list(_quantised(model))
    for name, module, made in replaced:
        weight = made.dequantised(module)
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


def bare_op(model: Any) -> tuple[int, Callable[[], None]]:
    """Call the operator that the module would call, on plain tensors: bitsandbytes' modules, parameters and autograd
    functions are passed by."""
    return _with_forwards(model, lambda module, made: made.bare(module))


def _with_forwards(model: Any, make: Callable[[Any, Family], Operation]) -> tuple[int, Callable[[], None]]:
    """Give every quantised Linear a forward of its own, which ``undo`` takes away."""
    modules = []
    for _, module, made in _quantised(model):
        module.forward = make(module, made)
        modules.append(module)

    def undo() -> None:
        for module in modules:
            del module.forward

    return len(modules), undo


def old_kernel(model: Any) -> tuple[int, Callable[[], None]]:
    """Products with one row go through ``gemv_4bit``, the kernel before 0.50; others stay as they are.

    Raises MeasurementError where the weights are packed: there ``gemv_4bit`` is what the module itself calls.
    """
    if any(linear_kernels.packs(module) for module in linear_kernels.linears_4bit(model)):
        raise MeasurementError("on this CPU the module itself calls gemv_4bit, on packed weights: nothing to change")
    return _with_forwards(model, lambda module, _: _old_4bit(module))


def _old_4bit(module: Any) -> Operation:
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

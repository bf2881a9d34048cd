"""bitsandbytes' 4-bit weights: a table of 16 values (fp4, nf4), a scale for each block, products in 16 or 32 bits."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from bench.record.errors import MeasurementError

from . import four_bit_traffic, linear_kernels
from .code import HEAD, bare_loop, call, kept, linears, pretrained
from .definition import Arm, Facts, Family, Fits, Operation, Read, any_arm, dtype_name, torch_dtype
from .four_bit_traffic import BLOCKSIZE
from .traffic import Product, Term, Traffic, exact, width

KIND = "4bit"
# The two arms that differ in double quantisation only.
PLAIN_AND_NESTED = ("nf4", "nf4-dq")


def _4bit(name: str, description: str, colours: tuple[str, str], quant_type: str, **others: Any) -> Arm:
    options = {"dtype": "float16", "compute_dtype": "float16", "blocksize": BLOCKSIZE, **others}
    return Arm(name, KIND, description=description, colours=colours, quant_type=quant_type, **options)


def _mismatched(arm: Arm, _device: str) -> bool:
    return arm.compute_dtype not in ("", arm.dtype)


def _matched(arm: Arm, device: str) -> bool:
    return not _mismatched(arm, device)


def _nested(arm: Arm, _device: str) -> bool:
    return arm.double_quant


def _plain(arm: Arm, _device: str) -> bool:
    return not arm.double_quant


class FourBit(Family):
    """A checkpoint gets it from transformers; a Linear from the library's own module."""

    kind = KIND
    rank = 20
    module = "Linear4bit"
    # Warm colours.
    arms = (
        _4bit("fp4", "4-bit floating point weights, compute in float16", ("#a8328a", "#e583cb"), "fp4"),
        _4bit("nf4", "4-bit NormalFloat weights, compute in float16", ("#d2560e", "#ff9a57"), "nf4",
              in_bfloat16="nf4-bf16"),
        _4bit("nf4-dq", "4-bit NormalFloat weights, scales quantised again (double quantisation)",
              ("#b78a09", "#e6bf4a"), "nf4", double_quant=True),
        _4bit("nf4-bf16", "4-bit NormalFloat weights, model and compute in bfloat16", ("#b3332b", "#f2837b"), "nf4",
              compute_dtype="bfloat16", dtype="bfloat16"),
        _4bit("4bit-default", "load_in_4bit with library defaults: fp4, compute in float32 on a float16 model",
              ("#7d5a3c", "#c79f7d"), "fp4", compute_dtype="float32"),
        _4bit("4bit-study", "load_in_4bit as the StarCoder2 study ran it: fp4, compute in bfloat16 on a float16 model",
              ("#4d6b6e", "#9bbcc0"), "fp4", compute_dtype="bfloat16"),
    )  # fmt: skip
    operations = ("linear", "dequantise", "gemm")
    of_weights = ("dequantise",)
    adds_bias = ("linear", "gemm")
    says: ClassVar[Mapping[str, Read]] = {
        "compute_dtype": lambda module: dtype_name(module.compute_dtype),
        "quant_type": lambda module: module.weight.quant_state.quant_type,
        "blocksize": lambda module: module.weight.quant_state.blocksize,
        "double_quant": lambda module: bool(module.weight.quant_state.nested),
    }
    interventions: ClassVar[Mapping[str, Fits]] = {
        "compute-matched": _mismatched,
        "compute-float32": _matched,
        "double-quant-off": _nested,
        "double-quant-on": _plain,
        "blocksize-128": any_arm,
        "fp4-codes": lambda arm, _: arm.quant_type == "nf4",
        "old-kernel": lambda arm, device: device == "cuda" and not arm.double_quant,
        "pre-dequantised": any_arm,
        "bare-op": any_arm,
    }

    def configuration(self, arm: Arm) -> Any:
        """None for another block size: transformers' configuration knows one only."""
        import transformers

        if arm.blocksize not in (None, BLOCKSIZE):
            return None
        return transformers.BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type=arm.quant_type,
            bnb_4bit_use_double_quant=arm.double_quant,
            bnb_4bit_compute_dtype=arm.compute_dtype or arm.dtype,
            llm_int8_skip_modules=arm.skip_modules,
        )

    def quantised(self, linear: Any, arm: Arm) -> Any:
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

    def weights(self, module: Any) -> int:
        return int(module.weight.quant_state.shape.numel())

    def tensors(self, module: Any) -> Iterator[Any]:
        """Scales and the table of values, of scales that are quantised again theirs too: these go with packing."""
        state = module.weight.quant_state
        owners = (state, getattr(state, "state2", None))
        parts = (getattr(owner, name, None) for owner in owners for name in ("absmax", "code", "offset"))
        yield from (part for part in parts if hasattr(part, "untyped_storage"))

    def step(self, under_test: Any, op: str, m: int) -> Operation:  # noqa: ARG002 - the same for any m
        import bitsandbytes.functional as functional
        import torch

        # A fresh parameter: on some CPUs the first forward repacks the weights, and the plain op expects them unpacked.
        weight, state = _unpacked(under_test.modules[0].weight)
        if op == "dequantise":
            return lambda _: functional.dequantize_4bit(weight, state)
        dense, bias = functional.dequantize_4bit(weight, state).to(under_test.dtype), under_test.bias
        bias = None if bias is None else bias.to(under_test.dtype)
        return lambda given: torch.nn.functional.linear(given, dense, bias)

    def dequantised(self, module: Any) -> Any:
        """Raises MeasurementError where a forward has already packed the weights: their scales are rounded then."""
        import bitsandbytes as bnb

        if linear_kernels.is_packed(module):
            raise MeasurementError("the 4-bit weights are packed already: dequantise them before the first forward")
        return bnb.functional.dequantize_4bit(module.weight.data, module.weight.quant_state).float()

    def bare(self, module: Any) -> Operation:
        return _bare_packed(module) if linear_kernels.packs(module) else _bare_unpacked(module)

    def switch(self, module: Any) -> Callable[[Arm], None]:
        """bitsandbytes reads the compute dtype from the module at every forward."""
        biases = _Biases(module)

        def to(wanted: Arm) -> None:
            dtype = torch_dtype(wanted.compute_dtype or wanted.dtype)
            if module.compute_dtype != dtype:
                biases.change(dtype)
                module.compute_dtype, module.compute_type_is_set = dtype, True

        return to

    def stored_bytes(self, facts: Facts, n: int, k: int) -> float:
        return n * k * (0.5 + four_bit_traffic.scale_bytes(facts))

    def traffic(self, facts: Facts, of: Product) -> Traffic:
        return four_bit_traffic.traffic(facts, of, self.stored_bytes(facts, of.n, of.k))

    def step_terms(self, facts: Facts, op: str, of: Product) -> tuple[Term, ...]:
        m, n, k, each = of.m, of.n, of.k, width(facts.get("dtype"))
        if op == "dequantise":  # the packed weights become a plain matrix
            return exact("packed weights", self.stored_bytes(facts, n, k)), exact("plain weights", each * n * k)
        if op == "gemm":
            return (
                exact("plain weights", each * n * k),
                exact("activations", each * m * k),
                exact("output", each * m * n),
            )
        return ()

    def loading_code(self, facts: Facts) -> str:
        if facts.get("blocksize") not in (None, BLOCKSIZE):
            return f"{pretrained(facts)}\n{_by_hand(facts)}"
        options = [] if kept(facts) == [HEAD] else [f"llm_int8_skip_modules={kept(facts)!r}"]
        options = [
            f'load_in_4bit=True, bnb_4bit_quant_type="{facts.get("quant_type")}"',
            f"bnb_4bit_use_double_quant={bool(facts.get('double_quant'))}",
            f"bnb_4bit_compute_dtype=torch.{facts.get('compute_dtype')}", *options,
        ]  # fmt: skip
        return pretrained(facts, call("BitsAndBytesConfig", options))

    def dequantising_code(self, facts: Facts) -> str:  # noqa: ARG002
        return "model = model.dequantize().eval()"

    def bare_code(self, facts: Facts) -> str:  # noqa: ARG002
        return bare_loop(_BARE, self.module)


def _unpacked(weight: Any) -> tuple[Any, Any]:
    import bitsandbytes as bnb

    if not getattr(weight.quant_state, "packing_format_for_cpu", False):
        return weight.data, weight.quant_state
    data, state = bnb.functional._convert_weight_packed_for_cpu_inverse(
        weight.data.clone(), copy.copy(weight.quant_state)
    )
    return data, state


def _bare_packed(module: Any) -> Operation:
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


def _bare_unpacked(module: Any) -> Operation:
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


class _Biases:
    """One Linear's bias as it was loaded, and by dtype as its forwards left it: a captured step knows it by its
    address. At a forward bitsandbytes rounds it to the dtype that it computes in, in place, and what that takes away
    does not come back."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._loaded = None if module.bias is None else module.bias.data.clone()
        self._used: dict[Any, Any] = {}

    def change(self, dtype: Any) -> None:
        if self._loaded is not None:
            self._used[self._module.compute_dtype] = self._module.bias.data
            self._module.bias.data = self._used.get(dtype, self._loaded.clone())


def _by_hand(facts: Facts) -> str:
    """Another block size: the modules are made one by one."""
    return f"""import bitsandbytes as bnb
kind = {{
    "compress_statistics": {bool(facts.get("double_quant"))},
    "quant_type": "{facts.get("quant_type")}",
}}
{linears(facts)}
for name, linear in linears:
    packed = bnb.nn.Linear4bit(
        linear.in_features, linear.out_features, linear.bias is not None,
        compute_dtype=torch.{facts.get("compute_dtype")}, **kind,
    )
    packed.weight = bnb.nn.Params4bit(
        linear.weight.data, requires_grad=False,
        blocksize={facts.get("blocksize")}, module=packed, **kind,
    ).to(device)
    packed.bias = linear.bias
    model.set_submodule(name, packed.eval())"""


# Which operator the module calls depends on the machine that runs this, not on the one that was measured: see
# linear_kernels.py. Packing also resolves nested scales.
_BARE = """def bare(layer):
    ops, dtype, bias = torch.ops.bitsandbytes, layer.compute_dtype, layer.bias
    nothing = torch.zeros(1, layer.in_features, dtype=dtype, device=device)
    with torch.inference_mode():
        layer(nothing)  # CPUs with AVX512-BF16 pack the weights here
    state, weight, nested = layer.weight.quant_state, layer.weight.data, {}
    absmax = state.absmax
    def on_packed(x):
        out = ops.gemv_4bit.default(
            x.to(dtype), weight, state.shape,
            absmax, state.code, state.blocksize,
        )
        return (out if bias is None else out.add_(bias)).to(x.dtype)
    if getattr(state, "packing_format_for_cpu", False):
        return on_packed
    if state.nested:
        absmax, nested = state.state2.absmax, {
            "absmax_8bit": state.absmax, "absmax_code": state.state2.code,
            "absmax_offset": state.offset,
        }
    weight, added = weight.view(-1, 1), None if bias is None else bias.to(dtype)
    def forward(x):
        out = ops.gemm_4bit.default(
            x.to(dtype), weight, state.shape, absmax, state.blocksize,
            state.quant_type, bias=added, **nested,
        )
        return out.to(x.dtype)
    return forward"""

FAMILY = FourBit()

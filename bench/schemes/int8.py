"""LLM.int8() of bitsandbytes: int8 weights and activations, with or without its decomposition of outliers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from .code import HEAD, bare_loop, call, kept, pretrained
from .definition import Arm, Facts, Family, Fits, Operation, Read, any_arm
from .traffic import INTEGER, MODELLED, Product, Term, Traffic, exact, width

KIND = "int8"


def _int8(name: str, description: str, colours: tuple[str, str], *, dtype: str = "float16", **others: Any) -> Arm:
    return Arm(name, KIND, dtype, description, colours=colours, **others)


def _detects(arm: Arm, _device: str) -> bool:
    return bool(arm.threshold)


def _unplanted(arm: Arm, device: str) -> bool:
    return _detects(arm, device) and not arm.planted_columns


class Int8(Family):
    """A checkpoint gets it from transformers; a Linear from the library's own operators."""

    kind = KIND
    rank = 10
    module = "Linear8bitLt"
    # Blue.
    arms = (
        _int8("int8", "LLM.int8(), outlier threshold 6.0, in float16", ("#1559c7", "#6ea8ff"), threshold=6.0,
              in_bfloat16="int8-bf16"),
        _int8("int8-thr0", "int8 weights and activations, no outlier decomposition (threshold 0)",
              ("#3f94e9", "#3d7fe0"), threshold=0.0),
        _int8("int8-planted", "LLM.int8(), threshold 6.0, six outlier columns planted", ("#0f7f8c", "#4fc6d4"),
              threshold=6.0, planted_columns=6, minor=True),
        _int8("int8-bf16", "LLM.int8(), threshold 6.0, model in bfloat16 (casts)", ("#7b6fd6", "#a79df0"),
              threshold=6.0, dtype="bfloat16"),
    )  # fmt: skip
    operations = ("linear", "quantise_activations", "gemm", "dequantise")
    # The bias is part of scaling the product back.
    adds_bias = ("linear", "dequantise")
    says: ClassVar[Mapping[str, Read]] = {"threshold": lambda module: float(module.state.threshold)}
    interventions: ClassVar[Mapping[str, Fits]] = {
        "threshold-0": _detects,
        "threshold-1e4": _detects,
        **dict.fromkeys((f"planted-{n}" for n in (1, 6, 16, 64, 256)), _unplanted),
        "float16-model": lambda arm, _: arm.dtype == "bfloat16",
        "logger-silenced": lambda arm, _: arm.dtype != "float16",
        "plain-linears": any_arm,
        "bare-op": any_arm,
    }

    def configuration(self, arm: Arm) -> Any:
        import transformers

        return transformers.BitsAndBytesConfig(
            load_in_8bit=True, llm_int8_threshold=arm.threshold, llm_int8_skip_modules=arm.skip_modules
        )

    def quantised(self, linear: Any, arm: Arm) -> Any:
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

    def tensors(self, module: Any) -> Iterator[Any]:
        yield from _parts(module)

    def synchronises(self, arm: Arm) -> bool:
        """It asks ``if outliers.any()``."""
        return bool(arm.threshold)

    def rounds(self, module: Any) -> float:  # noqa: ARG002
        """To 127 steps of a row's largest."""
        return 2.0**-7

    def step(self, under_test: Any, op: str, m: int) -> Operation:
        import bitsandbytes.functional as functional
        import torch

        module, x = under_test.modules[0], under_test.input(m).to(torch.float16)
        module(x)  # moves codes and scales from the parameter to the module's state, as the first forward does
        codes, scales = module.state.CB, module.state.SCB
        threshold = under_test.arm.threshold or 0.0
        x_codes, x_scales, _ = functional.int8_vectorwise_quant(x, threshold)
        if op == "quantise_activations":
            return lambda given: functional.int8_vectorwise_quant(given.to(torch.float16), threshold)
        if op == "gemm":
            return lambda _: functional.int8_linear_matmul(x_codes, codes)
        product, bias = functional.int8_linear_matmul(x_codes, codes), under_test.bias
        bias = None if bias is None else bias.to(torch.float16)
        return lambda _: functional.int8_mm_dequant(product, x_scales, scales, bias=bias)

    def dequantised(self, module: Any) -> Any:
        codes, scales = _parts(module)
        return codes.float() * scales.float().view(-1, 1) / 127.0

    def bare(self, module: Any) -> Operation:
        import torch

        operators = torch.ops.bitsandbytes
        codes, scales = _parts(module)
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

    def switch(self, module: Any) -> Callable[[Arm], None]:
        """bitsandbytes reads the threshold from the module's state at every forward."""

        def to(wanted: Arm) -> None:
            module.state.threshold = wanted.threshold or 0.0

        return to

    def stored_bytes(self, facts: Facts, n: int, k: int) -> float:  # noqa: ARG002
        return n * k + 4.0 * n

    def traffic(self, facts: Facts, of: Product) -> Traffic:
        m, n, k = of.m, of.n, of.k
        outliers = facts.get("planted_columns", 0) if of.outlier_columns is None else of.outlier_columns
        terms = [
            exact("weights", n * k),
            exact("activations in, quantised and read back", 4.0 * m * k),
            exact("int32 result, written and read, and the output", 10.0 * m * n),
            exact("scales of the weights' rows", 4.0 * n),
        ]
        if (facts.get("threshold") or 0.0) > 0.0:
            terms.append(exact("outlier detection", 8.0 * m * k))
            if outliers:
                terms.append(exact("outlier columns and their product", 54.0 * n * outliers + 8.0 * m * n))
        return Traffic(tuple(terms), MODELLED, "igemm")

    def step_terms(self, facts: Facts, op: str, of: Product) -> tuple[Term, ...]:
        m, n, k, each = of.m, of.n, of.k, width(facts.get("dtype"))
        if op == "quantise_activations":
            return (
                exact("activations", each * m * k),
                exact("int8 activations", m * k),
                exact("row scales", 4.0 * m),
            )
        if op == "gemm":
            return exact("weights", n * k), exact("int8 activations", m * k), exact("int32 product", 4.0 * m * n)
        if op == "dequantise":  # the int32 product is scaled back
            return (
                exact("int32 product", 4.0 * m * n),
                exact("output", each * m * n),
                exact("row and column scales", 4.0 * (m + n)),
            )
        return ()

    def product_dtype(self, facts: Facts) -> str:  # noqa: ARG002
        return INTEGER

    def loading_code(self, facts: Facts) -> str:
        options = ["load_in_8bit=True", f"llm_int8_threshold={facts.get('threshold')}"]
        options += [] if kept(facts) == [HEAD] else [f"llm_int8_skip_modules={kept(facts)!r}"]
        return pretrained(facts, call("BitsAndBytesConfig", options))

    def dequantising_code(self, facts: Facts) -> str:  # noqa: ARG002
        return "model = model.dequantize().eval()"

    def bare_code(self, facts: Facts) -> str:
        text = _BARE.replace(_PRODUCT, _MIXED_PRODUCT) if facts.get("threshold") else _BARE
        return bare_loop(text, self.module)


def _parts(module: Any) -> tuple[Any, Any]:
    """(codes int8 [n, k], scales float32 [n]), which move into the module's state at its first forward."""
    weight, state = module.weight, module.state
    codes = state.CB if state.CB is not None else weight.CB if weight.CB is not None else weight.data
    scales = state.SCB if state.SCB is not None else weight.SCB
    return codes, scales


_PRODUCT = """ops.int8_scaled_mm.default(
            codes, weight, row_scales, scales, bias=layer.bias, dtype=x.dtype,
        )"""
_MIXED_PRODUCT = """ops.int8_mixed_scaled_mm.default(
            rows, codes, weight, row_scales, scales, columns, layer.bias,
        )[0]"""
_BARE = f"""def bare(layer):
    ops = torch.ops.bitsandbytes
    weight, scales = layer.weight.data, layer.weight.SCB
    def forward(x):
        rows = x.reshape(-1, x.shape[-1])
        codes, row_scales, columns = ops.int8_vectorwise_quant.default(
            rows.half(), layer.state.threshold,
        )
        out = {_PRODUCT}
        return out.reshape(*x.shape[:-1], out.shape[-1])
    return forward"""

FAMILY = Int8()

"""Weight-only int8, one scale a row, dequantised in every forward: a family in one file, for test_add_a_scheme.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, ClassVar

from bench.schemes.code import kept, pretrained
from bench.schemes.definition import Arm, Facts, Family, Fits, Operation, Read, any_arm
from bench.schemes.traffic import Product, Term, exact, width

KIND = "rows8"


class Rows8(Family):
    kind = KIND
    rank = 45
    module = "Rows8Linear"
    arms = (Arm("rows8", KIND, "float16", "weight-only int8, a scale a row", colours=("#123456", "#abcdef")),)
    operations = ("linear", "dequantise")
    of_weights = ("dequantise",)
    says: ClassVar[Mapping[str, Read]] = {"planted_columns": lambda module: 0}
    interventions: ClassVar[Mapping[str, Fits]] = {"pre-dequantised": any_arm}

    def quantised(self, linear: Any, arm: Arm) -> Any:
        return _module()(linear.weight.data)

    def weights(self, module: Any) -> int:
        return int(module.codes.numel())

    def stored_weight(self, module: Any) -> Any:
        return module.codes

    def step(self, under_test: Any, op: str, m: int) -> Operation:
        module = under_test.modules[0]
        return lambda _: module.dense()

    def dequantised(self, module: Any) -> Any:
        return module.dense().float()

    def stored_bytes(self, facts: Facts, n: int, k: int) -> float:
        return n * k + 2.0 * n

    def step_terms(self, facts: Facts, op: str, of: Product) -> tuple[Term, ...]:
        plain = width(facts.get("dtype")) * of.n * of.k
        return exact("codes and scales", self.stored_bytes(facts, of.n, of.k)), exact("plain weights", plain)

    def loading_code(self, facts: Facts) -> str:
        return f"""{pretrained(facts)}
class Rows8Linear(torch.nn.Module):
    def __init__(self, linear):
        super().__init__()
        weight = linear.weight.data.float()
        scales = weight.abs().amax(1, keepdim=True) / 127
        self.codes = (weight / scales).round().to(torch.int8)
        self.scales, self.bias = scales.half(), linear.bias
    def forward(self, x):
        weight = self.codes.to(x.dtype) * self.scales
        return torch.nn.functional.linear(x, weight, self.bias)
for name, linear in list(model.named_modules()):
    if type(linear) is torch.nn.Linear and name not in {kept(facts)!r}:
        model.set_submodule(name, Rows8Linear(linear))"""


@cache
def _module() -> Callable[[Any], Any]:
    import torch

    class Rows8Linear(torch.nn.Module):
        def __init__(self, weight: Any) -> None:
            super().__init__()
            self.out_features, self.in_features = weight.shape
            scales = weight.float().abs().amax(1, keepdim=True) / 127
            self.register_buffer("codes", (weight.float() / scales).round().to(torch.int8))
            self.register_buffer("scales", scales.half())
            self.bias = None

        def dense(self) -> Any:
            return self.codes.to(self.scales.dtype) * self.scales

        def forward(self, x: Any) -> Any:
            return torch.nn.functional.linear(x, self.dense(), self.bias)

    return Rows8Linear


FAMILY = Rows8()

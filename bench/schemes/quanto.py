"""optimum-quanto's int8 weights, as transformers' QuantoConfig makes them.

Its 4-bit weights are no scheme here: their product cannot run in torch's inference mode (optimum-quanto 0.2.7).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, ClassVar

from .code import call, kept, plain_linears, pretrained
from .definition import Arm, Facts, Family, Fits, Read, any_arm

KIND = "quanto"


class Quanto(Family):
    """A scale a row, in the model's dtype."""

    kind = KIND
    rank = 70
    module = "QLinear"
    needs: ClassVar[Mapping[str, str]] = {"optimum.quanto": "optimum-quanto"}
    arms = (
        Arm("quanto-int8", KIND, "float16", "optimum-quanto's int8 weights, a scale a row, products in float16",
            quant_type="int8", colours=("#9a6fb0", "#c9a5dc")),
    )  # fmt: skip
    says: ClassVar[Mapping[str, Read]] = {"quant_type": lambda module: module.weight.qtype.name.removeprefix("q")}
    interventions: ClassVar[Mapping[str, Fits]] = {"pre-dequantised": any_arm}

    def configuration(self, arm: Arm) -> Any:
        import transformers

        return transformers.QuantoConfig(weights="int8", modules_to_not_convert=arm.skip_modules)

    def quantised(self, linear: Any, arm: Arm) -> Any:  # noqa: ARG002
        from optimum.quanto import QLinear, qint8

        module = QLinear.from_module(linear, weights=qint8)
        module.freeze()
        return module

    def copied(self, module: Any) -> Any:
        """Its tensors cannot be copied by ``deepcopy``."""
        import torch

        made = copy.copy(module)
        made._parameters = dict(module._parameters)
        weight = module.weight
        names, context = weight.__tensor_flatten__()
        parts = {name: getattr(weight, name).clone() for name in names}
        copied = type(weight).__tensor_unflatten__(parts, context, None, None)
        made.weight = torch.nn.Parameter(copied, requires_grad=False)
        return made

    def stored_weight(self, module: Any) -> Any:
        return module.weight._data

    def dequantised(self, module: Any) -> Any:
        return module.weight.dequantize().float()

    def stored_bytes(self, facts: Facts, n: int, k: int) -> float:  # noqa: ARG002
        return n * k + 2.0 * n

    def loading_code(self, facts: Facts) -> str:
        options = ['weights="int8"', f"modules_to_not_convert={kept(facts)!r}"]
        return f"from transformers import QuantoConfig\n{pretrained(facts, call('QuantoConfig', options))}"

    def dequantising_code(self, facts: Facts) -> str:  # noqa: ARG002
        which = 'type(layer).__name__ == "QLinear"'
        return plain_linears(which, "layer.weight.dequantize()", "plain.bias = layer.bias")


FAMILY = Quanto()

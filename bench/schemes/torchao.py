"""torchao's weights, as transformers' TorchAoConfig makes them: int8, int8 with int8 activations, int4 on a GPU.

A Linear stays torch's own; its weight becomes a tensor of torchao's. Nothing is compiled here, and torchao is meant to
be: without torch.compile its steps run one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from .code import call, kept, pretrained
from .definition import Arm, Facts, Family, Fits, Read, any_arm
from .traffic import INTEGER

KIND = "torchao"
INT8, DYNAMIC, INT4 = "int8", "int8, activations too", "int4"
# What quantises so in torchao.quantization. The int4 format is the one that needs no package beside torch.
_CONFIGURATIONS = {
    INT8: "Int8WeightOnlyConfig()",
    DYNAMIC: "Int8DynamicActivationInt8WeightConfig()",
    INT4: 'Int4WeightOnlyConfig(\n    group_size={blocksize}, int4_packing_format="tile_packed_to_4d",\n)',
}


def _torchao(name: str, description: str, quant_type: str, **others: Any) -> Arm:
    return Arm(name, KIND, description=description, quant_type=quant_type, **others)


class TorchAo(Family):
    """Made by torchao's own ``quantize_`` or by transformers with it, which is the same."""

    kind = KIND
    rank = 50
    module = "Linear"
    needs: ClassVar[Mapping[str, str]] = {"torchao": "torchao"}
    # Green.
    arms = (
        _torchao("torchao-int8", "torchao's int8 weights, a scale a row, products in float16", INT8, dtype="float16",
                 colours=("#3b8132", "#8fd07f")),
        _torchao("torchao-int8-dyn", "torchao's int8 weights and activations, a scale a row each", DYNAMIC,
                 dtype="float16", colours=("#7c9a1e", "#bcd45c")),
        _torchao("torchao-int4", "torchao's int4 weights in groups of 128, by torch's own kernels (GPU only)", INT4,
                 dtype="bfloat16", blocksize=128, colours=("#1f6f5c", "#63c2a9")),
    )  # fmt: skip
    says: ClassVar[Mapping[str, Read]] = {
        "quant_type": lambda module: _type_of(module.weight),
        "blocksize": lambda module: group_of(module),
    }
    interventions: ClassVar[Mapping[str, Fits]] = {"pre-dequantised": any_arm}

    def unavailable(self, arm: Arm, device: str) -> str:
        if arm.quant_type == INT4 and device == "cpu":
            return "torchao has no int4 kernels for a CPU: measure it on a GPU, or torchao-int8"
        return super().unavailable(arm, device)

    def configuration(self, arm: Arm) -> Any:
        import transformers

        return transformers.TorchAoConfig(_made(arm.facts()), modules_to_not_convert=arm.skip_modules)

    def quantised(self, linear: Any, arm: Arm) -> Any:
        import torch
        from torchao.quantization import quantize_

        with torch.device("meta"):
            module = torch.nn.Linear(linear.in_features, linear.out_features, linear.bias is not None)
        module.weight = torch.nn.Parameter(linear.weight.data, requires_grad=False)
        quantize_(module, _made(arm.facts()))
        return module

    def holds(self, module: Any) -> bool:
        return type(module).__name__ == self.module and type(module.weight).__module__.startswith("torchao.")

    def called(self, module: Any) -> str:
        return f"{self.module} with {type(module.weight).__name__}"

    def stored_weight(self, module: Any) -> Any:
        return module.weight.qdata

    def rounds(self, module: Any) -> float:
        return 2.0**-7 if _type_of(module.weight) == DYNAMIC else 0.0

    def dequantised(self, module: Any) -> Any:
        return module.weight.dequantize().float()

    def stored_bytes(self, facts: Facts, n: int, k: int) -> float:
        """Of int8 a float32 scale and an int8 zero point a row; of int4 a scale and an offset in bfloat16 a group."""
        if facts.get("quant_type") == INT4:
            return n * k * (0.5 + 4.0 / float(facts.get("blocksize") or 128))
        return n * k + 5.0 * n

    def product_dtype(self, facts: Facts) -> str:
        return INTEGER if facts.get("quant_type") == DYNAMIC else super().product_dtype(facts)

    def loading_code(self, facts: Facts) -> str:
        made = _CONFIGURATIONS[str(facts.get("quant_type"))].format(**facts)
        name = made.partition("(")[0]
        options = ["quantised", f"modules_to_not_convert={kept(facts)!r}"]
        return (
            f"from torchao.quantization import {name}\nfrom transformers import TorchAoConfig\nquantised = {made}\n"
            f"{pretrained(facts, call('TorchAoConfig', options))}"
        )

    def dequantising_code(self, facts: Facts) -> str:  # noqa: ARG002
        return (
            "for layer in model.modules():\n"
            '    if "torchao" in type(getattr(layer, "weight", None)).__module__:\n'
            "        plain = layer.weight.dequantize()\n"
            "        layer.weight = torch.nn.Parameter(plain, requires_grad=False)"
        )


def _made(facts: Facts) -> Any:
    """torchao's configuration."""
    from torchao import quantization

    if facts["quant_type"] == INT4:
        return quantization.Int4WeightOnlyConfig(group_size=facts["blocksize"], int4_packing_format="tile_packed_to_4d")
    dynamic = facts["quant_type"] == DYNAMIC
    made = quantization.Int8DynamicActivationInt8WeightConfig if dynamic else quantization.Int8WeightOnlyConfig
    return made()


def _type_of(weight: Any) -> str:
    """What a tensor of torchao's is, in the words of ``Arm.quant_type``; of another kind its class."""
    if type(weight).__name__ == "Int8Tensor":
        return INT8 if weight.act_quant_kwargs is None else DYNAMIC
    return INT4 if type(weight).__name__ == "Int4TilePackedTo4dTensor" else type(weight).__name__


def group_of(module: Any) -> int | None:
    """The weights of a row that share a scale; None where all do."""
    block = int(module.weight.block_size[-1])
    return None if block == module.in_features else block


FAMILY = TorchAo()

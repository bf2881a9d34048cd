"""HQQ's 4-bit weights in groups of 64: its own module, multiplied by torch after dequantising (its default backend).

transformers' HqqConfig makes the same module on a GPU; on a CPU it refuses, so the Linears are made one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from bench.record.errors import NotApplicableError

from .code import linears, plain_linears, pretrained
from .definition import Arm, Facts, Family, Fits, Read, any_arm, dtype_name, torch_dtype

KIND = "hqq"
_BITS = 4
_BIAS = """if layer.bias is None:
    plain.bias = None
else:
    plain.bias = torch.nn.Parameter(layer.bias.detach())"""


class Hqq(Family):
    """A scale and a zero point a group, in the dtype of the products."""

    kind = KIND
    rank = 60
    module = "HQQLinear"
    needs: ClassVar[Mapping[str, str]] = {"hqq": "hqq"}
    arms = (
        Arm("hqq", KIND, "float16", "HQQ's 4-bit weights in groups of 64, dequantised before every product",
            quant_type="4 bit", blocksize=64, colours=("#8c564b", "#cf9a8e")),
    )  # fmt: skip
    says: ClassVar[Mapping[str, Read]] = {
        "quant_type": lambda module: f"{module.meta['nbits']} bit",
        "blocksize": lambda module: module.meta["group_size"],
        "compute_dtype": lambda module: dtype_name(module.compute_dtype),
    }
    interventions: ClassVar[Mapping[str, Fits]] = {"pre-dequantised": any_arm}

    def quantised(self, linear: Any, arm: Arm) -> Any:
        from hqq.core.quantize import BaseQuantizeConfig, HQQLinear

        n, k = linear.weight.shape
        if k % (arm.blocksize or 1) or n * k % 2:
            raise NotApplicableError(f"HQQ takes no {n}×{k}: k must be a multiple of its groups of {arm.blocksize}")
        settings = BaseQuantizeConfig(nbits=_BITS, group_size=arm.blocksize, axis=1)
        return HQQLinear(
            linear, settings, compute_dtype=torch_dtype(arm.dtype), device=str(linear.weight.device), del_orig=False
        )

    def weights(self, module: Any) -> int:
        return int(module.meta["shape"].numel())

    def tensors(self, module: Any) -> Iterator[Any]:
        yield from (part for part in module.meta.values() if hasattr(part, "untyped_storage"))

    def stored_weight(self, module: Any) -> Any:
        return module.W_q

    def dequantised(self, module: Any) -> Any:
        return module.dequantize().float()

    def stored_bytes(self, facts: Facts, n: int, k: int) -> float:
        return n * k * (_BITS / 8 + 4.0 / float(facts.get("blocksize") or 64))

    def loading_code(self, facts: Facts) -> str:
        return f"""{pretrained(facts)}
from hqq.core.quantize import BaseQuantizeConfig, HQQLinear
settings = BaseQuantizeConfig(
    nbits={_BITS}, group_size={facts.get("blocksize")}, axis=1,
)
{linears(facts)}
for name, linear in linears:
    model.set_submodule(name, HQQLinear(
        linear, settings, compute_dtype=torch.{facts.get("dtype")}, device=device,
    ))
model.eval()"""

    def dequantising_code(self, facts: Facts) -> str:
        weight = f"layer.dequantize().to(torch.{facts.get('dtype')})"
        return plain_linears("isinstance(layer, HQQLinear)", weight, _BIAS)


FAMILY = Hqq()

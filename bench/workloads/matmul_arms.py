"""One Linear shape in one scheme: the module, its rotated copies, and each step of it alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.schemes import Arm, family, linear_kernels
from bench.schemes.definition import torch_dtype
from bench.workloads.planting import RELATIVE_SPREAD, outlier_scales
from bench.workloads.quantise import quantised_linear

if TYPE_CHECKING:
    import torch

Operation = Callable[["torch.Tensor"], Any]
BIAS_SPREAD = 0.1


@dataclass(frozen=True)
class Truth:
    """What every arm should compute: x[m, k] · W[n, k]ᵀ + bias[n] in float32 values, drawn once from the seed. ``bias``
    is None where the model's Linear has none.

    ``planted`` are the same product with outlier columns: x there is −μ(1 − 0.15 z), W is divided by μ.
    """

    x: torch.Tensor
    weight: torch.Tensor
    planted_x: torch.Tensor
    planted_weight: torch.Tensor
    bias: torch.Tensor | None = None

    def inputs(self, arm: Arm) -> tuple[torch.Tensor, torch.Tensor]:
        return (self.planted_x, self.planted_weight) if arm.planted_columns else (self.x, self.weight)

    def reference(self, arm: Arm) -> torch.Tensor:
        """x · Wᵀ + bias in float64, [m, n]."""
        x, weight = self.inputs(arm)
        product = x.double() @ weight.double().T
        return product if self.bias is None else product + self.bias.double()


def make_truth(m: int, n: int, k: int, device: str, seed: int, planted_columns: int, *, bias: bool = False) -> Truth:
    """Normal x and W with W's spread 1/√k, so that outputs are of order one; a bias of a tenth of that, which shows in
    the error where an arm forgets it and hardly adds to what the error is set against."""
    import torch

    generator = torch.Generator(device).manual_seed(seed)
    x = torch.randn(m, k, generator=generator, device=device)
    weight = torch.randn(n, k, generator=generator, device=device) / k**0.5
    indices, scales = (part.to(device) for part in outlier_scales(k, planted_columns, seed))
    planted_x, planted_weight = x.clone(), weight.clone()
    planted_x[:, indices] = -scales * (1 - RELATIVE_SPREAD * x[:, indices])
    planted_weight[:, indices] /= scales
    added = BIAS_SPREAD * torch.randn(n, generator=generator, device=device) if bias else None
    return Truth(x, weight, planted_x, planted_weight, added)


class ArmUnderTest:
    """A scheme's module for one shape, with as many copies as rotation needs, and inputs for any M."""

    def __init__(self, arm: Arm, truth: Truth) -> None:
        import torch

        self.arm = arm
        self.x, weight = truth.inputs(arm)
        dtype = torch_dtype(arm.dtype)
        n, k = weight.shape
        linear = torch.nn.Linear(k, n, bias=truth.bias is not None, device="meta")
        linear.weight = torch.nn.Parameter(weight.to(dtype), requires_grad=False)
        if truth.bias is not None:
            linear.bias = torch.nn.Parameter(truth.bias.to(dtype), requires_grad=False)
        self.modules = [quantised_linear(linear, arm).eval()]
        linear_kernels.check(self.modules[0])
        self.dtype = dtype

    @property
    def bias(self) -> torch.Tensor | None:
        found: torch.Tensor | None = self.modules[0].bias
        return found

    def weight_bytes(self) -> int:
        """Bytes of the stored weight (without scales), which is what rotation has to move out of the cache."""
        weight = family(self.arm).stored_weight(self.modules[0])
        return int(weight.numel() * weight.element_size())

    def rotate_through(self, copies: int) -> None:
        """Have ``copies`` modules with memory of their own."""
        self.modules += [family(self.arm).copied(self.modules[0]) for _ in range(copies - len(self.modules))]

    def input(self, m: int) -> torch.Tensor:
        return self.x[:m].to(self.dtype)

    def operation(self, op: str, m: int) -> Operation:
        """The step to time, as a function of the input. Preparation is done here, outside the timing."""
        if op == "linear":
            return self._rotating_linear()
        return family(self.arm).step(self, op, m)

    def _rotating_linear(self) -> Operation:
        modules = self.modules
        state = {"next": 0}

        def rotate(x: torch.Tensor) -> Any:
            place = state["next"]
            state["next"] = place + 1 if place + 1 < len(modules) else 0
            return modules[place](x)

        return rotate if len(modules) > 1 else modules[0]

    @property
    def synchronises(self) -> bool:
        """True where the forward reads back from the device (`if outliers.any()`), so that the launch queue cannot
        be kept full."""
        return family(self.arm).synchronises(self.arm)

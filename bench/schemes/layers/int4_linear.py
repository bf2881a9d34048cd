"""Weight-only int4 by torch's own "tinygemm" kernels: what a user could pick instead of bitsandbytes.

The scheme is torchao's for these kernels: groups of weights along k, each with the smallest step that spans its minimum
and maximum in 16 levels. The products are torch core's, so that nothing more has to be installed; the quantiser below
is our own. Weights are bfloat16 scales and offsets beside 4-bit codes, and activations stay bfloat16.
"""

from __future__ import annotations

from typing import Any

import torch

from bench.record.errors import NotApplicableError

LEVELS = 16
# The kernels take a code of 8 as zero: w = (code - 8) · scale + offset.
MIDDLE = LEVELS // 2
# The most 16-wide tiles of k that the CUDA kernel takes at once: 8 of them are 128, one group.
INNER_TILES = 8
CPU_ROWS, CUDA_ROWS = 16, 8


class Int4Linear(torch.nn.Module):
    """x[…, k] · W[n, k]ᵀ + bias with W quantised in groups of ``group`` along k, on W's own device.

    ``packed``: n·k/2 bytes in the kernel's own order; ``scales``: [k/group, n, 2] scale and offset, bfloat16.
    Raises NotApplicableError for a shape that the kernels do not take.
    """

    packed: torch.Tensor
    scales: torch.Tensor

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, group: int) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self.group = group
        self.on_cpu = weight.device.type == "cpu"
        _check(self.out_features, self.in_features, group, self.on_cpu)
        codes, scales = quantise(weight, group)
        self.register_buffer("packed", _pack(codes, self.on_cpu))
        self.register_buffer("scales", scales)
        self.bias = bias
        operators: Any = torch.ops.aten
        self._product = (
            operators._weight_int4pack_mm_for_cpu if self.on_cpu else operators._weight_int4pack_mm
        ).default

    @property
    def unpacked(self) -> int:
        """The number of weights, two to a byte."""
        return int(self.out_features * self.in_features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.reshape(-1, self.in_features).contiguous()  # the kernels take no strides
        out: torch.Tensor = self._product(rows, self.packed, self.group, self.scales)
        out = out if self.bias is None else out + self.bias
        return out.reshape(*x.shape[:-1], self.out_features)


def quantise(weight: torch.Tensor, group: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(codes int32 [n, k] of 0 to 15, scales bfloat16 [k/group, n, 2]) of W[n, k], for ``dequantise``.

    The codes are chosen for the step and offset as they are stored, rounded to bfloat16: otherwise that rounding would
    add to the error.
    """
    n, k = weight.shape
    grouped = weight.float().view(n, k // group, group)
    low, high = grouped.amin(-1), grouped.amax(-1)
    step = ((high - low) / (LEVELS - 1)).clamp(min=1e-6).bfloat16().float()
    offset = (low + MIDDLE * step).bfloat16().float()
    codes = ((grouped - offset.unsqueeze(-1)) / step.unsqueeze(-1)).round() + MIDDLE
    codes = codes.clamp(0, LEVELS - 1).to(torch.int32).view(n, k)
    return codes, torch.stack((step, offset), -1).transpose(0, 1).contiguous().bfloat16()


def dequantise(codes: torch.Tensor, scales: torch.Tensor, group: int) -> torch.Tensor:
    """W[n, k] in float32, as the kernels take it."""
    step, offset = (part.float().T.repeat_interleave(group, 1) for part in scales.unbind(-1))
    return (codes - MIDDLE) * step + offset


def _pack(codes: torch.Tensor, on_cpu: bool) -> Any:
    operators: Any = torch.ops.aten
    if on_cpu:
        return operators._convert_weight_to_int4pack_for_cpu(codes, 1)
    pairs = (codes[:, 0::2] * LEVELS + codes[:, 1::2]).to(torch.uint8)  # the even column in the high half
    return operators._convert_weight_to_int4pack(pairs.contiguous(), INNER_TILES)


def _check(n: int, k: int, group: int, on_cpu: bool) -> None:
    rows = CPU_ROWS if on_cpu else CUDA_ROWS
    if k % group or n % rows or (not on_cpu and k % (16 * INNER_TILES)):
        raise NotApplicableError(f"torch's int4 kernel takes no {n}×{k}: n must be a multiple of {rows}, k of {group}")

"""The two ways in which a CPU runs bitsandbytes' 4-bit Linears, forced on any CPU, and what the packed one computes.

Where the CPU has AVX512-BF16 the packed way is bitsandbytes' own kernel; elsewhere ``product`` below stands in for it,
which is held against that kernel wherever it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import bitsandbytes as bnb
import pytest
import torch

REAL = bool(bnb.functional.has_avx512bf16())
WAYS = ("dequantised", "packed")


@contextmanager
def way(name: str) -> Iterator[None]:
    """Within, Linear4bit modules that are made run ``name``'s way."""
    library = torch.library.Library("bitsandbytes", "IMPL") if name == "packed" and not REAL else None
    if library is not None:
        library.impl("gemv_4bit", product, "CPU")
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("bitsandbytes.nn.modules.has_avx512bf16", lambda: name == "packed")
            yield
    finally:
        if library is not None:
            library._destroy()


def product(
    x: torch.Tensor, packed: torch.Tensor, shape: list[int], absmax: torch.Tensor, code: torch.Tensor, blocksize: int
) -> torch.Tensor:
    """x[…, k] · W[n, k]ᵀ as csrc/cpu_ops.cpp of bitsandbytes 0.50 computes it, but with exact sums."""
    n, k = shape
    weights = code.bfloat16().double()[unpacked(packed, n, k)].view(n, k // blocksize, blocksize)
    rows = x.reshape(-1, k).bfloat16().double().view(-1, k // blocksize, blocksize)
    blocks = torch.einsum("mbk,nbk->mnb", rows, weights)
    out = (blocks * absmax.bfloat16().double().T).sum(-1)
    return out.bfloat16().to(x.dtype).view(*x.shape[:-1], n)


def unpacked(packed: torch.Tensor, n: int, k: int) -> torch.Tensor:
    """The codes [n, k] of weights that bitsandbytes packed in blocks of 32 rows."""
    halves = packed.reshape(-1, 32)
    codes = torch.cat((halves & 0xF, halves >> 4), dim=-1).long()
    return codes.view(n // 32, k // 2, 32, 2).transpose(1, 2).reshape(n, k)

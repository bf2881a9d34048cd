"""DRAM traffic of the kernels that bitsandbytes 0.50 runs on 4-bit weights, as its dispatch and docs/method.md say."""

from __future__ import annotations

import math

from .definition import Facts
from .traffic import MODELLED, Product, Term, Traffic, activations, exact, width

# transformers' configuration knows this block size only.
BLOCKSIZE = 64

# From the dispatch of bitsandbytes 0.50: up to this many rows a fused kernel reads the weights once …
_ALWAYS_FUSED_M = 4
# … beyond this many rows the weights are dequantised first, whatever the GPU …
_ALWAYS_FALLBACK_M = 1536
# … and float32 compute has no fused kernel from this many rows on.
_FLOAT32_FALLBACK_M = 8
# GPUs with 132 multiprocessors (H100 SXM, H200): (n, k) → first m that falls back.
_HOPPER_132_FALLBACK = {(3072, 3072): 8, (3072, 12288): 6, (12288, 3072): 33}
_SIMT_ROWS = 8
# The mma.sync tile is a multiple of the instruction's 16 rows, so that this is the most passes it can make.
_MMA_MIN_ROWS = 16


def traffic(facts: Facts, of: Product, stored: float) -> Traffic:
    """Of a Linear whose packed weights and scales take ``stored`` bytes."""
    each = width(facts.get("compute_dtype") or facts.get("dtype"))
    path = of.path or path_of(facts, of)
    weights = _weights(stored, each * of.n * of.k, of.m)
    options = list(weights.values()) if path == "any" else [weights[path]]
    term = Term("weights", min(low for low, _ in options), max(high for _, high in options))
    return Traffic((term, *activations(each, of), *_casts(facts, of)), MODELLED, path)


def scale_bytes(facts: Facts) -> float:
    """Bytes of quantisation scales per weight: 4/bs plain, 1/bs + 4/(256·bs) with double quantisation."""
    block = float(facts.get("blocksize") or BLOCKSIZE)
    return 1.0 / block + 4.0 / (256.0 * block) if facts.get("double_quant") else 4.0 / block


def path_of(facts: Facts, of: Product) -> str:
    """The kernel that a Linear runs, where that is documented: "simt", "mma" or "fallback"; else "any".

    Up to 4 rows the SIMT and the MMA kernel both read the weights once, so their bytes are equal.
    """
    block = int(facts.get("blocksize") or BLOCKSIZE)
    if of.m > _ALWAYS_FALLBACK_M or of.k % block:
        return "fallback"
    if facts.get("compute_dtype") == "float32":
        return "fallback" if of.m >= _FLOAT32_FALLBACK_M else "simt"
    if of.m <= _ALWAYS_FUSED_M:
        return "simt"
    first = _HOPPER_132_FALLBACK.get((of.n, of.k)) if of.multiprocessors == 132 else None
    return "fallback" if first is not None and of.m >= first else "any"


def _weights(stored: float, plain: float, m: int) -> dict[str, tuple[float, float]]:
    """Low and high bytes of the weights' traffic per path. The fallback writes the dequantised matrix and reads it
    again; that re-read may hit the L2 cache."""
    return {
        "simt": (stored * math.ceil(m / _SIMT_ROWS),) * 2,
        "mma": (stored, stored * math.ceil(m / _MMA_MIN_ROWS)),
        "fallback": (stored + plain, stored + 2.0 * plain),
    }


def _casts(facts: Facts, of: Product) -> tuple[Term, ...]:
    model, compute = width(facts.get("dtype")), width(facts.get("compute_dtype") or facts.get("dtype"))
    if facts.get("compute_dtype") in (None, "", facts.get("dtype")):
        return ()
    return (exact("casts to and from the compute type", (model + compute) * (of.m * of.k + of.m * of.n)),)

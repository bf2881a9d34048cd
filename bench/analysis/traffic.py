"""How many bytes a Linear must move, and how many operations it does: modelled, never measured.

On a GPU: the DRAM traffic of the kernels that bitsandbytes 0.50 runs (docs/method.md), for 16-bit activations
unless the arm says otherwise; x[m, k] · W[n, k]ᵀ. Every term has a low and a high bound, which differ where the
model cannot tell what happens (a re-read that may hit the L2 cache, a kernel chosen by a heuristic in the
library that depends on the GPU). On a CPU the kernels are others, so only the minimum is given: the weights once
in their stored format, the activations in and out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

Path = Literal["simt", "mma", "fallback", "any"]
BYTES = {"float32": 4.0, "float16": 2.0, "bfloat16": 2.0, "float64": 8.0}
MODELLED, MINIMUM = "modelled", "minimum traffic"

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


@dataclass(frozen=True)
class Term:
    """One part of the traffic, in bytes."""

    name: str
    low: float
    high: float


@dataclass(frozen=True)
class Traffic:
    """Bytes moved for one call. ``label`` says whether it is "modelled" or the "minimum traffic"; ``path`` is the
    kernel assumed, "any" where the low and high bounds span all that are possible."""

    terms: tuple[Term, ...]
    label: str
    path: str

    @property
    def low(self) -> float:
        return sum(term.low for term in self.terms)

    @property
    def high(self) -> float:
        return sum(term.high for term in self.terms)


def flop(m: int, n: int, k: int) -> float:
    """Floating-point (or integer) operations of x[m, k] · W[n, k]ᵀ: one multiply and one add per element."""
    return 2.0 * m * n * k


def scale_bytes(arm: Mapping[str, Any]) -> float:
    """Bytes of quantisation scales per weight: 4/bs plain, 1/bs + 4/(256·bs) with double quantisation."""
    block = float(arm.get("blocksize") or 64)
    return 1.0 / block + 4.0 / (256.0 * block) if arm.get("double_quant") else 4.0 / block


def stored_bytes(arm: Mapping[str, Any], n: int, k: int) -> float:
    """Bytes of W[n, k] as this arm stores it, scales included."""
    if arm.get("kind") in ("4bit", "int4"):  # int4's scale and offset in bfloat16 are 4 bytes too
        return n * k * (0.5 + scale_bytes(arm))
    if arm.get("kind") == "int8":
        return n * k + 4.0 * n
    return n * k * _width(arm.get("dtype"))


def traffic(
    arm: Mapping[str, Any],
    m: int,
    n: int,
    k: int,
    *,
    op: str = "linear",
    device: str = "cuda",
    bias: bool = False,
    path: Path | None = None,
    multiprocessors: int | None = None,
    outlier_columns: int | None = None,
) -> Traffic | None:
    """The traffic of one call of ``op``; None where there is no model for it.

    ``path`` forces the 4-bit kernel; left out, it is chosen by ``four_bit_path``. ``outlier_columns`` defaults to
    the arm's planted ones. ``bias``: whether one is added.
    """
    moved = _traffic(arm, m, n, k, op, device, path, multiprocessors, outlier_columns)
    if moved is None or not bias or op not in _ADDS_BIAS.get(str(arm.get("kind")), ("linear",)):
        return moved
    return replace(moved, terms=(*moved.terms, *_bias(arm, m, n, device)))


# The steps that add the bias: int8's is part of scaling the product back.
_ADDS_BIAS = {"int8": ("linear", "dequantise"), "4bit": ("linear", "gemm")}


def _bias(arm: Mapping[str, Any], m: int, n: int, device: str) -> Iterator[Term]:
    """The bias is read once, by the kernel that writes the output; int4's is added by a kernel of its own."""
    width = _width(arm.get("dtype"))
    yield _exact("bias", width * n)
    if arm.get("kind") == "int4" and device.startswith("cuda"):
        yield _exact("output read and written again to add the bias", 2.0 * width * m * n)


def _traffic(
    arm: Mapping[str, Any],
    m: int,
    n: int,
    k: int,
    op: str,
    device: str,
    path: Path | None,
    multiprocessors: int | None,
    outlier_columns: int | None,
) -> Traffic | None:
    kind = arm.get("kind")
    if kind not in ("float", "int8", "4bit", "int4"):
        return None
    if op != "linear":
        return _step(arm, op, m, n, k)
    if not device.startswith("cuda"):
        return _minimum(arm, m, n, k)
    if kind == "float":
        return _float(arm, m, n, k)
    if kind == "int8":
        return _int8(arm, m, n, k, arm.get("planted_columns", 0) if outlier_columns is None else outlier_columns)
    if kind == "int4":
        return _int4(arm, m, n, k)
    return _four_bit(arm, m, n, k, path or four_bit_path(arm, m, n, k, multiprocessors))


def four_bit_path(arm: Mapping[str, Any], m: int, n: int, k: int, multiprocessors: int | None = None) -> Path:
    """The kernel that a 4-bit Linear runs, where that is documented; else "any".

    Up to 4 rows the SIMT and the MMA kernel both read the weights once, so their bytes are equal.
    """
    block = int(arm.get("blocksize") or 64)
    if m > _ALWAYS_FALLBACK_M or k % block:
        return "fallback"
    if arm.get("compute_dtype") == "float32":
        return "fallback" if m >= _FLOAT32_FALLBACK_M else "simt"
    if m <= _ALWAYS_FUSED_M:
        return "simt"
    first = _HOPPER_132_FALLBACK.get((n, k)) if multiprocessors == 132 else None
    return "fallback" if first is not None and m >= first else "any"


def _float(arm: Mapping[str, Any], m: int, n: int, k: int) -> Traffic:
    width = _width(arm.get("dtype"))
    return Traffic((_exact("weights", n * k * width), *_activations(width, m, n, k)), MODELLED, "cublas")


def _int8(arm: Mapping[str, Any], m: int, n: int, k: int, outliers: int) -> Traffic:
    terms = [
        _exact("weights", n * k),
        _exact("activations in, quantised and read back", 4.0 * m * k),
        _exact("int32 result, written and read, and the output", 10.0 * m * n),
        _exact("scales of the weights' rows", 4.0 * n),
    ]
    if (arm.get("threshold") or 0.0) > 0.0:
        terms.append(_exact("outlier detection", 8.0 * m * k))
        if outliers:
            terms.append(_exact("outlier columns and their product", 54.0 * n * outliers + 8.0 * m * n))
    return Traffic(tuple(terms), MODELLED, "igemm")


def _int4(arm: Mapping[str, Any], m: int, n: int, k: int) -> Traffic:
    """torch's kernel goes through the weights once for every 16 rows; what it reads again may hit the L2 cache."""
    stored = stored_bytes(arm, n, k)
    weights = Term("weights", stored, stored * math.ceil(m / _MMA_MIN_ROWS))
    return Traffic((weights, *_activations(_width(arm.get("dtype")), m, n, k)), MODELLED, "tinygemm")


def _four_bit(arm: Mapping[str, Any], m: int, n: int, k: int, path: Path) -> Traffic:
    width = _width(arm.get("compute_dtype") or arm.get("dtype"))
    common = (*_activations(width, m, n, k), *_casts(arm, m, n, k))
    weights = _four_bit_weights(stored_bytes(arm, n, k), width * n * k, m)
    options = list(weights.values()) if path == "any" else [weights[path]]
    term = Term("weights", min(low for low, _ in options), max(high for _, high in options))
    return Traffic((term, *common), MODELLED, path)


def _four_bit_weights(stored: float, plain: float, m: int) -> dict[str, tuple[float, float]]:
    """Low and high bytes of the weights' traffic per path. The fallback writes the dequantised matrix and reads it
    again; that re-read may hit the L2 cache."""
    return {
        "simt": (stored * math.ceil(m / _SIMT_ROWS),) * 2,
        "mma": (stored, stored * math.ceil(m / _MMA_MIN_ROWS)),
        "fallback": (stored + plain, stored + 2.0 * plain),
    }


def _casts(arm: Mapping[str, Any], m: int, n: int, k: int) -> tuple[Term, ...]:
    model, compute = _width(arm.get("dtype")), _width(arm.get("compute_dtype") or arm.get("dtype"))
    if arm.get("compute_dtype") in (None, "", arm.get("dtype")):
        return ()
    return (_exact("casts to and from the compute type", (model + compute) * (m * k + m * n)),)


def _minimum(arm: Mapping[str, Any], m: int, n: int, k: int) -> Traffic:
    terms = (_exact("weights", stored_bytes(arm, n, k)), *_activations(_width(arm.get("dtype")), m, n, k))
    return Traffic(terms, MINIMUM, "minimum")


def _step(arm: Mapping[str, Any], op: str, m: int, n: int, k: int) -> Traffic | None:
    """One step alone: each operand once in, each result once out."""
    width = _width(arm.get("dtype"))
    parts = {
        # The packed weights become a plain matrix; in int8 it is the int32 product that is scaled back.
        ("4bit", "dequantise"): {"packed weights": stored_bytes(arm, n, k), "plain weights": width * n * k},
        ("int8", "dequantise"): {
            "int32 product": 4.0 * m * n,
            "output": width * m * n,
            "row and column scales": 4.0 * (m + n),
        },
        ("int8", "quantise_activations"): {
            "activations": width * m * k,
            "int8 activations": 1.0 * m * k,
            "row scales": 4.0 * m,
        },
        ("int8", "gemm"): {"weights": 1.0 * n * k, "int8 activations": 1.0 * m * k, "int32 product": 4.0 * m * n},
        ("4bit", "gemm"): {"plain weights": width * n * k, "activations": width * m * k, "output": width * m * n},
    }.get((str(arm.get("kind")), op))
    return Traffic(tuple(_exact(name, value) for name, value in parts.items()), MINIMUM, op) if parts else None


def _activations(width: float, m: int, n: int, k: int) -> tuple[Term, Term]:
    return (_exact("activations in", width * m * k), _exact("activations out", width * m * n))


def _exact(name: str, value: float) -> Term:
    return Term(name, float(value), float(value))


def _width(dtype: Any) -> float:
    return BYTES.get(str(dtype).removeprefix("torch."), 2.0)

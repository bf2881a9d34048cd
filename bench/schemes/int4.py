"""Weight-only int4 by torch's own kernels: an alternative to bitsandbytes (bench/workloads/int4.py)."""

from __future__ import annotations

from .definition import Arm, Family

FAMILY = Family(
    "int4",
    "Int4Linear",
    (
        Arm(
            "int4-tinygemm",
            "int4",
            "bfloat16",
            "weight-only int4 by torch's own kernels, min-max in groups of 128 (torchao's scheme): an alternative",
            blocksize=128,
        ),
    ),
    operations=("linear",),
    says={"blocksize": lambda module: module.group},
    weights=lambda module: int(module.unpacked),
)

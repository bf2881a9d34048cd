"""What LLM.int8() finds in the activations: how many input columns each call of a Linear keeps in half precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.record.schema import Record

from .grouping import Coordinates, groups, pooled


@dataclass(frozen=True)
class OutlierRow:
    """Of one setting and scheme. ``with_any``: share of the calls that had outlier columns at all."""

    setting: Coordinates
    scheme: str
    calls: int
    with_any: float
    median: float
    most: float


def outlier_columns(records: Sequence[Record]) -> tuple[OutlierRow, ...]:
    """A row per setting and scheme whose columns were counted."""
    return tuple(
        OutlierRow(
            group.setting, scheme, len(counts), float(np.mean(np.asarray(counts) > 0)), float(np.median(counts)),
            max(counts),
        )
        for group in groups(records, "generation")
        for scheme, found in group.schemes.items()
        if (counts := pooled(found, "outlier_columns"))
    )  # fmt: skip

"""What NVTX annotation costs: the same call without and with it, in pairs, so that drift cancels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.record.schema import Record

from .grouping import Coordinates, groups
from .statistics import Estimate, estimate
from .statistics.several import judged_together
from .statistics.verdict import Verdict, verdict


@dataclass(frozen=True)
class AnnotationRow:
    """``time_ratio`` is the annotated over the plain time of the same call (1.003: 0.3 % slower)."""

    setting: Coordinates
    scheme: str
    pairs: int
    time_ratio: Estimate
    verdict: Verdict


def pair_ratios(record: Record) -> tuple[float, ...]:
    """Annotated over plain time of each pair; a pair without both halves is left out."""
    plain, annotated = record.values("generate_time_plain"), record.values("generate_time_annotated")
    return tuple(b / a for a, b in zip(plain, annotated, strict=False) if a > 0 and b > 0)


def summarise(records: Sequence[Record]) -> tuple[AnnotationRow, ...]:
    """A row per setting and scheme of the "annotation" records."""
    rows = []
    for group in groups(records, "annotation"):
        for scheme, items in group.schemes.items():
            ratios = tuple(part for record in items if (part := pair_ratios(record)))
            if ratios:
                cost = estimate(ratios, unit="fixed")  # each pair of one process, its two calls in turn
                pairs = sum(map(len, ratios))
                rows.append(AnnotationRow(group.setting, scheme, pairs, cost, verdict(cost)))
    return judged_together(rows, lambda row: row.time_ratio)

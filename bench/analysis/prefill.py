"""Why schemes differ in prefill: what explain.py says of decoding, said of the time to the first token.

Verdicts come from the timed calls of all processes, as those of decoding do. Nothing is tried on prefill, and joules
are of whole calls, so that both are left to decoding's explanation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bench.record.schema import Record

from .generation import GenerationRow, Place
from .ledger.pairs import Pair, pairs
from .ledger.phases import PREFILL
from .settings import Asked, in_order
from .statistics.several import judged_together
from .statistics.verdict import verdict


def prefill_pairs(records: Sequence[Record], reference: str, asked: Asked = ()) -> tuple[Pair, ...]:
    """The ledgers of prefill; those of schemes whose prefill was not observed hold the times alone."""
    return in_order(pairs(records, reference, PREFILL), lambda pair: pair.setting, asked)


def prefill_rows(rows: Mapping[Place, GenerationRow]) -> dict[Place, GenerationRow]:
    """The rows of generation with their times, ratios and verdicts of the first token instead of the others."""
    found: dict[Place, GenerationRow] = {}
    for setting in dict.fromkeys(setting for setting, _ in rows):
        of = [_row(row) for (other, _), row in rows.items() if other == setting]
        found |= {(setting, row.scheme): row for row in judged_together(of, lambda row: row.time_ratio)}
    return found


def _row(row: GenerationRow) -> GenerationRow:
    ratio = row.first_token_ratio
    judged = verdict(ratio) if ratio else None
    return replace(row, time_per_token=row.time_to_first_token, time_ratio=ratio, verdict=judged)

"""What a prompt takes until its first token, and where that time goes: a ledger of its own, beside decoding's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.analysis.explain import Explanation
from bench.analysis.generation import GenerationRow, Place
from bench.analysis.ledger.pairs import Pair
from bench.report import units
from bench.report.answer import first_setting, focus_of, waterfall
from bench.report.content import Column, Row, Section, Table, drop_uniform, table
from bench.report.words import ratio_cell, short_labels, verdict_cell

from .ledger import differences_table, pair_document, pair_tables

Rows = Mapping[Place, GenerationRow]


def section(explanation: Explanation) -> Section | None:
    """The verdicts of every setting, the causes of the first one, and the ledger of the scheme that lost most."""
    found = explanation.prefill
    if found is None or not any(pair.instrument for pair in found.pairs):
        return None
    shown = [pair for pair in found.pairs if pair.instrument]
    focus = focus_of(first_setting(shown), found.generation_rows)
    text = (
        "The pass over the prompt, until its first token exists: what scoring, or a short answer, waits for. All other "
        "ledgers are of the tokens that follow. Times are those of the unprofiled calls, per prompt; lines are of "
        "passes over the same prompts under torch.profiler, and add up to those times exactly.",
    )
    tables = [_verdicts(found.pairs, found.generation_rows), differences_table(shown)]
    figures = (waterfall("prefill", focus),) if focus else ()
    kept = (*(item for item in tables if item), *(pair_tables(focus) if focus else ()))
    return Section("prefill", "Prefill", text, figures, kept, folded=True)


def _verdicts(pairs: Sequence[Pair], rows: Rows) -> Table:
    columns = (
        Column("Setting"),
        Column("Scheme"),
        Column("Prompt tokens", right=True),
        Column("Reference", right=True, detail=True),
        Column("Time per prompt", right=True),
        Column("÷ reference", right=True),
        Column("Verdict"),
    )
    labels = short_labels(list(dict.fromkeys(pair.setting for pair in pairs)))
    made = [(labels[pair.setting], pair.scheme, *_row(pair, rows.get((pair.setting, pair.scheme)))) for pair in pairs]
    return drop_uniform(table("Prefill", columns, made, "Medians of the timed calls, over the batch size."), "Setting")


def _row(pair: Pair, row: GenerationRow | None) -> Row:
    return (
        "–".join(map(str, dict.fromkeys((row.prompt_tokens if row else None) or ()))) or units.ABSENT,
        units.si(pair.closed.reference_ms * 1e-3, "s"),
        units.si(pair.closed.scheme_ms * 1e-3, "s"),
        ratio_cell(row.time_ratio if row else None, is_reference=False),
        verdict_cell(row.verdict if row else None),
    )


def document(explanation: Explanation) -> dict[str, Any]:
    """Every scheme's prefill as JSON; ms per prompt."""
    found = explanation.prefill
    return {"prefill": [_document(pair, found.generation_rows) for pair in found.pairs] if found else []}


def _document(pair: Pair, rows: Rows) -> dict[str, Any]:
    row = rows.get((pair.setting, pair.scheme))
    ratio = row.time_ratio if row else None
    return {
        "prompt_tokens": list(row.prompt_tokens) if row and row.prompt_tokens else None,
        "time_ratio": ratio.value if ratio else None,
        "time_ratio_ci": [ratio.low, ratio.high] if ratio else None,
        "verdict": row.verdict if row else None,
        **pair_document(pair),
    }

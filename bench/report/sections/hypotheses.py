"""Which hypotheses the run supports, with the evidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.analysis.explain import Explanation
from bench.analysis.hypotheses import Judged
from bench.report.content import Cell, Column, Section, Table, Tone, table

_TONES: dict[str, Tone] = {"supported": "bad", "refuted": "good", "ambiguous": "unsure", "not tested": "muted"}


def section(explanation: Explanation) -> Section | None:
    """None where nothing was compared, or judged."""
    if not explanation.pairs or not explanation.hypotheses:
        return None
    return Section("hypotheses", "Hypotheses", tables=(hypotheses_table(explanation.hypotheses),))


def hypotheses_table(found: Sequence[Judged]) -> Table:
    """H1 to H14 with their verdicts and evidence."""
    columns = (Column("Id"), Column("Hypothesis"), Column("Verdict"), Column("Evidence"))
    rows = [
        (
            item.id, item.statement + (f" (the study's {item.paper})" if item.paper else ""),
            Cell(item.verdict, _TONES[item.verdict]), "; ".join(item.evidence[:4]),
        )
        for item in found
    ]  # fmt: skip
    note = "supported: at least a tenth of a slower scheme's difference, surely; refuted: surely less in all of them."
    return table("Hypotheses", columns, rows, note)


def document(found: Explanation) -> dict[str, Any]:
    """All of them as JSON."""
    return {"hypotheses": [_document(item) for item in found.hypotheses]}


def _document(item: Judged) -> dict[str, Any]:
    document = {**vars(item), "evidence": list(item.evidence)}
    return {name: value for name, value in document.items() if name != "paper" or value}

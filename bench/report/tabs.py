"""The page's tabs: what the first screen says, for each scheme of its setting."""

from __future__ import annotations

from bench.analysis.explain import Explanation
from bench.analysis.ledger.pairs import Pair

from .answer import answer_about, first_setting, ranked
from .content import Commands, Tab
from .sections.ledger import pair_tables
from .words import TONES

NO_VERDICT = "no verdict"


def tabs(explanation: Explanation, commands: Commands | None = None) -> tuple[Tab, ...]:
    """One per scheme that stands beside the reference, the one that the first screen explains first."""
    pairs = first_setting(explanation.pairs)
    return tuple(_tab(pair, explanation, commands) for pair in ranked(pairs, explanation.generation_rows))


def _tab(pair: Pair, explanation: Explanation, commands: Commands | None) -> Tab:
    row = explanation.generation_rows.get((pair.setting, pair.scheme))
    verdict = row.verdict if row else None
    ratio = row.time_ratio.value if row and row.time_ratio else None
    return Tab(
        pair.scheme,
        verdict or NO_VERDICT,
        TONES[verdict] if verdict else "unsure",
        "" if ratio is None else f"×{ratio:.2f}",
        answer_about(pair, (pair,), explanation, commands),
        pair_tables(pair) if pair.instrument else (),
    )

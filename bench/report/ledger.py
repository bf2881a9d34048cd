"""The sections on why: ledgers with their waterfalls, joules, interventions, hypotheses, what to change."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from bench.analysis.explain import Explanation
from bench.analysis.ledger.pairs import Pair

from . import figure_ledger
from . import tables_ledger as tables
from .answer import caption, focus_of
from .content import FigureSpec, Section, Table

MOST_FIGURES = 6


def sections(explanation: Explanation) -> tuple[Section | None, ...]:
    """All of them; None for those with nothing to say."""
    return (
        _ledger(explanation),
        _interventions(explanation),
        _hypotheses(explanation),
        _remedies(explanation),
        _others(explanation),
    )


def _ledger(explanation: Explanation) -> Section | None:
    pairs = [pair for pair in explanation.pairs if pair.instrument]
    if not pairs:
        why = dict.fromkeys(pair.missing for pair in explanation.pairs)
        text = tuple(f"No ledger: {reason}." for reason in why)
        return Section("ledger", "Where the time goes", text) if text else None
    focus = focus_of([pair for pair in pairs if pair.setting == pairs[0].setting])
    found = [tables.differences(pairs), *(_tables(focus) if focus else ()), tables.energy(explanation.energy)]
    text = (
        "The lines of a ledger add up to the difference of the unprofiled times exactly; what no line explains is a "
        "line of its own.",
    )
    return Section("ledger", "Where the time goes", text, tables=tuple(item for item in found if item))


def _tables(pair: Pair) -> list[Table | None]:
    return [tables.ledger(pair), tables.causes(pair), tables.sources(f"Idle time: {pair.scheme}", pair.sources)]


def _others(explanation: Explanation) -> Section | None:
    """The ledgers that the first screen does not show."""
    pairs = _once([pair for pair in explanation.pairs if pair.instrument])
    if not pairs:
        return None
    figures = tuple(
        FigureSpec(f"waterfall-{place}", _title(pair), caption(pair), partial(figure_ledger.waterfall, pair))
        for place, pair in enumerate(pairs[:MOST_FIGURES])
    )
    found = [item for pair in pairs for item in _tables(pair) if item]
    return Section("ledgers", "Ledgers of the other schemes", (), figures, tuple(found), folded=True)


def _once(pairs: Sequence[Pair]) -> list[Pair]:
    """Those that the first screen does not draw already."""
    focus = focus_of([pair for pair in pairs if pair.setting == pairs[0].setting])
    return [pair for pair in pairs if pair is not focus]


def _title(pair: Pair) -> str:
    return f"From {pair.reference} to {pair.scheme}, line by line"


def _interventions(explanation: Explanation) -> Section | None:
    found = (tables.interventions(explanation.interventions), tables.removals(explanation.removals))
    made = tuple(item for item in found if item)
    if not made:
        return None
    text = ("Each cause removed, or added, by its own switch, in the same interleaved repeats as the unchanged arm.",)
    return Section("interventions", "Causes removed one by one", text, tables=made)


def _hypotheses(explanation: Explanation) -> Section | None:
    if not explanation.pairs:
        return None
    return Section("hypotheses", "Hypotheses", tables=(tables.hypotheses(explanation.hypotheses),))


def _remedies(explanation: Explanation) -> Section | None:
    found = tables.remedies(explanation.remedies)
    return Section("remedies", "What to change", tables=(found,)) if found else None

"""The sections on why: ledgers with their waterfalls, joules, interventions, hypotheses, what to change."""

from __future__ import annotations

from bench.analysis.explain import Explanation
from bench.analysis.ledger.pairs import Pair
from bench.report.answer import first_setting, focus_of, waterfall
from bench.report.content import Section, Table

from . import interventions as tried
from . import tables_ledger as tables

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
    focus = _focus(explanation)
    shown = _tables(focus) if focus and focus.instrument else ()
    found = [tables.differences(pairs), *shown, tables.energy(explanation.energy)]
    text = (
        "The causes add up to the difference of the unprofiled times exactly, as the lines of a ledger do; what no "
        "line explains is one of its own.",
    )
    return Section("ledger", "Where the time goes", text, tables=tuple(item for item in found if item))


def _tables(pair: Pair) -> list[Table | None]:
    return [tables.causes(pair), tables.ledger(pair), tables.sources(f"Idle time: {pair.scheme}", pair.sources)]


def _others(explanation: Explanation) -> Section | None:
    """The ledgers that the first screen does not show."""
    focus = _focus(explanation)
    pairs = [pair for pair in explanation.pairs if pair.instrument and pair is not focus]
    if not pairs:
        return None
    figures = tuple(waterfall(f"waterfall-{place}", pair) for place, pair in enumerate(pairs[:MOST_FIGURES]))
    found = [item for pair in pairs for item in _tables(pair) if item]
    return Section("ledgers", "Ledgers of the other schemes", (), figures, tuple(found), folded=True)


def _focus(explanation: Explanation) -> Pair | None:
    """The pair that the first screen draws already."""
    return focus_of(first_setting(explanation.pairs), explanation.standings)


def _interventions(explanation: Explanation) -> Section | None:
    found = (tried.interventions(explanation.interventions), tried.removals(explanation.removals))
    made = tuple(item for item in found if item)
    if not made:
        return None
    text = ("Each cause removed, or added, by its own switch, in the same interleaved repeats as the unchanged arm.",)
    return Section("interventions", "Causes removed one by one", text, tables=made)


def _hypotheses(explanation: Explanation) -> Section | None:
    if not explanation.pairs:
        return None
    return Section("hypotheses", "Hypotheses", tables=(tried.hypotheses(explanation.hypotheses),))


def _remedies(explanation: Explanation) -> Section | None:
    found = tried.remedies(explanation.remedies)
    if not found:
        return None
    codes = tried.codes(explanation.remedies, explanation.pairs[0].device)
    return Section("remedies", "What to change", tables=(found,), points=codes)

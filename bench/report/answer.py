"""The first screen's answer: the verdict in one sentence, the three strongest causes, what to do."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from functools import partial

from bench.analysis.assumed import mark
from bench.analysis.explain import Explanation
from bench.analysis.generation import GenerationRow
from bench.analysis.ledger.closure import Line
from bench.analysis.ledger.pairs import REST, Pair
from bench.analysis.remedies import Remedy
from bench.analysis.standings import Place
from bench.analysis.verdict import Verdict
from bench.record import causes as c

from . import figure_ledger, units
from .content import Answer, FigureSpec, Point, Tone
from .words import assumed_bars, setting_text

MOST = 3


def answer(explanation: Explanation) -> Answer | None:
    """None where no scheme could be set against a reference."""
    pairs = first_setting(explanation.pairs)
    if not pairs:
        return None
    focus = focus_of(pairs)
    table = explanation.standings
    told = _standing(pairs, table)
    if focus is None:
        return Answer(_sentence(told, pairs[0].reference), _tone(told), None, (), (), "")
    causes = tuple(_cause(line, focus) for line in strongest(focus))
    figure = FigureSpec(
        "answer", f"From {focus.reference} to {focus.scheme}, line by line", caption(focus), _drawn(focus)
    )
    row = table.get((focus.setting, focus.scheme))
    tried = any(item.scheme == focus.scheme for item in explanation.interventions)
    actions = tuple(_action(remedy) for remedy in _for(explanation.remedies, focus.scheme)[:MOST])
    note = (
        f"{focus.scheme} against {focus.reference}: {setting_text(focus.setting)}. Work that {focus.reference} does "
        "not do takes along the host's time that leads to it, so that a cause can be larger than its bar."
    )
    sentence = f"{_sentence(told, focus.reference)} {_why(focus, row)}"
    todo = actions or _instead(focus, row.verdict if row else None, tried)
    return Answer(sentence, _tone(told), figure if focus.instrument else None, causes, todo, note)


def _drawn(pair: Pair) -> partial[object]:
    return partial(figure_ledger.waterfall, pair)


def first_setting(pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    """The pairs of the first setting."""
    return tuple(pair for pair in pairs if pair.setting == pairs[0].setting)


def focus_of(pairs: Sequence[Pair]) -> Pair | None:
    """The scheme that the first screen explains: of those that users choose, the one that loses most."""
    known = [pair for pair in pairs if pair.instrument and "planted" not in pair.scheme]
    return max(known, key=lambda pair: pair.closed.delta.delta_ms, default=None)


def strongest(pair: Pair) -> tuple[Line, ...]:
    """Its three largest causes that push the way that the scheme goes, sure ones first."""
    sign = 1.0 if pair.closed.delta.delta_ms >= 0 else -1.0
    pushing = [line for line in pair.causes if line.delta_ms * sign > 0]
    return tuple(sorted(pushing, key=lambda line: (not line.sure, -abs(line.delta_ms)))[:MOST])


_Told = Mapping[Verdict, Sequence[str]]


def _standing(pairs: Sequence[Pair], table: Mapping[Place, GenerationRow]) -> _Told:
    """The schemes by what the table of generation says of them, so that the headline never claims more than it."""
    found: dict[Verdict, list[str]] = {}
    for pair in pairs:
        row = table.get((pair.setting, pair.scheme))
        found.setdefault((row.verdict if row else None) or "AMBIGUOUS", []).append(pair.scheme)
    return found


_WORDS: Mapping[Verdict, str] = {
    "SLOWER": "Slower than {reference}:",
    "FASTER": "Faster than {reference}:",
    "SAME": "As fast as {reference}:",
    "AMBIGUOUS": "This run cannot tell for",
}


def _sentence(told: _Told, reference: str) -> str:
    parts = (
        f"{word.format(reference=reference)} {_listed(told[verdict])}"
        for verdict, word in _WORDS.items()
        if verdict in told
    )
    return ". ".join(parts) + "."


def _why(focus: Pair, row: GenerationRow | None) -> str:
    """How much the explained scheme loses, by the table's ratio, and what most of it is for."""
    closed, leads = focus.closed, strongest(focus)
    why = f", mostly for {_of(leads[0])}" if leads else ""
    ratio = row.time_ratio.value if row and row.time_ratio else closed.scheme_ms / closed.reference_ms
    return f"{focus.scheme} takes ×{ratio:.2f} the time per token ({closed.delta.delta_ms:+.3g} ms){why}."


def _of(line: Line) -> str:
    return c.LABELS[line.cause]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1]


def _tone(told: _Told) -> Tone:
    if "SLOWER" in told:
        return "bad"
    return "good" if "FASTER" in told else "same" if "SAME" in told else "unsure"


def _cause(line: Line, pair: Pair) -> Point:
    share = line.delta_ms / pair.closed.delta.delta_ms if pair.closed.delta.delta_ms else 0.0
    label = c.LABELS[line.cause]
    title = f"{label[0].upper()}{label[1:]}: {line.delta_ms:+.3g} ms per token, {share:.0%} of the difference"
    word = mark(line.assumed)
    known = line.low is not None and line.high is not None
    bounds = f" 95 % interval{word} {line.low:+.3g} to {line.high:+.3g} ms." if known else ""
    sure = "" if line.sure else " Not sure: the interval holds 0."
    return Point(title, _evidence(line, pair) + bounds + sure)


def _evidence(line: Line, pair: Pair) -> str:
    """Where an idle line comes from, or what kind of work it is and how much of it is the host's way there."""
    meaning = f"{c.MEANINGS[line.cause][0].upper()}{c.MEANINGS[line.cause][1:]}."
    if line.cause in c.IDLE:
        return _sources(line, pair) or meaning
    alone = pair.closed.line(line.cause)
    leading = line.delta_ms - alone.delta_ms if alone is not None else 0.0
    return f"{meaning} Of it, {leading:+.3g} ms is the host's way there." if leading > 0 else meaning


def _sources(line: Line, pair: Pair) -> str:
    totals: dict[str, float] = {}
    for source in pair.sources:
        if source.cause == line.cause and source.delta_ms > 0 and source.range != REST:
            name = source.operator or source.range
            totals[name] = totals.get(name, 0.0) + source.delta_ms
    named = sorted(totals.items(), key=lambda item: -item[1])[:2]
    return "Mostly at " + " and ".join(f"{name} ({ms:+.3g} ms)" for name, ms in named) + "." if named else ""


def _instead(focus: Pair, verdict: Verdict | None, tried: bool) -> tuple[Point, ...]:
    """What to do where no remedy is known."""
    if verdict in ("FASTER", "SAME"):
        return (Point("Nothing", f"{focus.scheme} is not slower."),)
    if verdict != "SLOWER":
        text = f"It cannot be told whether {focus.scheme} is slower, so no remedy can be judged. In a new folder:"
        code = f"python -m bench run --model {shlex.quote(focus.model)} --repeats 5"
        return (Point("Measure more processes first", text, code),)
    if tried:
        return (Point("Nothing that was tried made it faster", "What was tried stands under the causes removed."),)
    return (
        Point("Remove its causes one by one", "Nothing was tried yet.", "python -m bench intervene --out RUN_FOLDER"),
    )


def _for(remedies: Sequence[Remedy], scheme: str) -> list[Remedy]:
    """The remedies of one scheme; one per title."""
    found: dict[str, Remedy] = {}
    for remedy in remedies:
        if remedy.scheme == scheme:
            found.setdefault(remedy.title, remedy)
    return list(found.values())


def _action(remedy: Remedy) -> Point:
    title = f"{remedy.title[0].upper()}{remedy.title[1:]}: {remedy.gain * 1e3:.3g} ms per token less"
    bounds = "" if remedy.low is None or remedy.high is None else f" [{remedy.low * 1e3:.3g}, {remedy.high * 1e3:.3g}]"
    bounds += mark(remedy.assumed)
    memory = "" if remedy.memory is None else f"; memory {_signed(remedy.memory)}"
    sure = "" if remedy.sure else " Not sure: the interval holds 0."
    price = remedy.price[0].upper() + remedy.price[1:]
    return Point(title + bounds, f"{price}{memory}. Basis: {remedy.basis}.{sure}", remedy.code)


def _signed(amount: float) -> str:
    return ("+" if amount >= 0 else "−") + units.si(abs(amount), "B")


def caption(pair: Pair) -> str:
    """What a waterfall shows, on what, how often."""
    closed = pair.closed
    return (
        f"Each bar: what one line of the ledger adds to {pair.reference}'s time per token; together they give "
        f"{pair.scheme}'s exactly. Thin lines: 95 % intervals. Lines from {pair.instrument or 'no'} timelines of "
        f"{pair.observed_steps[0]} and {pair.observed_steps[1]} decode steps; wall times from unprofiled calls "
        f"({closed.reference_ms:.3g} and {closed.scheme_ms:.3g} ms).{assumed_bars(closed.lines)}"
    )

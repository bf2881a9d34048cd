"""The first screen's answer: the verdict in one sentence, the causes, what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from bench.analysis import user_code
from bench.analysis.explain import Explanation
from bench.analysis.generation import GenerationRow, Place
from bench.analysis.grouping import UNQUANTISED
from bench.analysis.ledger.pairs import Pair
from bench.analysis.statistics.verdict import Verdict
from bench.schemes import PLANTED

from . import units
from .actions import actions
from .content import Answer, Commands, FigureSpec, Tone
from .points import balance_text, cause_points, of_whole, share_note
from .sections import first_generation
from .sections import ledger_figure as figure_ledger
from .words import assumed_bars, scheme_text, setting_text, short_labels

Table = Mapping[Place, GenerationRow]


def answer(explanation: Explanation, commands: Commands | None = None, scheme: str | None = None) -> Answer | None:
    """None where no scheme could be set against a reference. ``commands``: what a user may type next; ``scheme``: the
    one to explain, None: the one that ``ranked`` has first."""
    pairs = first_setting(explanation.pairs)
    asked = (pair for pair in pairs if pair.scheme == scheme)
    focus = next(asked, None) or focus_of(pairs, explanation.generation_rows)
    return None if focus is None else answer_about(focus, pairs, explanation, commands)


def answer_about(
    focus: Pair, told_of: Sequence[Pair], explanation: Explanation, commands: Commands | None = None
) -> Answer:
    """The answer that explains one scheme; its sentence tells the verdicts of ``told_of``."""
    table = explanation.generation_rows
    told = _verdicts_sentence(told_of, table)
    row = table.get((focus.setting, focus.scheme))
    where = short_labels(explanation.settings).get(focus.setting, "")
    sentence = f"{_sentence(told, focus.reference, where)} {_cause_sentence(focus, row)}"
    verdict = row.verdict if row else None
    todo = actions(explanation, focus, verdict, commands)
    return Answer(
        sentence,
        _tone(told),
        waterfall_of(focus, explanation) if focus.instrument else None,
        cause_points(focus, verdict),
        todo,
        _note(focus),
        user_code.preamble(focus.device) if any(user_code.is_code(point.code) for point in todo) else "",
        first_generation.points(explanation, focus.setting),
    )


def waterfall_of(pair: Pair, explanation: Explanation) -> FigureSpec:
    """The figure of one of the explanation's pairs; that of the first screen's scheme is called so."""
    focus = focus_of(first_setting(explanation.pairs), explanation.generation_rows)
    others = [one for one in explanation.pairs if one.instrument and one is not focus]
    return waterfall("answer" if pair is focus else f"waterfall-{others.index(pair)}", pair)


def waterfall(name: str, pair: Pair) -> FigureSpec:
    """The figure of one pair's causes."""
    title = f"From {pair.reference} to {pair.scheme}, cause by cause"
    return FigureSpec(name, title, caption(pair), partial(figure_ledger.waterfall, pair))


def first_setting(pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    """The pairs of the first setting; which that is, says bench/analysis/settings.py."""
    return tuple(pair for pair in pairs if pair.setting == pairs[0].setting)


def focus_of(pairs: Sequence[Pair], table: Table) -> Pair | None:
    """The scheme that the first screen explains; None where there is none."""
    return next(iter(ranked(pairs, table)), None)


def ranked(pairs: Sequence[Pair], table: Table) -> list[Pair]:
    """Schemes that users choose first; of these one that is slower for sure, then one that is faster, then one with a
    ledger; of these the one with the largest difference."""

    def rank(pair: Pair) -> tuple[bool, int, bool, float]:
        row = table.get((pair.setting, pair.scheme))
        verdict = row.verdict if row else None
        order = ("SLOWER", "FASTER").index(verdict) if verdict in ("SLOWER", "FASTER") else 2
        delta = pair.closed.delta.delta_ms
        size = delta if verdict == "SLOWER" else abs(delta)
        asked_for = pair.scheme in UNQUANTISED or pair.scheme in PLANTED
        return asked_for, order, not pair.instrument, -size

    return sorted(pairs, key=rank)


_VerdictsSentence = Mapping[Verdict, Sequence[str]]


def _verdicts_sentence(pairs: Sequence[Pair], table: Table) -> _VerdictsSentence:
    """The schemes by what the table of generation says of them, so that the headline never claims more than it."""
    found: dict[Verdict, list[str]] = {}
    for pair in pairs:
        row = table.get((pair.setting, pair.scheme))
        verdict: Verdict = (row.verdict if row else None) or "AMBIGUOUS"
        assumed = row is not None and row.time_ratio is not None and row.time_ratio.assumed
        rests = assumed and verdict != "AMBIGUOUS"
        name = scheme_text(row) if row is not None else pair.scheme
        found.setdefault(verdict, []).append(name + " (spread assumed)" * bool(rests))
    return found


_WORDS: Mapping[Verdict, str] = {
    "SLOWER": "Slower than {reference}{where}:",
    "FASTER": "Faster than {reference}{where}:",
    "SAME": "As fast as {reference}{where}:",
    "AMBIGUOUS": "This run cannot tell{where} for",
}


def _sentence(told: _VerdictsSentence, reference: str, where: str) -> str:
    """``where``: what tells the setting from the others of the run; said once."""
    parts: list[str] = []
    for verdict, words in _WORDS.items():
        if verdict in told:
            place = f" ({where})" if where and not parts else ""
            parts.append(f"{words.format(reference=reference, where=place)} {_listed(told[verdict])}")
    return ". ".join(parts) + "."


def _cause_sentence(focus: Pair, row: GenerationRow | None) -> str:
    """How much the explained scheme takes, by the table's ratio, and its largest cause."""
    closed = focus.closed
    ratio = row.time_ratio.value if row and row.time_ratio else closed.scheme_ms / closed.reference_ms
    told = balance_text(focus.causes)
    parts = f": {told}" if told else ""
    unit, delta = focus.phase.unit, units.signed(closed.delta.delta_ms)
    size = f"{focus.scheme} takes ×{ratio:.2f} the time per {unit} ({delta} ms{parts})"
    if row is not None and row.verdict == "SAME":
        return f"{size}."
    return f"{size}{_largest(focus)}."


def _largest(focus: Pair) -> str:
    """The largest cause of a pair with a ledger, and one that takes even more off it."""
    if not focus.instrument or not focus.causes:
        return ""
    first, sign = focus.causes[0], 1.0 if focus.closed.delta.delta_ms >= 0 else -1.0
    against = max(focus.causes, key=lambda cause: abs(cause.delta_ms))
    if first.delta_ms * sign <= 0:
        return f"; the largest change{', not sure' * (not first.sure)}: {of_whole(first)}"
    other = f"; against it {of_whole(against)}" if against is not first else ""
    return f", the largest cause{', not sure' * (not first.sure)}: {of_whole(first)}{other}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1]


def _tone(told: _VerdictsSentence) -> Tone:
    if "SLOWER" in told:
        return "bad"
    return "good" if "FASTER" in told else "same" if "SAME" in told else "unsure"


def _note(focus: Pair) -> str:
    busy = "GPU" if focus.device != "cpu" else "operators"
    return (
        f"{focus.scheme} against {focus.reference}: {setting_text(focus.setting)}. Each cause: the time of its {busy} "
        "and of the host; work that only one of the two does takes along the host's time that leads to it. All causes "
        "together are the difference exactly."
    )


def caption(pair: Pair) -> str:
    """What a waterfall shows, on what, how often."""
    closed = pair.closed
    busy = "the GPU" if pair.device != "cpu" else "operators"
    return (
        f"Each bar: what one cause adds to {pair.reference}'s time per {pair.phase.unit}, {busy} dark, the host light, "
        f"neither grey; together they give {pair.scheme}'s exactly. {share_note(pair.causes)} "
        f"Thin lines: 95 % intervals. Causes from {pair.instrument or 'no'} timelines of {pair.observed_steps[0]} and "
        f"{pair.observed_steps[1]} {pair.phase.observed}; times per {pair.phase.unit} from unprofiled calls "
        f"({closed.reference_ms:.3g} and {closed.scheme_ms:.3g} ms)."
        f"{assumed_bars(pair.causes)}"
    )

"""The first screen's answer: the verdict in one sentence, the causes, and what to do: the remedies of one scheme, or
else the next command."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from functools import partial

from bench.analysis import user_code
from bench.analysis.explain import Explanation
from bench.analysis.generation import GenerationRow, Place
from bench.analysis.grouping import UNQUANTISED
from bench.analysis.interventions import InterventionRow
from bench.analysis.ledger.pairs import Pair
from bench.analysis.ledger.phases import PREFILL
from bench.analysis.remedies import Remedy, same_but_length
from bench.analysis.statistics import Estimate
from bench.analysis.statistics.assumed import mark
from bench.analysis.statistics.verdict import MOST as MOST_PROCESSES
from bench.analysis.statistics.verdict import Verdict, processes_needed
from bench.record.suggested import quoted
from bench.schemes import PLANTED

from . import units
from .content import Answer, Commands, FigureSpec, Point, Tone
from .lines import balance_text, cause_points, of_whole, share_note
from .sections import first_generation
from .sections import ledger_figure as figure_ledger
from .words import assumed_bars, scheme_text, setting_text, short_labels, what_tells

Table = Mapping[Place, GenerationRow]
MOST = 3


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
    verdicts = _verdicts_sentence(told_of, table)
    row = table.get((focus.setting, focus.scheme))
    where = short_labels(explanation.settings).get(focus.setting, "")
    sentence = f"{_sentence(verdicts, focus.reference, where)} {_cause_sentence(focus, row)}"
    verdict = row.verdict if row else None
    todo = actions(explanation, focus, verdict, commands)
    return Answer(
        sentence,
        _tone(verdicts),
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


def _sentence(verdicts: _VerdictsSentence, reference: str, where: str) -> str:
    """``where``: what tells the setting from the others of the run; said once."""
    parts: list[str] = []
    for verdict, words in _WORDS.items():
        if verdict in verdicts:
            place = f" ({where})" if where and not parts else ""
            parts.append(f"{words.format(reference=reference, where=place)} {_listed(verdicts[verdict])}")
    return ". ".join(parts) + "."


def _cause_sentence(focus: Pair, row: GenerationRow | None) -> str:
    """How much the explained scheme takes, by the table's ratio, and its largest cause."""
    closed = focus.closed
    ratio = row.time_ratio.value if row and row.time_ratio else closed.scheme_ms / closed.reference_ms
    balance = balance_text(focus.causes)
    parts = f": {balance}" if balance else ""
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


def _tone(verdicts: _VerdictsSentence) -> Tone:
    if "SLOWER" in verdicts:
        return "bad"
    return "good" if "FASTER" in verdicts else "same" if "SAME" in verdicts else "unsure"


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


def actions(
    explanation: Explanation, focus: Pair, verdict: Verdict | None, commands: Commands | None
) -> tuple[Point, ...]:
    """The best remedies of the scheme in its setting; where none is known, what to do instead."""
    known = tuple(map(_action, _shown(_remedies_of(explanation.remedies, focus))))
    tried = [
        row
        for row in explanation.interventions
        if row.scheme == focus.scheme and same_but_length(row.setting, focus.setting)
    ]
    row = explanation.generation_rows.get((focus.setting, focus.scheme))
    between = row.time_ratio if row else None
    return known or (_instead(focus, verdict, commands, tried, _setting_options(explanation, focus), between),)


def _setting_options(explanation: Explanation, focus: Pair) -> str:
    """Options of "intervene" for the setting that is explained, where the run has several."""
    own = dict(focus.setting)
    names = {"--at-batch": "batch_size", "--at-cache": "cache"}
    several = {name for name in names.values() if len({dict(one).get(name) for one in explanation.settings}) > 1}
    return "".join(f" {option} {own[name]}" for option, name in names.items() if name in several)


def _shown(found: Sequence[Remedy]) -> list[Remedy]:
    """The first ones; where none of these is sure, the first sure one in the last place."""
    first = list(found[:MOST])
    sure = next((remedy for remedy in found[MOST:] if remedy.sure), None)
    return [*first[:-1], sure] if sure and not any(remedy.sure for remedy in first) else first


def _remedies_of(remedies: Sequence[Remedy], focus: Pair) -> list[Remedy]:
    """The remedies of one scheme; one per title, and of other schemes that keep as much of the saving the best one."""
    found: dict[str, Remedy] = {}
    for remedy in remedies:
        if (remedy.setting, remedy.scheme) == (focus.setting, focus.scheme):
            found.setdefault(f"instead, {remedy.keeps}" if remedy.instead else remedy.title, remedy)
    return list(found.values())


def _instead(
    focus: Pair, verdict: Verdict | None, commands: Commands | None, tried: Sequence[InterventionRow], where: str,
    between: Estimate | None,
) -> Point:  # fmt: skip
    if verdict in ("FASTER", "SAME"):
        return Point("Nothing", f"{focus.scheme} is not slower.")
    if focus.phase is PREFILL:
        return Point(
            "Nothing was tried on prefill", "What a run tries, and what it prints as code, is of decode steps."
        )
    if verdict != "SLOWER":
        return _more_processes(focus.scheme, between, commands)
    if any(row.verdict == "FASTER" for row in tried):  # such as one without code that a user could write
        return Point("What made it faster is no remedy here", "What was tried stands under the causes removed.")
    if tried:
        return Point("Nothing that was tried made it faster", "What was tried stands under the causes removed.")
    code = f"{commands.intervene} --schemes {shlex.quote(focus.scheme)}{where}" if commands else ""
    how = "Nothing was tried yet." if commands else f"Nothing was tried yet: see {quoted('intervene --help')}."
    return Point("Remove its causes one by one", how, code)


# The number of processes in a command, which may stand on a line of its own.
_REPEATS = re.compile(r"(?<=--repeats)([\s\\]+)(\d+)")


def _more_processes(scheme: str, between: Estimate | None, commands: Commands | None) -> Point:
    """``between``: the ratio that does not tell."""
    needed = (between and processes_needed(between)) or 0
    text, code = f"It cannot be told whether {scheme} is slower, so no remedy can be judged. {what_tells(between)}", ""
    if needed > MOST_PROCESSES:
        return Point("Make the machine quieter first", text)
    if commands:
        code = _REPEATS.sub(lambda found: found[1] + str(max(needed, int(found[2]))), commands.again)
    how = " In a new folder:" if commands else " Run the same with a larger --repeats, in a new folder."
    return Point("Measure more processes first", text + how, code)


def _action(remedy: Remedy) -> Point:
    word = "Predicted, not measured: " if remedy.predicted else ""
    title = f"{remedy.title[0].upper()}{remedy.title[1:]}" if not word else f"{word}{remedy.title}"
    gain = f"{title}: {remedy.gain * 1e3:.3g} ms per token less"
    bounds = "" if remedy.low is None or remedy.high is None else f" [{remedy.low * 1e3:.3g}, {remedy.high * 1e3:.3g}]"
    bounds += mark(remedy.assumed)
    sure = remedy.predicted or remedy.sure
    basis = f" Basis: {remedy.basis}.{_foretold(remedy)}{_doubt(remedy)}"
    return Point(gain + bounds, f"{_price(remedy)}{_memory(remedy)}.{basis}", remedy.code, sure)


def _memory(remedy: Remedy) -> str:
    if remedy.memory is None:
        return ""
    if remedy.holds_more:
        weights = f"memory of the weights {_signed(remedy.memory)}" if remedy.memory else "same memory of the weights"
        return f"; {weights}, other memory may be more"
    return f"; memory {_signed(remedy.memory)}" if remedy.memory else "; same memory"


def _foretold(remedy: Remedy) -> str:
    """What replay had said before it was measured."""
    if remedy.foretold is None:
        return ""
    word = "less" if remedy.foretold >= 0 else "more"
    return f" Predicted before, by replay: {abs(remedy.foretold) * 1e3:.3g} ms {word}."


def _price(remedy: Remedy) -> str:
    price = f"{remedy.price[0].upper()}{remedy.price[1:]}"
    gives_up = {"nothing": "; gives quantisation up", "part": "; gives part of the memory saving up"}
    return price + gives_up.get(remedy.keeps, "")


def _doubt(remedy: Remedy) -> str:
    if remedy.predicted or (remedy.sure and not remedy.assumed):
        return ""
    if remedy.sure:
        return f" The interval assumes {remedy.assumed}."
    if remedy.by_chance:
        return " Not sure: of so many as were tried, chance alone makes one look so."
    return " Not sure: one value has no interval." if remedy.low is None else " Not sure: the interval holds 0."


def _signed(amount: float) -> str:
    return ("+" if amount >= 0 else "−") + units.si(abs(amount), "B")

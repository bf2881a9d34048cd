"""What to do, as the first screen says it: the remedies of one scheme, or else the next command."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from bench.analysis.explain import Explanation
from bench.analysis.interventions import InterventionRow
from bench.analysis.ledger.pairs import Pair
from bench.analysis.ledger.phases import PREFILL
from bench.analysis.remedies import Remedy, same_but_length
from bench.analysis.statistics import Estimate
from bench.analysis.statistics.assumed import mark
from bench.analysis.statistics.needed import MOST as MOST_PROCESSES
from bench.analysis.statistics.needed import processes_needed
from bench.analysis.statistics.verdict import Verdict
from bench.record.suggested import quoted

from . import units
from .content import Commands, Point
from .words import what_tells

MOST = 3


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
    told = {"--at-batch": "batch_size", "--at-cache": "cache"}
    several = {name for name in told.values() if len({dict(one).get(name) for one in explanation.settings}) > 1}
    return "".join(f" {option} {own[name]}" for option, name in told.items() if name in several)


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

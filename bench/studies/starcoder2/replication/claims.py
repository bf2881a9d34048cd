"""Each claim of the study: reproduced by a run, not reproduced, or not settled by it, with one sentence of evidence.

A claim is judged in every setting that can test it. One setting that contradicts it for sure refutes it; one that
shows it for sure, with none against it, reproduces it; intervals that allow both are "cannot tell". A CPU tests no
claim about a GPU's time or energy, and a model that cannot write programs tests none about pass@1: what they give is
told as evidence, and settles nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bench.analysis.hypotheses import Judged
from bench.analysis.statistics import Estimate
from bench.analysis.statistics.several import apart_among

from ..published import EIGHT_BIT, FOUR_BIT, Published, Statement
from .pruning import PrunedSeries
from .quality import PassRow
from .rows import Measured, StudyEnergyRow, TimeRow, time_of
from .settings import StudySetting, ratio_of_means

# What the study's own raw data answer, and no run of one's own does.
_NOT_BY_A_RUN = {
    "setup-valid": "the study's prompts and programs answer it",
    "pass-lower": "the table of pass@1 has the change of each arm with its interval",
}
Outcome = Literal["reproduced", "not reproduced", "not settled by these runs"]
AT_ZERO = 3
PHI2_LOSS = 0.15
MOST_TOLD = 4
CANNOT_TELL = "cannot tell"
# Claims of every arm, model and number of tokens: shown only where each of them is.
ALWAYS = "energy-always"


@dataclass(frozen=True)
class Claim:
    statement: Statement
    outcome: Outcome
    evidence: str


@dataclass(frozen=True)
class Test:
    """One setting's answer: True (shown), False (contradicted) or None (settles nothing), what it rests on, and why it
    settles nothing. ``ratio``: which is above 1 or below it, where that is the answer."""

    holds: bool | None
    text: str
    why: str = ""
    ratio: Estimate | None = None


@dataclass(frozen=True)
class ClaimGrounds:
    """All that claims are judged by."""

    published: Published
    settings: tuple[StudySetting, ...]
    times: tuple[TimeRow, ...]
    energies: tuple[StudyEnergyRow, ...]
    scores: tuple[PassRow, ...]
    pruned: tuple[PrunedSeries, ...]
    guesses: tuple[tuple[Judged, bool], ...]  # and whether the run has records of a GPU


def claims(grounds: ClaimGrounds) -> tuple[Claim, ...]:
    """One for each statement of the study, in its order."""
    return tuple(_claim(statement, grounds) for statement in grounds.published.claims)


def _claim(statement: Statement, grounds: ClaimGrounds) -> Claim:
    tests, nothing = _tests(statement.id, grounds)
    return Claim(statement, *_sum_up(_together(tests), nothing, every=statement.id == ALWAYS))


def _together(tests: Sequence[Test]) -> list[Test]:
    """All settings taken together: of eight one shows, or contradicts, what is not there in a fifth of runs."""
    sure = iter(apart_among([test.ratio for test in tests if test.ratio is not None]))
    known = [test.ratio is None or next(sure) for test in tests]
    return [
        test if one or test.holds is None else replace(test, holds=None, why=CANNOT_TELL)
        for test, one in zip(tests, known, strict=True)
    ]


def _sum_up(tests: Sequence[Test], nothing: str, *, every: bool = False) -> tuple[Outcome, str]:
    """``every``: what some tests show does not settle it while others are open."""
    shown, against, open_ = ([test for test in tests if test.holds is holds] for holds in (True, False, None))
    if against:
        return "not reproduced", _sentence(against) + (f"; but {_sentence(shown)}" if shown else "")
    if shown and every and open_:
        return "not settled by these runs", f"{_sentence(shown)}; but {_sentence(open_)}"
    if shown:
        return "reproduced", _sentence(shown)
    return "not settled by these runs", _sentence(tests) if tests else nothing


def _sentence(tests: Sequence[Test]) -> str:
    """The evidence, with each reason why something settles nothing said once."""
    by_reason: dict[str, dict[str, None]] = {}
    for test in tests:
        by_reason.setdefault(test.why, {})[test.text] = None
    parts = []
    for why, texts in by_reason.items():
        text = "; ".join(list(texts)[:MOST_TOLD]) + (f"; and {len(texts) - MOST_TOLD} more" * (len(texts) > MOST_TOLD))
        parts.append(f"{why}: {text}" if why else text)
    return "; ".join(parts)


def _tests(name: str, g: ClaimGrounds) -> tuple[list[Test], str]:
    arm = EIGHT_BIT if name.startswith("8bit") else FOUR_BIT
    if name in ("4bit-slower", "8bit-slower"):
        return [_slower(row.measured) for row in _rows_of(g.times, arm)], f"{arm} and its original were not timed"
    if name == "8bit-slower-than-4bit":
        measured = dict.fromkeys(id(row.measured.setting) for row in g.times if row.measured)
        return _eight_against_four(
            [item for item in g.settings if id(item) in measured]
        ), "8-bit and 4-bit were not timed in one setting"
    if name in _NOT_BY_A_RUN:
        return [], _NOT_BY_A_RUN[name]
    if name.startswith("guess"):
        return _guess(name, g.guesses), "the records hold nothing about it"
    if name.startswith("pruned"):
        return _pruned(name, g.pruned), "no layers were removed in these runs"
    if name.endswith("-pass"):
        return _passes(g, arm), "no programs of this arm and its original were judged"
    return _energy(name, g, arm), "no joules were measured for a quantised arm and its original"


def _rows_of(rows: Sequence[TimeRow], arm: str) -> list[TimeRow]:
    return [row for row in rows if row.published.arm == arm and row.measured and row.measured.ratio]


def place(setting: StudySetting) -> str:
    """A setting in few words, for a sentence."""
    gpus = setting.first.environment.gpus
    where = (str(gpus[0].get("name")) if gpus else "a GPU") if setting.on_gpu else "a CPU"
    return f"{setting.coordinate('model')}, {setting.coordinate('new_tokens')} tokens, {where}"


def _bounds(value: Estimate) -> str:
    if value.low is None or value.high is None:
        return f"×{value.value:.2f} [no interval]"
    inside = ", assumed" if value.assumed else ""
    return f"×{value.value:.2f} [{value.low:.2f}, {value.high:.2f}{inside}]"


def above_one(value: Estimate) -> bool | None:
    """Whether a ratio is above 1: None where its interval holds 1 or there is none."""
    if value.low is None or value.high is None or value.low <= 1.0 <= value.high:
        return None
    return value.low > 1.0


def _test(
    setting: StudySetting, holds: bool | None, text: str, *, estimated: str = "", ratio: Estimate | None = None
) -> Test:
    """The answer of an interval, less what this setting cannot show."""
    evidence = f"{text} ({place(setting)})"
    if not setting.on_gpu:
        return Test(None, evidence, "a CPU does not test it")
    if estimated:
        return Test(None, evidence, "joules that are only estimated do not test it")
    return Test(holds, evidence, CANNOT_TELL if holds is None else "", ratio)


def _slower(measured: Measured | None) -> Test:
    assert measured is not None and measured.ratio is not None
    text = f"{measured.scheme} takes {_bounds(measured.ratio)} the time of {measured.reference}"
    return _test(measured.setting, above_one(measured.ratio), text, ratio=measured.ratio)


def _eight_against_four(found: Sequence[StudySetting]) -> list[Test]:
    tests = []
    for setting in found:
        eight, four = time_of(setting, EIGHT_BIT), time_of(setting, FOUR_BIT)
        ratio = ratio_of_means(setting.times(eight.scheme), setting.times(four.scheme)) if eight and four else None
        if eight and four and ratio:
            text = f"{eight.scheme} takes {_bounds(ratio)} the time of {four.scheme}"
            tests.append(_test(setting, above_one(ratio), text, ratio=ratio))
    return tests


def _energy(name: str, g: ClaimGrounds, arm: str) -> list[Test]:
    if name == "energy-less-than-time":
        return [test for row in g.energies if row.measured and (test := _less_than_time(row.measured))]
    tests = []
    arms = (FOUR_BIT, EIGHT_BIT) if name == ALWAYS else (arm,)
    for row in g.energies:
        if name == ALWAYS and row.published.arm in arms and row.measured is None:
            told = f"{row.published.arm} {row.published.model}/{row.published.tokens}"
            tests.append(Test(None, told, "not measured"))
        if row.published.arm in arms and row.measured and row.measured.ratio and row.published_range:
            m, ratio, range_ = row.measured, row.measured.ratio, row.published_range
            of_size = name.endswith("-size")
            holds = within(ratio, range_.low, range_.high) if of_size else above_one(ratio)
            text = f"{m.scheme} needs {_bounds(ratio)} the joules per token of {m.reference} by {m.source}"
            tests.append(_test(m.setting, holds, text, estimated=m.estimated, ratio=None if of_size else ratio))
    return tests


def within(ratio: Estimate, low: float, high: float) -> bool | None:
    """Whether a ratio lies between two bounds: None where its interval lies across one or there is none."""
    if ratio.low is None or ratio.high is None:
        return None
    if low <= ratio.low and ratio.high <= high:
        return True
    return False if ratio.high < low or ratio.low > high else None


def _less_than_time(m: Measured) -> Test | None:
    """Power over the reference's is energy over time: below 1 where energy rises less than time."""
    setting = m.setting
    times, base = setting.token_times(m.scheme), setting.token_times(m.reference)
    slower = ratio_of_means(times, base)
    if slower is None or m.ratio is None or m.scheme == m.reference:
        return None
    text = f"{m.scheme}: energy {_bounds(m.ratio)}, time {_bounds(slower)}"
    known = [slower.low, slower.high, m.ratio.low, m.ratio.high]
    holds: bool | None = None
    if None not in known:
        e, t = m.ratio, slower
        holds = True if e.high < t.low else False if e.low > t.high else None  # type: ignore[operator]
    return _test(setting, holds, text, estimated=m.estimated)


def _passes(g: ClaimGrounds, arm: str) -> list[Test]:
    margin = g.published.largest_change
    tests = []
    for row in g.scores:
        change, setting = row.change_plus, row.setting
        if row.published.arm != arm or change is None or setting is None or row.plus is None:
            continue
        text = (
            f"{row.scheme} changes HumanEval+ by {100 * change.value:+.1f} points "
            f"[{100 * change.low:+.1f}, {100 * change.high:+.1f}] on {change.tasks} tasks "
            f"({place(setting)})"
        )
        why = writes_nothing(setting) or ("" if row.plus.share - change.value > 0 else "the original passes no task")
        inside = -margin <= change.low and change.high <= margin
        outside = change.high < -margin or change.low > margin
        if why:
            tests.append(Test(None, text, why))
        elif inside or outside:
            tests.append(Test(inside, text))
        else:
            tests.append(Test(None, text, CANNOT_TELL))
    return tests


def writes_nothing(setting: StudySetting) -> str:
    """Why this model's scores say nothing about a model's quality, or ""."""
    if setting.label.startswith("random"):
        return "random weights write no programs"
    if setting.label.startswith("memorised"):
        return "the tiny checkpoint knows its prompts by heart, so its scores are no quality"
    return ""


def _pruned(name: str, series: Sequence[PrunedSeries]) -> list[Test]:
    if name == "pruned-to-zero":
        return [test for one in series if not one.study_name.startswith("Phi") for test in _zero(one)]
    if name == "pruned-phi2":
        return [test for one in series if one.study_name.startswith("Phi") for test in _steady_loss(one)]
    return [test for one in series for test in _less_energy(one)]


def _zero(one: PrunedSeries) -> Iterable[Test]:
    whole = next((point.plus for point in one.points if point.removed == 0), None)
    for point in one.points:
        if point.removed == AT_ZERO and point.plus is not None:
            text = f"{point.plus.share:.1%} of {point.plus.tasks} tasks pass without {AT_ZERO} layers"
            text += f" ({place(point.setting)})"
            why = writes_nothing(point.setting)
            if not why and not one.study_name:
                why = "another model than StarCoder2"
            if not why and not (whole and whole.share):
                why = "the whole model passes no task either, or was not judged"
            yield Test(None, text, why) if why else Test(point.plus.share == 0, text)


def _steady_loss(one: PrunedSeries) -> Iterable[Test]:
    whole = next((point.plus for point in one.points if point.removed == 0), None)
    for point in one.points:
        if point.removed == 1 and point.plus and whole and whole.share:
            kept = 1 - PHI2_LOSS
            low, high = point.plus.low / whole.share, point.plus.high / whole.share
            text = f"{point.plus.share / whole.share:.0%} [{low:.0%}, {high:.0%}] of pass@1 stay without one layer"
            why = writes_nothing(point.setting) or (CANNOT_TELL if low <= kept <= high else "")
            yield Test(None, text, why) if why else Test(False, text)


def _less_energy(one: PrunedSeries) -> Iterable[Test]:
    points = [point for point in one.points if point.energy_ratio is not None]
    if points:
        last = points[-1]
        assert last.energy_ratio is not None
        more = above_one(last.energy_ratio)
        text = f"without {last.removed} layers {_bounds(last.energy_ratio)} the joules per token"
        yield _test(last.setting, None if more is None else not more, text, estimated=one.estimated)


def _guess(name: str, guesses: Iterable[tuple[Judged, bool]]) -> list[Test]:
    answers: dict[str, bool | None] = {"supported": True, "refuted": False}
    tests = []
    for guess, on_gpu in ((item, gpu) for item, gpu in guesses if item.paper == name):
        text = f"{guess.id} {guess.verdict}: " + ("; ".join(guess.evidence[:MOST_TOLD]) or "no evidence")
        if not on_gpu:
            tests.append(Test(None, text, "a CPU does not test it"))
        else:
            why = CANNOT_TELL if guess.verdict == "ambiguous" else ""
            tests.append(Test(answers.get(guess.verdict), text, why))
    return tests

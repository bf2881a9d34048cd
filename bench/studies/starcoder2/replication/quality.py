"""pass@1 beside the study's, the change from the original task by task, and the joules that a passed task costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from bench.analysis.statistics import CONFIDENCE, Estimate, estimate
from bench.quality.analysis.passing import wilson
from bench.record.schema import Record

from ..published import Published, PublishedRow
from .rows import held_against
from .settings import JouleSource, StudySetting, but_stop


@dataclass(frozen=True)
class Score:
    """``share`` of ``tasks`` that passed (mean over repeats) with Wilson's interval over other such tasks."""

    share: float
    low: float
    high: float
    tasks: int
    repeats: int


@dataclass(frozen=True)
class PassChange:
    """The share less the original's on the same tasks. Interval: Agresti & Min 2005 (Statistics in Medicine 24), which
    half-counts each outcome, so that no difference in few tasks is not taken for certainty."""

    value: float
    low: float
    high: float
    tasks: int


@dataclass(frozen=True)
class PassRow:
    """One arm's scores. ``joules_per_pass``: J/token × tokens ÷ tasks passed on HumanEval+; its interval is that of the
    joules alone. ``missing`` says why there are no scores; ``cost_note`` why there is no cost, or what of it is guessed
    rather than measured."""

    published: PublishedRow
    setting: StudySetting | None = None
    scheme: str = ""
    base: Score | None = None
    plus: Score | None = None
    change_plus: PassChange | None = None
    joules_per_pass: Estimate | None = None
    cost_note: str = ""
    missing: str = ""


def pass_rows(published: Published, found: Sequence[StudySetting]) -> tuple[PassRow, ...]:
    sides = held_against(published, found)
    rows: list[PassRow] = []
    for row in published.rows:
        judged = [s for s in sides.get((row.model, row.tokens), ()) if judged_scheme(s, row.arm)]
        rows += [_row(row, setting, found) for setting in judged] or [
            PassRow(row, missing="no programs were judged for it")
        ]
    return tuple(rows)


def judged_scheme(setting: StudySetting, arm: str) -> str | None:
    scheme = setting.scheme_of(arm, "quality")
    return scheme if scheme and setting.records(scheme, "quality") else None


def _row(row: PublishedRow, setting: StudySetting, found: Sequence[StudySetting]) -> PassRow:
    scheme = judged_scheme(setting, row.arm) or ""
    own = setting.records(scheme, "quality")
    base = setting.records(setting.reference or "", "quality") if scheme != setting.reference else ()
    cost, why = joules_per_pass(setting, scheme, found)
    return PassRow(
        row, setting, scheme, score(own, "passed_base"), score(own, "passed_plus"),
        change(own, base, "passed_plus"), cost, why,
    )  # fmt: skip


def by_task(records: Sequence[Record], metric: str) -> dict[str, float]:
    """Task → share of repeats that passed it."""
    found: dict[str, list[float]] = {}
    for record in records:
        names = record.setup.get("tasks") or ()
        for name, value in zip(names, record.values(metric), strict=False):
            found.setdefault(str(name), []).append(value)
    return {name: math.fsum(values) / len(values) for name, values in found.items()}


def score(records: Sequence[Record], metric: str) -> Score | None:
    tasks = by_task(records, metric)
    if not tasks:
        return None
    share = math.fsum(tasks.values()) / len(tasks)
    low, high = wilson(round(share * len(tasks)), len(tasks), CONFIDENCE)
    return Score(share, low, high, len(tasks), len(records))


def change(records: Sequence[Record], reference: Sequence[Record], metric: str) -> PassChange | None:
    """None where the two have no task in common."""
    own, base = by_task(records, metric), by_task(reference, metric)
    return paired_change([own[name] - base[name] for name in own if name in base])


def paired_change(apart: Sequence[float]) -> PassChange | None:
    """The mean of differences task by task; None where there is none."""
    if not apart:
        return None
    total, count = math.fsum(apart), len(apart) + 2
    middle = total / count
    spread = (math.fsum(value * value for value in apart) + 1) / count - middle * middle
    reach = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2) * math.sqrt(spread / count)
    return PassChange(total / len(apart), max(-1.0, middle - reach), min(1.0, middle + reach), len(apart))


def joules_per_pass(setting: StudySetting, scheme: str, found: Sequence[StudySetting]) -> tuple[Estimate | None, str]:
    """The joules of all tasks over the tasks passed, with what of them is guessed; or why they are not known."""
    samples, judged = setting.records(scheme, "samples"), setting.records(scheme, "quality")
    tokens = [math.fsum(record.values("tokens_generated")) for record in samples if record.values("tokens_generated")]
    joules = _joules(setting, scheme, found)
    if joules is None or not tokens:
        return None, "no joules were measured" if joules is None else "no token counts"
    passed = math.fsum(by_task(judged, "passed_plus").values())
    if not passed:
        return None, "no task passed"
    each = estimate(joules.values, statistic="mean")
    return each.times(math.fsum(tokens) / len(tokens) / passed), joules.estimated


def _joules(setting: StudySetting, scheme: str, found: Sequence[StudySetting]) -> JouleSource | None:
    """J/token of the scheme here, or where only the way to stop differs."""
    alike = [setting, *(other for other in found if but_stop(other) == but_stop(setting))]
    for candidate in alike:
        joules = candidate.joules(scheme)
        if joules:
            return joules[0]
    return None

"""All that the study's claims are judged by, computed once; and how a judgement is made and told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from bench.analysis.statistics import Estimate

from ..published import EIGHT_BIT, FOUR_BIT, Published, Statement
from . import caches, host, passes, pruned
from .data import SETTINGS, Raw
from .joules import SettingJoules, between_nodes, settings

Outcome = Literal["stands", "falls", "cannot be told from these data"]
CANNOT: Outcome = "cannot be told from these data"
QUANTISED = (FOUR_BIT, EIGHT_BIT)
GPU_ALONE, WHOLE_NODE = "GPU alone", "GPU and whole node"
Ratio = Callable[[SettingJoules, str], Estimate]


@dataclass(frozen=True)
class ClaimReading:
    """One way to read a claim, with an outcome of its own. ``name``: "" where there is one way."""

    name: str
    outcome: Outcome
    evidence: str


@dataclass(frozen=True)
class RawClaim:
    statement: Statement
    readings: tuple[ClaimReading, ...]


@dataclass(frozen=True, eq=False)
class Grounds:
    """What is needed for a judgement. Two arms ran on two nodes, so that a ratio of joules settles something only where
    it lies beyond what one arm differs by between two nodes: ``gpu_nodes`` and ``all_nodes``."""

    raw: Raw
    published: Published

    @cached_property
    def settings(self) -> tuple[SettingJoules, ...]:
        return settings(self.raw)

    @cached_property
    def cells(self) -> tuple[passes.PassesCell, ...]:
        return passes.cells(self.raw, self.published)

    @cached_property
    def host(self) -> tuple[host.HostBound, ...]:
        return host.host_bound(self.raw, SETTINGS, QUANTISED)

    @cached_property
    def misses(self) -> tuple[caches.Misses, ...]:
        return caches.misses(self.raw)

    @cached_property
    def pruned(self) -> tuple[pruned.PrunedRaw, ...]:
        return pruned.pruned(self.raw)

    @cached_property
    def gpu_nodes(self) -> float:
        return between_nodes(self.settings, lambda run: run.run.gpu)

    @cached_property
    def all_nodes(self) -> float:
        return between_nodes(self.settings, lambda run: run.total)


# What holds claims against the grounds.
Judge = Callable[[Grounds], Iterable[ClaimReading]]


def overall(found: Iterable[bool | None]) -> Outcome:
    """One setting that contradicts for sure lets a claim fall; all that show it let it stand."""
    answers = list(found)
    if False in answers:
        return "falls"
    return "stands" if answers and all(answers) else CANNOT


def above(value: Estimate, margin: float = 1.0) -> bool | None:
    """Whether a ratio lies above 1 by more than ``margin``; False: below it by more; None: neither is sure."""
    if value.low is None or value.high is None:
        return None
    return True if value.low > margin else False if value.high < 1 / margin else None


def below(value: Estimate, margin: float = 1.0) -> bool | None:
    answer = above(value, margin)
    return None if answer is None else not answer


def within(value: Estimate, low: float, high: float) -> bool | None:
    """Whether a ratio lies between two bounds: None where its interval lies across one."""
    if value.low is None or value.high is None:
        return None
    return True if low <= value.low and value.high <= high else False if value.high < low or value.low > high else None


def name_of(model: str, tokens: int) -> str:
    """3B/128: a setting in a sentence."""
    return f"{model.removeprefix('StarCoder2-')}/{tokens}"


def times(value: Estimate) -> str:
    return f"×{value.value:.2f} [{value.low:.2f}, {value.high:.2f}]"


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def by_setting(found: Sequence[SettingJoules], what: Ratio, arm: str) -> str:
    return ", ".join(f"{name_of(one.model, one.tokens)} {times(what(one, arm))}" for one in found)

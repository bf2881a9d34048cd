"""Reads the table of classes: the cause of a kernel or an operator, from its name and what is around it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.record import causes
from bench.record.timeline import Timeline

from . import class_table
from .class_table import Rule

if TYPE_CHECKING:
    from ..timeline import Analysis

Names = tuple[str, ...]
_VERSION = re.compile(r"^(<|>=)\s*(\d+(?:\.\d+)*)$")


@dataclass(frozen=True)
class Operator:
    """What decides about an operator. ``around``: the operators around it, outermost first; ``after``: the next one
    beside it, or ""; ``ranges``: around it, outermost first; ``calls``: whether it calls other operators."""

    name: str
    around: Names
    ranges: Names
    after: str = ""
    calls: bool = False


@dataclass(frozen=True)
class Classified:
    """``cause`` of what an operator does; ``glue``: its own time is Python between the operators that it calls."""

    cause: str
    glue: bool = False


class _Compiled:
    """One rule with its patterns ready."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.answer = Classified(rule.cause, rule.glue)
        self.name = _search(rule.name)
        self.within, self.outside_of = _any(rule.within), _any(rule.outside_of)
        self.range, self.no_range = _any(rule.range), _any(rule.no_range)
        self.followed_by = _search(rule.followed_by)

    def fits(self, name: str, operators: Names, ranges: Names, after: str, *, outermost: bool) -> bool:
        rule = self.rule
        if rule.outermost and not outermost:
            return False
        if (rule.name and not self.name(name)) or (rule.followed_by and not self.followed_by(after)):
            return False
        if (rule.within and not self.within(operators)) or (rule.range and not self.range(ranges)):
            return False
        return not ((rule.outside_of and self.outside_of(operators)) or (rule.no_range and self.no_range(ranges)))


def _search(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda text: compiled.search(text) is not None


def _any(pattern: str) -> Callable[[Names], bool]:
    search = _search(pattern)
    return lambda texts: any(map(search, texts))


class Classes:
    """The table for one version of bitsandbytes (None: not known, so that no rule is left out). ``rules``: others than
    the table's."""

    def __init__(self, bitsandbytes: str | None = None, rules: Sequence[Rule] | None = None) -> None:
        rules = class_table.RULES if rules is None else rules
        known = self.rules = tuple(rule for rule in rules if _applies(rule.bitsandbytes, bitsandbytes))
        self._kernel_rules = [_Compiled(rule) for rule in known if rule.on in ("kernel", "both")]
        self._operator_rules = [_Compiled(rule) for rule in known if rule.on in ("operator", "both")]
        self._kernels: dict[tuple[str, Names, Names], str] = {}
        self._operators: dict[tuple[Operator, Classified | None], Classified] = {}

    def kernel(self, name: str, operators: Names, ranges: Names) -> str:
        """The cause of a kernel launched inside ``operators`` and ``ranges`` (outermost first); ``other``: unknown."""
        key = (name, operators, ranges)
        if key not in self._kernels:
            found = (r.answer.cause for r in self._kernel_rules if r.fits(name, operators, ranges, "", outermost=False))
            self._kernels[key] = next(found, causes.OTHER)
        return self._kernels[key]

    def operator(self, operator: Operator, parent: Classified | None) -> Classified:
        """The cause of an operator; one that no rule knows is part of what called it (``parent``: its answer)."""
        key = (operator, parent)
        if key not in self._operators:
            self._operators[key] = self._operator(operator, parent)
        return self._operators[key]

    def _operator(self, operator: Operator, parent: Classified | None) -> Classified:
        if parent is not None and operator.around and operator.around[-1] == operator.name:
            return Classified(parent.cause)  # the same operator's inner variant
        where = (operator.name, operator.around, operator.ranges, operator.after)
        rules = (rule for rule in self._operator_rules if rule.rule.calls in (None, operator.calls))
        found = next((rule.answer for rule in rules if rule.fits(*where, outermost=parent is None)), None)
        if found is not None:
            return found
        return Classified(parent.cause) if parent is not None else Classified(causes.OTHER)

    @cached_property
    def causes(self) -> tuple[str, ...]:
        """All causes that the table names."""
        return tuple(dict.fromkeys(item.answer.cause for item in (*self._kernel_rules, *self._operator_rules)))


def exchanging(timeline: Timeline) -> NDArray[np.bool_]:
    """[kernels] whether each is an exchange between GPUs."""
    named = np.array([re.search(class_table.EXCHANGE, text) is not None for text in timeline.strings], bool)
    found: NDArray[np.bool_] = named[timeline.kernels.name]
    return found


def classes_of(analysis: Analysis, bitsandbytes: str | None = None) -> Classes:
    """The table for one trace: the user's own rules first."""
    return Classes(bitsandbytes, (*analysis.rules, *class_table.RULES))


def table_for(bitsandbytes: str | None) -> Classes:
    """Today's table, made once for each version: what it was asked before it knows at once."""
    return _made(bitsandbytes, class_table.RULES)


_made = lru_cache(8)(Classes)


def rules_said() -> str:
    """12 digits that name today's table: another one, or other rules in it, have others."""
    return hashlib.sha256(repr(class_table.RULES).encode()).hexdigest()[:12]


def _applies(wanted: str, version: str | None) -> bool:
    if not wanted or version is None:
        return True
    match = _VERSION.match(wanted)
    if match is None:
        raise ValueError(f"not a version condition: {wanted!r}")
    below = _numbers(version) < _numbers(match[2])
    return below if match[1] == "<" else not below


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])

"""What several sections share: names and captions of figures, and rows with the label of their setting."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from bench.analysis.generation import GenerationGroup, GenerationRow
from bench.analysis.grouping import Coordinates
from bench.report.analysed import Analysed
from bench.report.content import Column, FigureSpec
from bench.report.overview import main_groups
from bench.report.words import interval_text, setting_text, short_labels, span

SETTING, SCHEME = Column("Setting"), Column("Scheme")
MOST_FIGURES = 4
BARS = "95 % interval"


def numbered(base: str, index: int) -> str:
    """The name of the ``index``-th figure of its kind, from 0."""
    return base if index == 0 else f"{base}-{index + 1}"


def figures_of_settings(
    analysed: Analysed,
    name: str,
    words: tuple[str, str],
    draw: Callable[[GenerationGroup], Any],
    *,
    note: Callable[[GenerationGroup], str] = lambda _: "",
    has: Callable[[GenerationRow], object] = lambda _: True,
) -> tuple[FigureSpec, ...]:
    """One figure for each model's first setting. ``words``: its title, and what it shows; ``note``: what the caption of
    a setting adds; ``has``: whether a row has anything to draw: a setting without such a row has no figure."""
    title, what = words
    return tuple(
        FigureSpec(
            numbered(name, place), title, caption(what, group, analysed.machine) + note(group), partial(draw, group)
        )
        for place, group in enumerate(main_groups(analysed.generation)[:MOST_FIGURES])
        if any(map(has, group.rows))
    )


def caption(what: str, group: GenerationGroup, machine: str) -> str:
    """What a figure of one setting shows, where, and how often it was measured."""
    rows = group.rows
    repeats, calls = [row.repeats for row in rows], [row.calls // max(row.repeats, 1) for row in rows]
    tokens = dict(group.setting).get("new_tokens")
    each = f" × {tokens} new tokens" if tokens else ""
    return (
        f"{what} Setting: {setting_text(group.setting)}. Machine: {machine}. "
        f"How often: {times(repeats, 'repeat')} (fresh processes) × {times(calls, 'call')}{each} per scheme. "
        f"{interval_text(row.time_ratio or row.decode_rate for row in rows)}."
    )


def times(counts: Sequence[int], noun: str) -> str:
    """Such as "3–5 repeats"."""
    return f"{span(counts)} {noun}{'' if set(counts) == {1} else 's'}"


def each_row(groups: Sequence[GenerationGroup]) -> Iterable[tuple[str, GenerationGroup, GenerationRow]]:
    """Every row with its group, and what tells the group's setting from the others."""
    labels: dict[Coordinates, str] = short_labels([group.setting for group in groups])
    return [(labels[group.setting], group, row) for group in groups for row in group.rows]

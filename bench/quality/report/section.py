"""The sections on what an arm is worth: quality, the trade-off, and where quantising lowers joules.

A report without judged programs or likelihoods has none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from bench.quality.analysis import summary as quality
from bench.quality.analysis.summary import QualityGroup
from bench.quality.tradeoff.page import signmap_section, tradeoff_section
from bench.quality.tradeoff.signmap import signmap
from bench.quality.tradeoff.tradeoff import tradeoffs
from bench.record.origin import block_of
from bench.report.analysed import Analysed, Attached, on_hardware
from bench.report.content import FigureSpec, Section
from bench.report.words import assumed_bars, setting_text

from . import figure as figure_quality
from . import tables as tables

MOST_FIGURES = 4


def of_run(analysed: Analysed) -> Attached | None:
    """All of them; None where the run holds no programs, but a sweep has its sign map."""
    groups = _groups(analysed)
    if not groups and not any(map(block_of, analysed.records)):
        return None
    spots = signmap(analysed.records, reference=analysed.reference, measured=analysed.energy)
    if not groups:
        return Attached("ledgers", lambda _: (signmap_section(spots),))
    weighed = tradeoffs(
        analysed.records, reference=analysed.reference, generated=analysed.generation, measured=analysed.energy
    )

    def sections(whole: Analysed) -> tuple[Section | None, ...]:
        return quality_section(groups, whole), tradeoff_section(weighed), signmap_section(spots)

    return Attached("ledgers", sections)


def _groups(analysed: Analysed) -> tuple[QualityGroup, ...]:
    """By hardware where there are several: joules per passed task are those of the machine."""
    if len(analysed.parts) < 2:
        return quality.summarise(analysed.records, reference=analysed.reference, joules_of=analysed.energy)
    return tuple(
        replace(group, setting=on_hardware(group.setting, part.name))
        for part in analysed.parts
        for group in quality.summarise(part.records, reference=analysed.reference)
    )


def quality_section(groups: Sequence[QualityGroup], analysed: Analysed) -> Section:
    """Tables for every family, and a figure for each that layers were removed from."""
    found = (tables.quality(groups), tables.costs(groups), tables.against(groups), tables.pruning(groups))
    figures = tuple(
        FigureSpec(
            "pruning" if place == 0 else f"pruning-{place + 1}",
            "Quality and energy over layers removed",
            _caption(group, analysed),
            partial(figure_quality.pruning, group),
        )
        for place, group in enumerate([group for group in groups if tables.pruned(group)][:MOST_FIGURES])
    )
    return Section("quality", "Quality", figures=figures, tables=tuple(item for item in found if item))


def _caption(group: QualityGroup, analysed: Analysed) -> str:
    tasks = max(row.tasks for row in group.rows)
    return (
        "Measured: share of tasks passed by one greedy program each, and joules per task that passed; no energy where "
        f"none passed. Vertical bars: 95 % interval. Setting: {setting_text(group.setting)}. "
        f"Machine: {analysed.machine}. How often: {tasks} tasks per point."
        f"{assumed_bars(row.energy_per_passed for row in group.rows)}"
    )

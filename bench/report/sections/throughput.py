"""How fast each scheme decodes: rates, ratios and verdicts, over batch sizes, and checkpoints against each other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from bench.analysis.across import Across
from bench.analysis.generation import GenerationGroup, GenerationRow
from bench.report import units
from bench.report.analysed import Analysed
from bench.report.content import Cell, Column, FigureSpec, Row, Section, Table, drop_uniform, table
from bench.report.figures import dots, legend_below, linear_ticks, log_ticks, panels, ratio_ticks, unity_band
from bench.report.palette import colour, marker
from bench.report.words import (
    TONES,
    assumed_bars,
    chance_note,
    interval_text,
    ratio_cell,
    setting_text,
    short_labels,
    verdict_cell,
)

from .common import (
    BARS,
    MOST_FIGURES,
    SCHEME,
    SETTING,
    caption,
    each_row,
    figures_of_settings,
    numbered,
)


def section(analysed: Analysed) -> Section | None:
    """A figure for each model's first setting, rates over batch sizes, and every setting in tables."""
    if not analysed.generation:
        return None
    what = f"Measured: decode tokens per second, prefill left out. Bars: {BARS}. Grey band: counts as the same."
    figures = figures_of_settings(
        analysed,
        "throughput",
        ("Decode throughput per scheme", what),
        throughput_figure,
        note=lambda group: assumed_bars(row.decode_rate for row in group.rows),
    )
    matrix = matrix_table(analysed.generation)
    checkpoints = across_table(analysed.across)
    found = (*(one for one in (matrix, checkpoints) if one), throughput_table(analysed.generation))
    return Section("throughput", "Decode throughput", figures=(*figures, *_over_batch(analysed)), tables=found)


def _over_batch(analysed: Analysed) -> list[FigureSpec]:
    families: dict[tuple[object, ...], list[GenerationGroup]] = {}
    for group in analysed.generation:
        if dict(group.setting).get("batch_size"):
            key = tuple(item for item in group.setting if item[0] != "batch_size")
            families.setdefault(key, []).append(group)
    what = f"Measured: decode tokens per second of the whole batch. Vertical bars: {BARS}."
    swept = [groups for groups in families.values() if len(groups) > 1]
    return [
        FigureSpec(
            numbered("throughput-over-batch", i),
            "Decode throughput over batch size",
            caption(what, groups[0], analysed.machine).replace(
                f"batch {dict(groups[0].setting)['batch_size']}", "all batches"
            )
            + assumed_bars(row.decode_rate for group in groups for row in group.rows),
            partial(over_batch_figure, groups),
        )
        for i, groups in enumerate(swept[:MOST_FIGURES])
    ]


def throughput_table(groups: Sequence[GenerationGroup]) -> Table:
    """Decode and end-to-end rates, and what was produced."""
    columns = (
        SETTING,
        SCHEME,
        Column("Decode", right=True),
        Column("Time ÷ reference", right=True),
        Column("Verdict"),
        Column("End to end", right=True, detail=True),
        Column("Tokens / asked", right=True, detail=True),
        Column("Runs × calls", right=True, detail=True),
    )
    rows = [(label, *_throughput_row(row, group)) for label, group, row in each_row(groups)]
    found = [row for _, _, row in each_row(groups)]
    note = interval_text(row.decode_rate for row in found) + "."
    note += chance_note((row.scheme, row.time_ratio, row.verdict) for row in found)
    return drop_uniform(table("Decode throughput", columns, rows, note), "Setting")


def _throughput_row(row: GenerationRow, group: GenerationGroup) -> Row:
    asked = units.ABSENT if row.tokens_requested is None else f"{row.tokens_requested:.0f}"
    made = units.ABSENT if row.tokens_produced is None else f"{row.tokens_produced:.0f}"
    return (
        row.scheme,
        units.estimate(row.decode_rate, "tok/s"),
        ratio_cell(row.time_ratio, row.scheme == group.reference),
        verdict_cell(row.verdict),
        units.estimate(row.end_to_end_rate, "tok/s"),
        Cell(f"{made} / {asked}", "bad" if row.short else ""),
        f"{row.repeats} × {row.calls // max(row.repeats, 1)}",
    )


def matrix_table(groups: Sequence[GenerationGroup]) -> Table | None:
    """Every setting against every scheme; None where there is one setting only."""
    if len(groups) < 2:
        return None
    labels = short_labels([group.setting for group in groups])
    references = list(dict.fromkeys(str(group.reference) for group in groups))
    schemes = list(dict.fromkeys(row.scheme for group in groups for row in group.rows if row.scheme != group.reference))
    columns = (Column("Scheme"), *(Column(labels[group.setting], right=True) for group in groups))
    found = [{row.scheme: row for row in group.rows} for group in groups]
    rows: list[tuple[Cell | str, ...]] = [
        (scheme, *(_matrix_cell(known.get(scheme)) for known in found)) for scheme in schemes
    ]
    return table(f"Every setting: decode time per token ÷ {' or '.join(references)}", columns, rows)


def _matrix_cell(row: GenerationRow | None) -> Cell:
    if row is None:
        return Cell("not run", "muted")
    if row.verdict is None:
        return Cell("–", "muted")
    return Cell(f"{row.verdict} {units.ratio(row.time_ratio)}", TONES[row.verdict])


def across_table(found: Sequence[Across]) -> Table | None:
    """A row per checkpoint that has no unquantised scheme of its own; None where there is none."""
    columns = (
        Column("Checkpoint"), Column("Scheme"), Column("Its weights"), Column("Against"), Column("Verdict"),
        Column("Time per token ÷ that", right=True), Column("Setting", detail=True),
    )  # fmt: skip
    rows = [
        (
            one.model, one.scheme, one.label or units.ABSENT, f"{one.reference} of {one.reference_model}",
            verdict_cell(one.verdict), units.ratio(one.ratio), setting_text(one.setting),
        )
        for one in found
    ]  # fmt: skip
    note = "Two checkpoints, not two schemes of one: their weights, and the tokens of their prompts, may differ."
    return table("Checkpoints against each other", columns, rows, note) if rows else None


def throughput_figure(group: GenerationGroup) -> Any:
    """Decode rate per scheme, and below it the time per token over the reference's, each with its interval."""
    names = [row.scheme for row in group.rows]
    compared = [row for row in group.rows if row.time_ratio is not None]
    parts = 2 if compared else 1
    heights = [len(names) + 1.6, len(compared) + 1.8][:parts]

    def draw(_figure: Any, axes: Any) -> None:
        top = axes[0, 0]
        dots(top, names, [row.decode_rate for row in group.rows], lambda value: units.si(value.value, "tok/s"))
        top.set_xlim(left=0)
        top.set_title("Decode throughput, tok/s (right is better)")
        linear_ticks(top, "x", "tok/s")
        if compared:
            below = axes[1, 0]
            unity_band(below)
            dots(below, [row.scheme for row in compared], [row.time_ratio for row in compared], units.ratio)
            below.set_xscale("log")
            _room(below)
            ratio_ticks(below)
            below.set_title(f"Time per token ÷ {group.reference} (right of the line is slower)")

    return panels(parts, 1, 0.30 * sum(heights) + 0.5, draw, height_ratios=heights)


def _room(axes: Any) -> None:
    """At least ±10 % around equality, so that noise does not fill the width."""
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, 0.9), max(high, 1.11))


def over_batch_figure(groups: Sequence[GenerationGroup]) -> Any:
    """Decode rate over batch size, one line per scheme, with intervals."""
    ordered = sorted(groups, key=_batch)
    names = list(dict.fromkeys(row.scheme for group in ordered for row in group.rows))

    def draw(figure: Any, axes: Any) -> None:
        panel = axes[0, 0]
        for name in names:
            points = [
                (_batch(group), row.decode_rate)
                for group in ordered
                for row in group.rows
                if row.scheme == name and row.decode_rate is not None
            ]
            _line(panel, name, colour(name, names), points)
        panel.set_xscale("log", base=2)
        panel.set_yscale("log")
        sizes = sorted({_batch(group) for group in ordered})
        panel.set_xticks(sizes, [str(size) for size in sizes])
        panel.minorticks_off()
        log_ticks(panel, "y", "tok/s")
        panel.set_xlabel("batch size")
        panel.set_title("Decode throughput of the whole batch, tok/s")
        legend_below(figure, panel)

    return panels(1, 1, 3.6, draw)


def _batch(group: GenerationGroup) -> int:
    """One sequence where the Case does not say how many."""
    return int(dict(group.setting).get("batch_size") or 1)


def _line(panel: Any, name: str, shade: str, points: Sequence[tuple[Any, Any]]) -> None:
    sizes = [size for size, _ in points]
    panel.plot(sizes, [rate.value for _, rate in points], marker=marker(name), color=shade, label=name, markersize=5)
    for size, rate in points:
        if rate.low is not None:
            panel.plot([size, size], [rate.low, rate.high], color=shade, linewidth=2.2)

"""Layer by layer: what one Linear takes, over the number of rows, beside what its traffic allows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from bench.analysis.ceilings import Ceilings
from bench.analysis.matmul import SHORT, MatmulRow
from bench.report import units
from bench.report.analysed import Analysed
from bench.report.content import Cell, Column, FigureSpec, Row, Section, Table, table
from bench.report.figures import legend_below, log_ticks, panels
from bench.report.palette import SOFT, colour, marker
from bench.report.svg import tell
from bench.report.words import TONES, assumed_bars, ratio_cell, span, verdict_cell

from .common import SCHEME, numbered

MOST_LAYERS = 6


def section(analysed: Analysed) -> Section | None:
    """A figure and two tables for each model, and what the machine can do."""
    if not analysed.matmul:
        return None
    figures: list[FigureSpec] = []
    made: list[Table] = []
    for model, device in dict.fromkeys((row.model, row.device) for row in analysed.matmul):
        rows = [row for row in analysed.matmul if (row.model, row.device) == (model, device)]
        figures.append(_figure(analysed, rows, len(figures)))
        made += [glance_table(rows), matmul_table(rows)]
    limits = ceilings_table(analysed.ceilings)
    text = () if limits else ("The machine's ceilings were not measured, so no bound can be drawn.",)
    return Section("matmul", "Layer by layer", text, tuple(figures), (*((limits,) if limits else ()), *made))


def _figure(analysed: Analysed, rows: Sequence[MatmulRow], index: int) -> FigureSpec:
    linear = [row for row in rows if row.op == "linear"] or list(rows)
    layers = shapes(linear)
    shown = layers[-MOST_LAYERS:]
    left = f" The {len(layers) - len(shown)} smallest shapes are in the table only." if len(layers) > len(shown) else ""
    kinds = ", ".join(sorted({row.traffic.label for row in linear if row.traffic})) or "no model"
    calls = span(row.time.samples for row in linear)
    caption = (
        f"Measured: one Linear forward, median; vertical bars: 95 %. Dashed, same colour: the least time that the "
        f"traffic ({kinds}) allows at the measured copy speed, shaded where the traffic "
        "model gives a range. A small weight "
        f"can beat it when hot, because it stays in the cache. Model {rows[0].model}. "
        f"Machine: {analysed.machine}. How often: {calls} calls in "
        f"{span(row.time.repeats for row in linear)} process(es) per point.{left}"
        f"{assumed_bars(row.time for row in linear)}"
    )
    name = numbered("matmul", index)
    return FigureSpec(name, "Time of a Linear over m", caption, partial(matmul_figure, linear, shown))


def glance_table(rows: Sequence[MatmulRow]) -> Table:
    """Time over the reference's for each layer at the least, a middle and the most rows, where the weights come from
    memory as they do in decoding (cold), else hot."""
    linear = [row for row in rows if row.op == "linear"]
    residency = "cold" if any(row.residency == "cold" for row in linear) else "hot"
    chosen = [row for row in linear if row.residency == residency and row.m in _few(linear)]
    schemes = [
        name for name in dict.fromkeys(row.scheme for row in chosen) if name not in {r.reference for r in chosen}
    ]
    columns = (Column("Layer (n × k)"), Column("m", right=True), *(Column(name, right=True) for name in schemes))
    places = dict.fromkeys((row.layer, row.n, row.k, row.m) for row in chosen)
    found = {(row.layer, row.n, row.k, row.m, row.scheme): row for row in chosen}
    body: list[Row] = [
        (
            f"{place[0]} ({place[1]} × {place[2]})",
            str(place[3]),
            *(_glance_cell(found.get((*place, s))) for s in schemes),
        )
        for place in places
        if any((*place, scheme) in found for scheme in schemes)
    ]
    reference = ", ".join(dict.fromkeys(str(row.reference) for row in chosen if row.reference))
    title = f"One Linear, {residency} weights: time ÷ {reference or 'reference'}"
    return table(title, columns, body, "m: rows of activations, the batch size when decoding. Above 1: slower.")


def _few(rows: Sequence[MatmulRow]) -> set[int]:
    sizes = sorted({row.m for row in rows})
    return {sizes[0], sizes[len(sizes) // 2], sizes[-1]} if sizes else set()


def _glance_cell(row: MatmulRow | None) -> Cell:
    if row is None or row.verdict is None:
        return Cell(units.ABSENT, "muted")
    return Cell(units.ratio(row.time_ratio), TONES[row.verdict])


def matmul_table(rows: Sequence[MatmulRow]) -> Table:
    """One model's layers: time, ratio, error, achieved rates and the bound."""
    columns = (
        Column("Layer (n × k)"),
        Column("Op", detail=True),
        Column("Weights"),
        Column("m", right=True),
        SCHEME,
        Column("Time", right=True),
        Column("÷ reference", right=True),
        Column("Verdict", detail=True),
        Column("Error", right=True, detail=True),
        Column("Achieved B/s", right=True, detail=True),
        Column("FLOP/s", right=True, detail=True),
        Column("Traffic bound", right=True, detail=True),
        Column("Arithmetic", right=True, detail=True),
    )
    kinds = sorted({row.traffic.label for row in rows if row.traffic})
    note = (
        "m rows of activations against weights [n, k]. Hot: the same weights again and again; cold: rotated through "
        "more than the last-level cache. Error: relative Frobenius norm against float64. "
        f"Achieved B/s: bytes of the traffic model ({', '.join(kinds) or 'none'}) over the measured time; a range "
        "where the model cannot tell which kernel ran. Traffic bound: the same bytes at the measured copy bandwidth. "
        "Arithmetic: 2mnk at the rate of a large product in the same type, where one was measured. "
        f"{_bias(rows)}{_overhead(rows)}{_means(rows)}"
    )
    return table("Layer by layer", columns, [_row(row) for row in rows], note)


def _bias(rows: Sequence[MatmulRow]) -> str:
    """Which products had the bias of the model's Linear added; none had before that was recorded."""
    biased = dict.fromkeys(row.layer for row in rows if row.bias)
    if not biased:
        return "Measured without bias."
    if all(row.bias for row in rows):
        return "With the bias that the model's Linears have."
    return f"With the bias that the model's Linears have ({', '.join(biased)}), the others without."


def _overhead(rows: Sequence[MatmulRow]) -> str:
    taken = [row.event_overhead for row in rows if row.event_overhead is not None]
    if not taken:
        return ""
    least, most = units.si(min(taken), "s"), units.si(max(taken), "s")
    size = least if least == most else f"{least} to {most}"
    return (
        f" Time: less what two CUDA events with nothing in between take ({size}), where the launch queue was kept "
        "full; the records hold both."
    )


def _means(rows: Sequence[MatmulRow]) -> str:
    if all(row.mean_time is None for row in rows):
        return ""
    return (
        f" Time and ratios: of medians; below {units.si(SHORT, 's')} the mean stands beside, which is what a timer "
        "gives that divides a loop's time by its calls."
    )


def _time(row: MatmulRow) -> str:
    text = units.estimate(row.time, "s")
    return text if row.mean_time is None else f"{text}, mean {units.si(row.mean_time, 's')}"


def _row(row: MatmulRow) -> Row:
    return (
        f"{row.layer} ({row.n} × {row.k})",
        row.op.replace("_", " "),
        row.residency,
        str(row.m),
        row.scheme,
        _time(row),
        ratio_cell(row.time_ratio, row.scheme == row.reference),
        verdict_cell(row.verdict),
        units.ABSENT if row.relative_error is None else f"{row.relative_error:.1e}",
        units.ABSENT if row.achieved_bandwidth is None else units.bounds(*row.achieved_bandwidth, "B/s"),
        units.si(row.achieved_rate, "FLOP/s"),
        units.ABSENT if row.bound is None else units.bounds(row.bound.low, row.bound.high, "s"),
        units.si(row.bound.arithmetic if row.bound else None, "s"),
    )


def ceilings_table(machines: Mapping[str, Ceilings]) -> Table | None:
    """The machine's measured limits, or None where none were measured."""
    rows: list[Row] = []
    for device, found in machines.items():
        if found.copy_bandwidth:
            rows.append((device, "memory copy (read + write)", units.si(found.copy_bandwidth, "B/s")))
        rows += [
            (device, f"matrix product in {dtype}", units.si(rate, "FLOP/s")) for dtype, rate in found.gemm_rates.items()
        ]
    columns = (Column("Device"), Column("Limit"), Column("Measured", right=True))
    return table("What this machine can do", columns, rows) if rows else None


def shapes(rows: Sequence[MatmulRow]) -> list[tuple[str, int, int]]:
    """The layer shapes in order of size."""
    return list(dict.fromkeys((row.layer, row.n, row.k) for row in rows))


def matmul_figure(rows: Sequence[MatmulRow], layers: Sequence[tuple[str, int, int]]) -> Any:
    """One row of panels per layer shape, one column per residency (hot and cold are never mixed)."""
    names = list(dict.fromkeys(row.scheme for row in rows))
    places = sorted({row.residency for row in rows})

    def draw(figure: Any, axes: Any) -> None:
        for line, layer in enumerate(layers):
            for column, residency in enumerate(places):
                chosen = [row for row in rows if (row.layer, row.n, row.k) == layer and row.residency == residency]
                _panel(axes[line, column], chosen, names)
                axes[line, column].set_title(f"{layer[0]} {layer[1]}×{layer[2]}\n{residency} weights")
        for panel in axes[-1, :]:
            panel.set_xlabel("m (rows of activations)")
        _key(axes[0, 0])
        legend_below(figure, axes[0, 0])

    return panels(len(layers), len(places), 1.9 * len(layers) + 0.9, draw, sharex=True, sharey="row")


def _panel(panel: Any, rows: Sequence[MatmulRow], names: Sequence[str]) -> None:
    for name in names:
        mine = sorted((row for row in rows if row.scheme == name), key=lambda row: row.m)
        _scheme(panel, mine, name, colour(name, names))
    panel.set_xscale("log", base=2)
    panel.set_yscale("log")
    sizes = sorted({row.m for row in rows})
    shown = sizes if len(sizes) <= 6 else [size for size in sizes if size in (1, 4, 16, 64, 512)]
    panel.set_xticks(shown, [str(size) for size in shown])
    panel.minorticks_off()
    log_ticks(panel, "y", "s")


def _scheme(panel: Any, rows: Sequence[MatmulRow], name: str, shade: str) -> None:
    sizes = [row.m for row in rows]
    (line,) = panel.plot(
        sizes, [row.time.value for row in rows], marker=marker(name), markersize=4, color=shade, label=name
    )
    tell(line, f"{name}: " + ", ".join(f"{units.si(row.time.value, 's')} at m={row.m}" for row in rows))
    whole = [(row.m, row.time.low, row.time.high) for row in rows if None not in (row.time.low, row.time.high)]
    if whole:  # as one line with holes: a line each would be most of the page
        across = [place for m, _, _ in whole for place in (m, m, math.nan)]
        along = [time for _, low, high in whole for time in (low, high, math.nan)]
        panel.plot(across, along, color=shade, linewidth=1.6)
    bounded = [(row.m, row.bound) for row in rows if row.bound is not None]
    if bounded:
        places = [m for m, _ in bounded]
        panel.plot(places, [bound.low for _, bound in bounded], color=shade, linewidth=1.0, linestyle=(0, (4, 2)))
        if any(bound.high > bound.low for _, bound in bounded):
            low, high = [bound.low for _, bound in bounded], [bound.high for _, bound in bounded]
            panel.fill_between(places, low, high, color=shade, alpha=0.1, linewidth=0)


def _key(panel: Any) -> None:
    panel.plot([], [], color=SOFT.light, linewidth=1.0, linestyle=(0, (4, 2)), label="traffic bound")

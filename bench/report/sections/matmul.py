"""Tables of the layer-by-layer measurements, and of what the machine itself can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.analysis.ceilings import Ceilings
from bench.analysis.matmul import MatmulRow
from bench.report import units
from bench.report.content import Cell, Column, Table, table
from bench.report.words import TONES, ratio_cell, verdict_cell

Row = tuple[Cell | str, ...]
_SCHEME = Column("Scheme")


def glance(rows: Sequence[MatmulRow]) -> Table:
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
        (f"{place[0]} ({place[1]} × {place[2]})", str(place[3]), *(_glance(found.get((*place, s))) for s in schemes))
        for place in places
        if any((*place, scheme) in found for scheme in schemes)
    ]
    reference = ", ".join(dict.fromkeys(str(row.reference) for row in chosen if row.reference))
    title = f"One Linear, {residency} weights: time ÷ {reference or 'reference'}"
    return table(title, columns, body, "m: rows of activations, the batch size when decoding. Above 1: slower.")


def _few(rows: Sequence[MatmulRow]) -> set[int]:
    sizes = sorted({row.m for row in rows})
    return {sizes[0], sizes[len(sizes) // 2], sizes[-1]} if sizes else set()


def _glance(row: MatmulRow | None) -> Cell:
    if row is None or row.verdict is None:
        return Cell(units.ABSENT, "muted")
    return Cell(units.ratio(row.time_ratio), TONES[row.verdict])


def matmul(rows: Sequence[MatmulRow]) -> Table:
    """One model's layers: time, ratio, error, achieved rates and the bound."""
    columns = (
        Column("Layer (n × k)"),
        Column("Op", detail=True),
        Column("Weights"),
        Column("m", right=True),
        _SCHEME,
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
        f"{_bias(rows)}{_overhead(rows)}"
    )
    return table("Layer by layer", columns, [_matmul(row) for row in rows], note)


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


def _matmul(row: MatmulRow) -> Row:
    return (
        f"{row.layer} ({row.n} × {row.k})",
        row.op.replace("_", " "),
        row.residency,
        str(row.m),
        row.scheme,
        units.estimate(row.time, "s"),
        ratio_cell(row.time_ratio, row.scheme == row.reference),
        verdict_cell(row.verdict),
        units.ABSENT if row.relative_error is None else f"{row.relative_error:.1e}",
        units.ABSENT if row.achieved_bandwidth is None else units.bounds(*row.achieved_bandwidth, "B/s"),
        units.si(row.achieved_rate, "FLOP/s"),
        units.ABSENT if row.bound is None else units.bounds(row.bound.low, row.bound.high, "s"),
        units.si(row.bound.arithmetic if row.bound else None, "s"),
    )


def ceilings(machines: Mapping[str, Ceilings]) -> Table | None:
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

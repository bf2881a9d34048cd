"""Tables of end-to-end generation: throughput, latency, memory, and what the timing loop costs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.analysis.generation import GenerationGroup, GenerationRow
from bench.analysis.grouping import Coordinates
from bench.report import units
from bench.report.content import Cell, Column, Table, drop_uniform, table
from bench.report.words import interval_text, ratio_cell, short_labels, verdict_cell

Row = tuple[Cell | str, ...]
_SETTING = Column("Setting")
_SCHEME = Column("Scheme")


def throughput(groups: Sequence[GenerationGroup]) -> Table:
    """Decode and end-to-end rates, and what was produced."""
    columns = (
        _SETTING,
        _SCHEME,
        Column("Decode", right=True),
        Column("Time ÷ reference", right=True),
        Column("Verdict"),
        Column("End to end", right=True, detail=True),
        Column("Tokens / asked", right=True, detail=True),
        Column("Runs × calls", right=True, detail=True),
    )
    rows = [(label, *_throughput(row, group)) for label, group, row in _each(groups)]
    return drop_uniform(
        table("Decode throughput", columns, rows, interval_text(row.decode_rate for _, _, row in _each(groups)) + "."),
        "Setting",
    )


def _throughput(row: GenerationRow, group: GenerationGroup) -> Row:
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


def latency(groups: Sequence[GenerationGroup]) -> Table:
    """Time to first token and the quantiles of the inter-token latency."""
    columns = (
        _SETTING,
        _SCHEME,
        Column("Prompt tokens", right=True, detail=True),
        Column("First token", right=True),
        Column("First token ÷ reference", right=True, detail=True),
        Column("Step p50", right=True),
        Column("Step p90", right=True, detail=True),
        Column("Step p99", right=True),
        Column("Steps", right=True, detail=True),
    )
    rows = [(label, *_latency(row, group)) for label, group, row in _each(groups)]
    note = "Step: time between two successive tokens. p50, p90, p99: quantiles over all decode steps of all calls."
    return drop_uniform(table("Latency", columns, rows, note), "Setting")


def _latency(row: GenerationRow, group: GenerationGroup) -> Row:
    steps = row.step_latency or (None, None, None)
    return (
        row.scheme,
        "–".join(map(str, dict.fromkeys(row.prompt_tokens or ()))) or units.ABSENT,
        units.estimate(row.time_to_first_token, "s"),
        ratio_cell(row.first_token_ratio, row.scheme == group.reference),
        *(units.si(step, "s") for step in steps),
        str(row.steps),
    )


_MEMORY = (
    ("Model footprint", "model_footprint"),
    ("Peak allocated", "memory_allocated_peak"),
    ("Peak reserved", "memory_reserved_peak"),
    ("Device in use", "memory_device_used"),
    ("Peak while loading", "memory_load_peak"),
    ("Peak resident (process)", "memory_resident_peak"),
)


_MEMORY_NOTE = "Largest value over the repeats; loading, quantising included: the median of the processes. "


def memory(groups: Sequence[GenerationGroup]) -> Table:
    """Footprint and peaks; metrics that no scheme has are left out of the columns and told in the note."""
    rows = [row for group in groups for row in group.rows]
    shown = [(title, name) for title, name in _MEMORY if any(name in row.memory for row in rows)]
    loaded = any(row.load_time is not None for row in rows)
    columns = (
        _SETTING, _SCHEME, *(Column(title, right=True, detail=i > 1) for i, (title, _) in enumerate(shown)),
        *((Column("Loading took", right=True),) if loaded else ()),
    )  # fmt: skip
    body = [
        (
            label,
            row.scheme,
            *(units.si(row.memory.get(name), "B") for _, name in shown),
            *((units.si(row.load_time, "s"),) if loaded else ()),
        )
        for label, _, row in _each(groups)
    ]
    reasons = _reasons(rows, [name for _, name in _MEMORY])
    return drop_uniform(table("Memory", columns, body, _MEMORY_NOTE + reasons), "Setting")


def _reasons(rows: Iterable[GenerationRow], names: Sequence[str]) -> str:
    why: dict[str, list[str]] = {}
    for row in rows:
        for name in names:
            if name in row.not_collected and name not in why.get(row.not_collected[name], []):
                why.setdefault(row.not_collected[name], []).append(name)
    return " ".join(f"Not collected: {', '.join(items)} ({reason})." for reason, items in why.items())


def overhead(groups: Sequence[GenerationGroup]) -> Table:
    """What the timing loop costs of a decode step."""
    columns = (_SETTING, _SCHEME, Column("Per step", right=True), Column("Share of a decode step", right=True))
    rows = [
        (label, row.scheme, units.si(row.harness_overhead, "s"), units.percent(row.overhead_share))
        for label, _, row in _each(groups)
        if row.harness_overhead is not None
    ]
    return drop_uniform(table("Cost of the harness", columns, rows, "Time-stamp at each token; median."), "Setting")


def _each(groups: Sequence[GenerationGroup]) -> Iterable[tuple[str, GenerationGroup, GenerationRow]]:
    labels: dict[Coordinates, str] = short_labels([group.setting for group in groups])
    return [(labels[group.setting], group, row) for group in groups for row in group.rows]

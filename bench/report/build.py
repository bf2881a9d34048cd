"""The report as data: the first screen and the sections, from what the analysis made of the records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from bench.analysis.across import across
from bench.analysis.codecarbon import emissions
from bench.analysis.energy import EnergyGroup
from bench.analysis.generation import GenerationGroup
from bench.analysis.matmul import MatmulRow

from . import answer, by_hardware, overview, units
from .analysed import Analysed
from .content import Commands, FigureSpec, Report, Section, Table
from .sections import arms as tables
from .sections import energy as tables_energy
from .sections import (
    evidence,
    figure_energy,
    figure_generation,
    figure_matmul,
    first_generation,
    ledger,
    tables_across,
    tables_emissions,
    tables_rest,
)
from .sections import matmul as tables_layers
from .sections import throughput as tables_generation
from .sections.environment import before_after, machine, models
from .words import assumed_bars, interval_text, model_labels, setting_text, span

MOST_FIGURES = 4
BARS = "95 % interval"


def build(analysed: Analysed, commands: Commands | None = None) -> Report:
    """The whole report; nothing is drawn or written yet. ``commands``: what a user may type next."""
    groups = overview.main_groups(analysed)
    records = analysed.records
    models = list(dict.fromkeys(record.case.model for record in records if record.case.workload != "machine"))
    return Report(
        title=f"bitledger report: {', '.join(models) or 'no model'}",
        run_id=analysed.latest.run_id,
        setting=setting_text(groups[0].setting) if groups else "",
        headlines=overview.headlines(groups),
        summary=overview.summary_tables(groups),
        machine=analysed.machine,
        labels=(*model_labels(records), *by_hardware.labels(analysed.parts)),
        counts=_counts(analysed),
        sections=tuple(section for section in _sections(analysed, groups) if section is not None),
        answer=answer.answer(analysed.explanation, commands),
    )


def _sections(analysed: Analysed, groups: Sequence[GenerationGroup]) -> Iterator[Section | None]:
    """All of them, each name's followed by what other rooms attach there."""
    own: dict[str, tuple[Section | None, ...]] = {
        "ledger": ledger.sections(analysed.explanation),
        "throughput": (_throughput(analysed, groups),),
        "first_generation": (first_generation.section(analysed.generation, analysed.explanation),),
        "latency": (_latency(analysed, groups),),
        "memory": (_memory(analysed, groups),),
        "energy": (_energy(analysed),),
        "matmul": (_matmul(analysed),),
        "evidence": (evidence.section(analysed.records, analysed.generation),),
        "costs": (_costs(analysed),),
        "findings": (_findings(analysed),),
        "troubles": (_troubles(analysed),),
        "environment": (_environment(analysed),),
        "arms": (_arms(analysed),),
    }
    for name, sections in own.items():
        yield from sections
        for attached in analysed.attached:
            if attached.after == name:
                yield from attached.sections(analysed)


def _counts(analysed: Analysed) -> str:
    by_status = {status: sum(r.status == status for r in analysed.records) for status in ("ok", "failed", "skipped")}
    cases = len({record.case_id for record in analysed.records})
    return (
        f"{units.plural(cases, 'Case')}, {units.plural(len(analysed.records), 'record')}: {by_status['ok']} ok, "
        f"{by_status['failed']} failed, {by_status['skipped']} skipped. Started {analysed.records[0].started_at}."
    )


def _named(base: str, index: int) -> str:
    return base if index == 0 else f"{base}-{index + 1}"


def _caption(what: str, group: GenerationGroup, analysed: Analysed) -> str:
    rows = group.rows
    repeats, calls = [row.repeats for row in rows], [row.calls // max(row.repeats, 1) for row in rows]
    tokens = dict(group.setting).get("new_tokens")
    each = f" × {tokens} new tokens" if tokens else ""
    return (
        f"{what} Setting: {setting_text(group.setting)}. Machine: {analysed.machine}. "
        f"How often: {_times(repeats, 'repeat')} (fresh processes) × {_times(calls, 'call')}{each} per scheme. "
        f"{interval_text(row.time_ratio or row.decode_rate for row in rows)}."
    )


def _times(counts: Sequence[int], noun: str) -> str:
    return f"{span(counts)} {noun}{'' if set(counts) == {1} else 's'}"


def _throughput(analysed: Analysed, groups: Sequence[GenerationGroup]) -> Section | None:
    if not analysed.generation:
        return None
    what = f"Measured: decode tokens per second, prefill left out. Bars: {BARS}. Grey band: counts as the same."
    figures = [
        FigureSpec(
            _named("throughput", i),
            "Decode throughput per scheme",
            _caption(what, group, analysed) + assumed_bars(row.decode_rate for row in group.rows),
            partial(figure_generation.throughput, group),
        )
        for i, group in enumerate(groups[:MOST_FIGURES])
    ]
    figures += _over_batch(analysed)
    matrix = overview.verdict_matrix(analysed.generation)
    beside = tables_across.across(across(analysed.records, analysed.reference))
    found = (*(one for one in (matrix, beside) if one), tables_generation.throughput(analysed.generation))
    return Section("throughput", "Decode throughput", figures=tuple(figures), tables=found)


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
            _named("throughput-over-batch", i),
            "Decode throughput over batch size",
            _caption(what, groups[0], analysed).replace(f"batch {dict(groups[0].setting)['batch_size']}", "all batches")
            + assumed_bars(row.decode_rate for group in groups for row in group.rows),
            partial(figure_generation.over_batch, groups),
        )
        for i, groups in enumerate(swept[:MOST_FIGURES])
    ]


def _latency(analysed: Analysed, groups: Sequence[GenerationGroup]) -> Section | None:
    if not analysed.generation:
        return None
    what = "Measured: time between two successive tokens, every decode step of every call. Marker: median."
    figures = tuple(
        FigureSpec(
            _named("latency", i),
            "Distribution of the inter-token latency",
            _caption(what, group, analysed),
            partial(figure_generation.latency, group),
        )
        for i, group in enumerate(groups[:MOST_FIGURES])
        if any(row.latencies for row in group.rows)
    )
    return Section("latency", "Latency", figures=figures, tables=(tables_generation.latency(analysed.generation),))


def _memory(analysed: Analysed, groups: Sequence[GenerationGroup]) -> Section | None:
    if not analysed.generation:
        return None
    what = "Measured: bytes of parameters, buffers and quantisation state; below, the peak while it ran."
    figures = tuple(
        FigureSpec(
            _named("memory", i),
            "Memory per scheme",
            _caption(what, group, analysed),
            partial(figure_generation.memory, group),
        )
        for i, group in enumerate(groups[:MOST_FIGURES])
        if any(row.memory for row in group.rows)
    )
    return Section("memory", "Memory", figures=figures, tables=(tables_generation.memory(analysed.generation),))


def _energy(analysed: Analysed) -> Section:
    what = "Measured: joules per new token, prefill included. Bars: " + BARS + ". Hollow marker: "
    what += "net of the context held with nothing to do."
    found = analysed.energy[:MOST_FIGURES] or (None,)
    figures = tuple(
        FigureSpec(
            _named("energy", i),
            "Energy per token",
            f"{what} Setting: {setting_text(group.setting) if group else 'none'}. "
            f"Machine: {analysed.machine}. How often: "
            f"{_windows(group)} per scheme and source.{assumed_bars(row.gross for row in group.rows) if group else ''}",
            partial(figure_energy.energy, group),
        )
        for i, group in enumerate(found)
    )
    rows = tables_energy.energy(analysed.energy)
    text = (
        (
            *tables_energy.baselines(analysed.energy),
            *tables_energy.doubts(analysed.energy),
            *tables_energy.missing_energy(analysed.energy),
        )
        if analysed.energy
        else ("Not collected: no energy pass was run.",)
    )
    emitted = tables_emissions.emissions(emissions(analysed.records))
    return Section("energy", "Energy", text, figures, tuple(one for one in (rows, emitted) if one.rows))


def _windows(group: EnergyGroup | None) -> str:
    counts = [row.windows for row in group.rows if row.gross] if group else []
    return f"{_times(counts, 'window')}" if counts else "no windows"


def _matmul(analysed: Analysed) -> Section | None:
    if not analysed.matmul:
        return None
    figures: list[FigureSpec] = []
    made: list[Table] = []
    for model, device in dict.fromkeys((row.model, row.device) for row in analysed.matmul):
        rows = [row for row in analysed.matmul if (row.model, row.device) == (model, device)]
        figures.append(_matmul_figure(analysed, rows, len(figures)))
        made += [tables_layers.glance(rows), tables_layers.matmul(rows)]
    limits = tables_layers.ceilings(analysed.ceilings)
    text = () if limits else ("The machine's ceilings were not measured, so no bound can be drawn.",)
    return Section("matmul", "Layer by layer", text, tuple(figures), (*((limits,) if limits else ()), *made))


def _matmul_figure(analysed: Analysed, rows: Sequence[MatmulRow], index: int) -> FigureSpec:
    linear = [row for row in rows if row.op == "linear"] or list(rows)
    layers = figure_matmul.shapes(linear)
    shown = layers[-figure_matmul.MOST_LAYERS :]
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
    name = _named("matmul", index)
    return FigureSpec(name, "Time of a Linear over m", caption, partial(figure_matmul.matmul, linear, shown))


def _costs(analysed: Analysed) -> Section:
    found: list[Table] = []
    text: list[str] = []
    if analysed.annotation:
        found.append(tables.annotation(analysed.annotation))
    else:
        text.append("Cost of annotation: not measured in this run.")
    overhead = tables_generation.overhead(analysed.generation)
    if overhead.rows:
        found.append(overhead)
    else:
        text.append("Cost of the harness: not measured in this run.")
    recording = tables_rest.recording(analysed.records)
    found += [recording] if recording else []
    return Section("costs", "What measuring costs", tuple(text), tables=tuple(found))


def _findings(analysed: Analysed) -> Section:
    text = () if analysed.findings else ("Nothing to warn about.",)
    return Section("findings", "Warnings and findings", text, findings=analysed.findings)


def _troubles(analysed: Analysed) -> Section | None:
    rows = tables.troubles(analysed.records)
    return Section("troubles", "Failed and skipped Cases", tables=(rows,)) if rows else None


def _environment(analysed: Analysed) -> Section:
    records = analysed.records
    own = next((each.environment() for each in analysed.attached if each.environment), None)
    found = (models(records), *(own or (before_after(records), machine(analysed.latest.environment))))
    return Section("environment", "Environment", tables=tuple(item for item in found if item), folded=True)


def _arms(analysed: Analysed) -> Section | None:
    found = tuple(one for one in (tables.arms(analysed.records), tables_rest.outliers(analysed.records)) if one)
    return Section("arms", "Arms exactly as run", tables=found, folded=True) if found else None

"""What measuring costs: NVTX ranges, the timing loop itself, and recording an event."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.annotation import AnnotationRow
from bench.analysis.evidence import RecordingCost
from bench.analysis.generation import GenerationGroup
from bench.report import units
from bench.report.analysed import Analysed
from bench.report.content import Column, Section, Table, drop_uniform, table
from bench.report.words import setting_text, verdict_cell

from .common import SCHEME, SETTING, each_row


def section(analysed: Analysed) -> Section:
    """Each cost, or that it was not measured."""
    found: list[Table] = []
    text: list[str] = []
    if analysed.annotation:
        found.append(annotation_table(analysed.annotation))
    else:
        text.append("Cost of annotation: not measured in this run.")
    overhead = overhead_table(analysed.generation)
    if overhead.rows:
        found.append(overhead)
    else:
        text.append("Cost of the harness: not measured in this run.")
    if analysed.observed.event_costs:
        found.append(recording_table(analysed.observed.event_costs))
    return Section("costs", "What measuring costs", tuple(text), tables=tuple(found))


def annotation_table(rows: Sequence[AnnotationRow]) -> Table:
    """The cost of NVTX ranges."""
    columns = (Column("Setting"), SCHEME, Column("Annotated ÷ plain", right=True), Column("Verdict"), Column("Pairs"))
    body = [
        (
            setting_text(row.setting, ("model", "batch_size", "device")),
            row.scheme,
            units.ratio(row.time_ratio),
            verdict_cell(row.verdict),
            str(row.pairs),
        )
        for row in rows
    ]
    return table("Cost of annotation", columns, body, "The same call without and with NVTX ranges, in pairs.")


def overhead_table(groups: Sequence[GenerationGroup]) -> Table:
    """What the timing loop costs of a decode step."""
    columns = (SETTING, SCHEME, Column("Per step", right=True), Column("Share of a decode step", right=True))
    rows = [
        (label, row.scheme, units.si(row.harness_overhead, "s"), units.percent(row.overhead_share))
        for label, _, row in each_row(groups)
        if row.harness_overhead is not None
    ]
    return drop_uniform(table("Cost of the harness", columns, rows, "Time-stamp at each token; median."), "Setting")


_EVENTS = {"operator": "An operator", "range": "A range", "call": "A CUDA call"}


def recording_table(costs: Sequence[RecordingCost]) -> Table:
    """What recording one event costs the host."""
    rows = [(_EVENTS[cost.kind], units.si(cost.seconds, "s"), str(cost.samples)) for cost in costs]
    columns = (Column("Recorded"), Column("Costs", right=True), Column("Samples", right=True, detail=True))
    note = "Kineto, in short loops beside each timeline; median. What its own steps show is what a ledger takes off."
    return table("Cost of recording an event", columns, rows, note)

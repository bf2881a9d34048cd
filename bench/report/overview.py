"""The first screen: a sentence and a row per scheme, for the first setting of each model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.analysis.generation import GenerationGroup, GenerationRow
from bench.analysis.statistics import Estimate
from bench.record.schema import Record

from . import units
from .content import Cell, Column, Headline, Table, table, without
from .words import (
    TONES,
    chance_note,
    cut_short,
    interval_text,
    ratio_cell,
    scheme_text,
    setting_text,
    short_labels,
    verdict_cell,
)

# Of the reason why a scheme was not timed.
_MOST_LETTERS = 200
_FIRST = "First generation ÷ {reference}"


def main_groups(generation: Sequence[GenerationGroup]) -> tuple[GenerationGroup, ...]:
    """The first setting of each model and device, in order."""
    first: dict[tuple[object, ...], GenerationGroup] = {}
    for group in generation:
        known = dict(group.setting)
        first.setdefault((known.get("model"), known.get("revision"), known.get("device")), group)
    return tuple(first.values())


def headlines(groups: Sequence[GenerationGroup]) -> tuple[Headline, ...]:
    """One sentence per scheme and main setting; the model is named where there are several."""
    labels = short_labels([group.setting for group in groups])
    return tuple(
        _headline(row, group, labels[group.setting]) for group in groups for row in group.rows
        if row.scheme != group.reference
    )  # fmt: skip


def not_measured(records: Sequence[Record]) -> tuple[Headline, ...]:
    """One sentence per scheme of which no generation was timed, and why: failed where one was tried, else skipped."""
    tried = [record for record in records if record.instrument == "generation"]
    timed = {record.case.scheme for record in tried if record.status == "ok"}
    untimed: dict[str, dict[str, str]] = {}
    for record in tried:
        if record.case.scheme not in timed:
            untimed.setdefault(record.case.scheme, {}).setdefault(record.status, record.reason)
    return tuple(_untimed(scheme, reasons) for scheme, reasons in untimed.items())


def _untimed(scheme: str, reasons: Mapping[str, str]) -> Headline:
    failed = "failed" in reasons
    reason = " ".join(reasons["failed" if failed else "skipped"].split()) or "no reason was recorded"
    sentence = f"{scheme} was not timed: {cut_short(reason, _MOST_LETTERS).rstrip('.')}."
    return Headline(scheme, "FAILED" if failed else "SKIPPED", sentence, "bad" if failed else "unsure")


def _headline(row: GenerationRow, group: GenerationGroup, label: str) -> Headline:
    prefix = f"{label}: " if label else ""
    if row.time_ratio is None or row.verdict is None:
        why = "no unquantised scheme ran beside it" if group.reference is None else "its tokens were not timed"
        return Headline(row.scheme, "NO RATIO", f"{prefix}{scheme_text(row)} is not compared: {why}.", "unsure")
    base = next(item for item in group.rows if item.scheme == group.reference)
    shift = f"{_rate(base.decode_rate)} → {_rate(row.decode_rate)}".replace(" tok/s →", " →")
    sentence = prefix + _sentence(row, str(group.reference), row.time_ratio) + f" ({shift})."
    return Headline(row.scheme, row.verdict, sentence, TONES[row.verdict])


def _sentence(row: GenerationRow, reference: str, ratio: Estimate) -> str:
    figure = f"{units.ratio(ratio)} the time per token"
    if row.verdict == "AMBIGUOUS":
        return f"{scheme_text(row)} against {reference}: cannot tell, {figure}"
    if row.verdict == "SAME":
        return f"{scheme_text(row)} takes as long as {reference}, within the margin: {figure}"
    return f"{scheme_text(row)} is {str(row.verdict).lower()} than {reference}: {figure}"


def _rate(rate: Estimate | None) -> str:
    return units.si(rate.value, "tok/s") if rate else units.ABSENT


def summary_tables(groups: Sequence[GenerationGroup]) -> tuple[Table, ...]:
    """The first screen's table for each main setting."""
    return tuple(_summary(group) for group in groups)


def _summary(group: GenerationGroup) -> Table:
    reference = group.reference or "reference"
    columns = (
        Column("Scheme"),
        Column(f"Against {reference}"),
        Column(f"Time per token ÷ {reference}", right=True),
        Column("Decode", right=True),
        Column("First token", right=True, detail=True),
        Column(_FIRST.format(reference=reference), right=True),
        Column("Footprint", right=True, detail=True),
    )
    rows = [_summary_row(row, group) for row in group.rows]
    made = table(setting_text(group.setting), columns, rows, _note(group))
    return made if any(row.first for row in group.rows) else without(made, _FIRST.format(reference=reference))


def _note(group: GenerationGroup) -> str:
    intervals = interval_text(row.time_ratio or row.decode_rate for row in group.rows)
    first = " First generation: a step at a length new to the process, all else at lengths that it had met."
    chance = chance_note((row.scheme, row.time_ratio, row.verdict) for row in group.rows)
    return f"{intervals}. ÷: a ratio above 1 is slower.{chance}" + (
        first if any(row.first for row in group.rows) else ""
    )


def _summary_row(row: GenerationRow, group: GenerationGroup) -> tuple[Cell | str, ...]:
    is_reference = row.scheme == group.reference
    first = row.time_to_first_token
    return (
        row.scheme,
        verdict_cell(row.verdict) if not is_reference else Cell("reference", "muted"),
        Cell("×1", "muted") if is_reference else ratio_cell(row.time_ratio, False),
        units.estimate(row.decode_rate, "tok/s"),
        units.si(first.value if first else None, "s"),
        _first(row, is_reference),
        units.si(row.memory.get("model_footprint"), "B"),
    )


def _first(row: GenerationRow, is_reference: bool) -> Cell:
    if row.first is None:
        return Cell(units.ABSENT, "muted")
    return Cell("×1", "muted") if is_reference else ratio_cell(row.first.ratio, False)

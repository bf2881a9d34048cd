"""Tables of quality: what passed, what a passed task costs, whose outputs differ, and what removed layers do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.analysis.grouping import Coordinates
from bench.analysis.statistics import Estimate
from bench.quality.analysis.mcnemar import McNemar
from bench.quality.analysis.summary import QualityGroup, QualityRow
from bench.report import units
from bench.report.content import Cell, Column, Row, Table, Tone, drop_uniform, table
from bench.report.words import short_labels

_SETTING = Column("Setting")
_SCHEME = Column("Scheme")
_SHARE_NOTE = "pass@1: share of tasks whose one greedy program passed; [low, high]: Wilson's 95 % interval."
_COST_NOTE = (
    "Passed: by the plus tests where they ran. Time and joules of all tasks, divided by the tasks passed; their "
    "intervals hold that of pass@1. Joules: gross J per token of the same scheme and batch size × tokens."
)
_TEST_NOTE = (
    "p: McNemar's exact test on the tasks that only one of the two passed, two-sided. Differs: all arms beside one "
    "reference taken together, so that any does by chance in 5 % at most. Cannot tell is no proof of equality. First "
    "difference: median place, from 0, of the first token that differs."
)


def share(value: Estimate | None) -> str:
    """A share with its interval in per cent: "42.1 % [34.8, 49.7]"."""
    if value is None:
        return units.ABSENT
    bounds = "" if value.low is None or value.high is None else f" [{100 * value.low:.1f}, {100 * value.high:.1f}]"
    return f"{100 * value.value:.1f} %{bounds}"


def quality(groups: Sequence[QualityGroup]) -> Table:
    """pass@1 and perplexity of every scheme with all its layers."""
    whole = [row for *_, row in _rows_of_whole_sets(groups)]
    columns = (
        _SETTING,
        _SCHEME,
        Column("Tasks", right=True, detail=not any(row.missing for row in whole)),
        Column("HumanEval pass@1", right=True),
        Column("HumanEval+ pass@1", right=True),
        Column("Perplexity", right=True),
        Column("Repetition", right=True, detail=True),
    )
    rows: list[Row] = [
        (label, row.case.scheme, _tasks(row), *_passes(row), _plain(row.perplexity), _repetition(row))
        for label, _, row in _rows_of_whole_sets(groups)
    ]
    return drop_uniform(
        table("Quality", columns, rows, _SHARE_NOTE + _reason_text(whole) + _part_of_dataset(whole)), "Setting"
    )


def costs(groups: Sequence[QualityGroup]) -> Table:
    """Seconds, tokens and joules per task, and per task that passed."""
    columns = (
        _SETTING,
        _SCHEME,
        Column("Time per task", right=True, detail=True),
        Column("Time per passed", right=True),
        Column("Tokens per task", right=True, detail=True),
        Column("Energy per passed", right=True),
        Column("Joules from"),
    )
    rows: list[Row] = [
        (
            label,
            row.case.scheme,
            units.estimate(row.time_per_task, "s"),
            units.estimate(row.time_per_passed, "s"),
            units.ABSENT if row.tokens is None else units.number(row.tokens),
            units.estimate(row.energy_per_passed, "J"),
            _source(row),
        )
        for label, _, row in _rows_of_whole_sets(groups)
    ]
    return drop_uniform(table("What a passed task costs", columns, rows, _COST_NOTE), "Setting")


def against(groups: Sequence[QualityGroup]) -> Table | None:
    """Every arm beside its reference; None where there is no pair."""
    columns = (
        _SETTING,
        _SCHEME,
        Column("Against"),
        Column("Lost", right=True),
        Column("Won", right=True),
        Column("p", right=True),
        Column("Verdict"),
        Column("Same output", right=True),
        Column("First difference", right=True, detail=True),
    )
    rows: list[Row] = [
        (label, row.case.scheme, str(group.reference), *_test(row), *_agreement(row))
        for label, group, row in _rows_of_whole_sets(groups)
        if row.against is not None
    ]
    return drop_uniform(table("Outputs against the reference", columns, rows, _TEST_NOTE), "Setting") if rows else None


def pruning(groups: Sequence[QualityGroup]) -> Table | None:
    """A row per scheme and number of layers removed; None where none was."""
    columns = (
        _SETTING,
        _SCHEME,
        Column("Removed"),
        Column("pass@1", right=True),
        Column("Perplexity", right=True, detail=True),
        Column("Energy per passed", right=True),
        Column("J per token", right=True, detail=True),
        Column("p", right=True, detail=True),
        Column("Verdict"),
    )
    labels = _labels(groups)
    rows: list[Row] = [
        (labels[group.setting], row.case.scheme, *_pruned(row, group)) for group in groups for row in pruned(group)
    ]
    found = [row for group in groups for row in pruned(group)]
    schemes = list(dict.fromkeys(row.case.scheme for row in found))
    only = f"Scheme: {schemes[0]}. " if len(schemes) == 1 else ""
    what = "Decoder layers removed (which ones), no retraining. Against the reference with all its layers."
    note = f"{only}{what} {_SHARE_NOTE}{_part_of_dataset(found)}"
    made = table("Layers removed", columns, rows, note)
    return drop_uniform(drop_uniform(made, "Setting"), "Scheme") if rows else None


def pruned(group: QualityGroup) -> tuple[QualityRow, ...]:
    """The arms of the schemes that layers were removed from, by scheme and number removed, the whole model first."""
    schemes = dict.fromkeys(row.case.scheme for row in group.rows if row.removed)
    return tuple(
        row
        for scheme in schemes
        for row in sorted((r for r in group.rows if r.case.scheme == scheme), key=lambda r: r.removed)
    )


def _pruned(row: QualityRow, group: QualityGroup) -> Row:
    test = _test(row) if row.against else ("", "", units.ABSENT, Cell("reference", "muted"))
    if row.against is None and group.reference is None:
        test = ("", "", units.ABSENT, Cell("no reference", "muted"))
    return (
        f"{row.removed} ({row.case.dropped_layers})" if row.removed else "0",
        share(row.passed),
        _plain(row.perplexity),
        _energy(row),
        units.estimate(row.joules.per_token, "J") if row.joules else units.ABSENT,
        test[2],
        test[3],
    )


def _tasks(row: QualityRow) -> str:
    return row.missing.removesuffix(" tasks") or str(row.tasks)


def _part_of_dataset(rows: Iterable[QualityRow]) -> str:
    """The part of the dataset that the scores are about, where it is not the whole."""
    parts = dict.fromkeys(row.missing for row in rows if row.missing)
    return f" Over {' or '.join(parts)} of HumanEval: the others were not asked." if parts else ""


def _energy(row: QualityRow) -> str:
    if row.passed is not None and row.passed.value == 0:
        return "none passed"
    return units.estimate(row.energy_per_passed, "J") + (" est." if _estimated(row) else "")


def _estimated(row: QualityRow) -> bool:
    return bool(row.energy_per_passed and row.joules and row.joules.estimated)


def _source(row: QualityRow) -> Cell:
    if row.joules is None:
        return Cell("not measured", "muted")
    return Cell(f"{row.joules.source} – estimated", "unsure") if row.joules.estimated else Cell(row.joules.source)


def _passes(row: QualityRow) -> Row:
    if row.passed is None:
        return Cell("not judged", "muted"), Cell(units.ABSENT, "muted")
    return share(row.base), share(row.plus)


def _repetition(row: QualityRow) -> str:
    return units.percent(row.repetition)


def _plain(value: Estimate | None) -> str:
    return units.estimate(value, "1")


def _test(row: QualityRow) -> Row:
    test: McNemar | None = row.against.test if row.against else None
    if test is None:
        return units.ABSENT, units.ABSENT, units.ABSENT, Cell("not judged", "muted")
    return str(test.lost), str(test.won), p_text(test.p), Cell(test.verdict, _tone(test))


def _tone(test: McNemar) -> Tone:
    if test.verdict == "cannot tell":
        return "unsure"
    return "bad" if test.lost > test.won else "good"


def p_text(p: float) -> str:
    """Two digits, or that it is less than one may care about."""
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}" if p < 0.1 else f"{p:.2f}"


def _agreement(row: QualityRow) -> Row:
    found = row.against
    if found is None or found.identical is None:
        return units.ABSENT, units.ABSENT
    place = "none" if found.divergence is None else f"token {found.divergence:g}"
    return f"{100 * found.identical:.0f} %", place


def _reason_text(rows: Iterable[QualityRow]) -> str:
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if row.reason:
            reasons.setdefault(row.reason, []).append(row.case.scheme)
    return "".join(f" Not judged: {', '.join(names)} ({reason})." for reason, names in reasons.items())


def _labels(groups: Sequence[QualityGroup]) -> dict[Coordinates, str]:
    return short_labels([group.setting for group in groups])


def _rows_of_whole_sets(groups: Sequence[QualityGroup]) -> list[tuple[str, QualityGroup, QualityRow]]:
    labels = _labels(groups)
    return [(labels[group.setting], group, row) for group in groups for row in group.rows if not row.removed]

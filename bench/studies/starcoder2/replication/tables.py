"""Tables of the study beside what was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.analysis.statistics import Estimate
from bench.analysis.statistics.verdict import verdict
from bench.record.suggested import command
from bench.report import units
from bench.report.content import Cell, Column, Table, Tone, table
from bench.report.words import setting_text, verdict_cell

from ..published import ORIGINAL, Published, PublishedRow
from ..raw.grounds import RawClaim
from ..raw.joules import SettingJoules
from ..raw.tables_passes import TONES as RAW_TONES
from .claims import Outcome
from .confounds import Confound
from .pruning import PrunedSeries
from .quality import PassChange, PassRow, Score
from .rows import Measured, StudyEnergyRow, TimeRow
from .settings import StudySetting, differences, stands_for
from .whole import Study

UNTESTED: Outcome = "not settled by these runs"
OUTCOMES: dict[Outcome, Tone] = {"reproduced": "good", "not reproduced": "bad", UNTESTED: "unsure"}
_ROW = (Column("Model"), Column("Tokens", right=True), Column("Arm"))


def name_of(study: Study, setting: StudySetting) -> str:
    """The short name of a setting in the tables: M1, M2 and so on."""
    return f"M{study.settings.index(setting) + 1}"


def claims(study: Study) -> Table:
    """What these runs say of each claim, and what the study's own raw data say."""
    columns = (
        Column("These runs"), Column("The study says"), Column("Where"), Column("Evidence of these runs"),
        Column("The study's own raw data"),
    )  # fmt: skip
    rows = [
        (Cell(claim.outcome, OUTCOMES[claim.outcome]), claim.statement.text, claim.statement.source, claim.evidence,
         _settled(settled))
        for claim, settled in zip(study.claims, study.settled, strict=True)
    ]  # fmt: skip
    note = (
        "×: measured over the original of the same run. [low, high]: 95 % interval; where it allows both answers, the "
        f"evidence says that it cannot tell. The raw data's evidence: {command('study')}."
    )
    return table("The study's claims", columns, rows, note)


def _settled(claim: RawClaim) -> Cell:
    told = "; ".join(f"{one.name}: {one.outcome}" if one.name else one.outcome for one in claim.readings)
    outcomes = {one.outcome for one in claim.readings}
    return Cell(told, RAW_TONES[outcomes.pop()] if len(outcomes) == 1 else "unsure")


def _raw(study: Study, row: PublishedRow) -> SettingJoules:
    """The study's own runs of the same setting."""
    return next(one for one in study.raw.settings if (one.model, one.tokens) == (row.model, row.tokens))


def measured_settings(study: Study) -> Table:
    """What was measured, what it stands beside, and how it differs from the study."""
    columns = (Column("Measured"), Column("Setting"), Column("Schemes"), Column("Beside"), Column("Differs from it in"))
    rows = []
    for setting in study.settings:
        model, tokens = stands_for(study.published, setting)
        differs = "; ".join(differences(study.published, setting)) or "nothing that the study states"
        rows.append(
            (name_of(study, setting), setting_text(setting.coordinates), ", ".join(setting.arms),
             f"{model}, {tokens} tokens", differs)
        )  # fmt: skip
    return table("What was measured", columns, rows)


def _published(row: PublishedRow) -> tuple[str, ...]:
    return (row.model, str(row.tokens), row.arm)


def times(study: Study) -> Table:
    columns = (
        *_ROW,
        Column("Published tok/s", right=True),
        Column("Published time ÷ original", right=True),
        Column("Its raw data ÷ original", right=True),
        Column("Measured"),
        Column("Scheme"),
        Column("Measured tok/s", right=True),
        Column("Measured time ÷ original", right=True),
        Column("Verdict"),
    )
    rows = [
        (*_published(r.published), *_published_time(r), _raw_ratio(study, r.published, SettingJoules.time),
         *_measured_time(study, r))
        for r in study.times
    ]  # fmt: skip
    note = (
        f"Published: {study.published.rows[0].time_from}, mean of five runs of {study.published.tasks} tasks. "
        "Measured: tokens really made per second, prefill included; time of whole calls over the original's. "
        "[low, high]: 95 % interval."
    )
    return table("Time", columns, rows, note)


def _raw_ratio(study: Study, row: PublishedRow, of: Callable[[SettingJoules, str], Estimate]) -> str:
    return "1" if row.arm == ORIGINAL else units.ratio(of(_raw(study, row), row.arm))


def _published_time(row: TimeRow) -> tuple[str, ...]:
    return (units.number(row.published.rate), f"×{row.ratio:.2f}")


def _measured_time(study: Study, row: TimeRow) -> tuple[Cell | str, ...]:
    m = row.measured
    if m is None:
        return (Cell("not measured", "muted"), "–", "–", "–", Cell(row.missing, "muted"))
    rate = units.estimate(m.value.inverse(), "tok/s")
    return (name_of(study, m.setting), m.scheme, rate, *_ratio_cells(m))


def _ratio_cells(m: Measured, *, amounts: bool = False) -> tuple[Cell | str, ...]:
    if m.ratio is None:
        return (Cell("the original", "muted"), verdict_cell(None))
    return (units.ratio(m.ratio), verdict_cell(verdict(m.ratio), amounts=amounts))


def energies(study: Study) -> Table:
    columns = (
        *_ROW,
        Column("Published energy ÷ original"),
        Column("Its raw data, wraps back ÷ original", right=True),
        Column("Its raw data, GPU alone ÷ original", right=True),
        Column("Measured"),
        Column("Scheme"),
        Column("Source"),
        Column("J per token", right=True),
        Column("Measured ÷ original", right=True),
        Column("Verdict"),
    )
    rows = []
    for row in study.energies:
        range_ = row.published_range
        factor = f"×{range_.low:.2f} to ×{range_.high:.2f}" if range_ else "1"
        raw = [_raw_ratio(study, row.published, of) for of in (SettingJoules.corrected, SettingJoules.gpu)]
        rows.append((*_published(row.published), factor, *raw, *_measured_energy(study, row)))
    note = (
        "Published: the lowest and the highest of the study's settings (section VI-A), which its raw data contradict. "
        "Measured: gross, idle draw included."
    )
    return table("Energy", columns, rows, note)


def _measured_energy(study: Study, row: StudyEnergyRow) -> tuple[Cell | str, ...]:
    m = row.measured
    if m is None:
        return (Cell("not measured", "muted"), "–", "–", "–", "–", Cell(row.missing, "muted"))
    source = m.source + (" – ESTIMATED" if m.estimated else "")
    return (
        name_of(study, m.setting), m.scheme, source, units.estimate(m.value, "J"), *_ratio_cells(m, amounts=True),
    )  # fmt: skip


def scores(study: Study) -> Table:
    columns = (
        *_ROW,
        Column("Published HumanEval / HumanEval+", right=True),
        Column("Measured"),
        Column("Scheme"),
        Column("HumanEval", right=True),
        Column("HumanEval+", right=True),
        Column("HumanEval+ less the original's", right=True),
        Column("J per passed task", right=True),
    )
    rows = [(*_published(row.published), _pair(row.published), *_measured_scores(study, row)) for row in study.scores]
    note = (
        "pass@1 in %, [low, high]: Wilson's 95 % interval over other such tasks; the change is in points, by task. "
        "Published: Tables II and III. J per passed task: joules per token × tokens ÷ tasks that pass HumanEval+."
    )
    return table("pass@1", columns, rows, note)


def _pair(row: PublishedRow) -> str:
    return f"{100 * row.passed_base:.1f} / {100 * row.passed_plus:.1f}"


def _measured_scores(study: Study, row: PassRow) -> tuple[Cell | str, ...]:
    if row.setting is None:
        return (Cell("not measured", "muted"), "–", "–", "–", "–", Cell(row.missing, "muted"))
    guessed = " – ESTIMATED" if row.cost_note else ""
    cost: Cell | str = Cell(row.cost_note, "muted")
    if row.joules_per_pass:
        cost = units.estimate(row.joules_per_pass, "J") + guessed
    return (
        name_of(study, row.setting), row.scheme, score(row.base), score(row.plus), _change(row.change_plus), cost,
    )  # fmt: skip


def score(value: Score | None) -> str:
    if value is None:
        return units.ABSENT
    return f"{100 * value.share:.1f} [{100 * value.low:.1f}, {100 * value.high:.1f}] of {value.tasks}"


def _change(value: PassChange | None) -> Cell | str:
    if value is None:
        return Cell("the original", "muted")
    return f"{100 * value.value:+.1f} [{100 * value.low:+.1f}, {100 * value.high:+.1f}]"


def pruned(study: Study, series: Sequence[PrunedSeries]) -> Table:
    columns = (
        Column("Measured"),
        Column("Model"),
        Column("Scheme"),
        Column("Layers removed", right=True),
        Column("Which"),
        Column("HumanEval+", right=True),
        Column("J per token", right=True),
        Column("÷ whole model", right=True),
        Column("J per passed task", right=True),
    )
    rows = [
        (name_of(study, point.setting), one.model, one.scheme, str(point.removed), point.layers or "none",
         score(point.plus), units.estimate(point.joules, "J"), units.ratio(point.energy_ratio),
         units.estimate(point.joules_per_pass, "J"))
        for one in series
        for point in one.points
    ]  # fmt: skip
    sources = dict.fromkeys(f"{one.source}{' – ESTIMATED' if one.estimated else ''}" for one in series if one.source)
    note = f"pass@1 in % with Wilson's 95 % interval. Joules: {', '.join(sources) or 'not measured'}."
    return table("Layers removed", columns, rows, note)


def confounds(study: Study) -> Table:
    columns = (
        Column("Confound"),
        Column("Measured"),
        Column("Scheme: as the study ran it, then corrected"),
        Column("As run", right=True),
        Column("Corrected", right=True),
        Column("Confound alone", right=True),
        Column("Share of the gap", right=True),
    )
    rows = [_confound(study, item) for item in study.confounds]
    note = (
        "Ratios to the original. As run = corrected × confound alone. The share is log(confound alone) ÷ log(as run), "
        "so that shares of several confounds add; below 0 the confound hides part of the gap. No share is given where "
        "the interval as run does not lie above 1."
    )
    return table("How much of the gap is how it was run", columns, rows, note)


def _confound(study: Study, item: Confound) -> tuple[Cell | str, ...]:
    if item.setting is None:
        return (item.name, "–", Cell(f"not measured: {item.missing}", "muted"), "–", "–", "–", "–")
    share = Cell("no gap for sure", "muted") if item.share is None else f"{round(100 * item.share, 1) + 0.0:.1f} %"
    return (
        item.name, name_of(study, item.setting), item.what, units.ratio(item.as_run), units.ratio(item.corrected),
        units.ratio(item.effect), share,
    )  # fmt: skip


def source_table(published: Published) -> Table:
    """Which figures of the study give no numbers, and why."""
    columns = (Column("Figure", right=True), Column("Shows"), Column("Why none of its values are here"))
    rows = [(str(item.figure), f"{item.shows} ({item.model}, {item.tokens} tokens)", item.why_no_values)
            for item in published.figures]  # fmt: skip
    return table("What could not be taken from the study", columns, rows)

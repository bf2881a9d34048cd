"""The report on a study: what it published and what was measured, side by side; study.md and study.html."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench.analysis import findings
from bench.record.schema import Record
from bench.report import units
from bench.report.content import CountedFinding, FigureSpec, Headline, Report, Section
from bench.report.visible import visible_all
from bench.report.words import assumed_bars, machine_text, model_labels, setting_text

from ..published import Published, StudyFigure
from ..raw.page import results
from ..raw.tables_passes import TONES as RAW_TONES
from ..writing import write
from . import figures as draw
from . import tables
from .settings import StudySetting, differences
from .whole import Study, compare

ENERGY_FIGURES, SCORES_FIGURE, PRUNED_ENERGY_FIGURE = (3, 4, 5, 6), 7, 8


def write_study(folder: Path, runs: Sequence[Sequence[Record]], published: Published) -> tuple[Report, list[Path]]:
    """Write the comparison into ``folder``; the report and the paths written.

    Raises RecordError where no record stands beside the study; OSError where the folder cannot be written.
    """
    runs = visible_all(runs)
    report = build(compare(published, runs), runs)
    return report, write(folder, report)


def build(study: Study, runs: Sequence[Sequence[Record]]) -> Report:
    """The whole report as data; nothing is drawn yet."""
    records = [record for run in runs for record in run]
    machines = dict.fromkeys(machine_text(setting.first.environment) for setting in study.settings)
    names = dict.fromkeys(record.run_id for record in records)
    return Report(
        title="The StarCoder2 quantisation study beside these runs",
        run_id=", ".join(names),
        setting="",
        headlines=_headlines(study),
        summary=(tables.claims(study),),
        machine=" / ".join(machines),
        labels=model_labels([setting.first for setting in study.settings]),
        counts=f"{units.plural(len(study.settings), 'setting')} from {units.plural(len(names), 'run')}. "
        f"Study: {study.published.authors}, “{study.published.title}”, on {study.published.gpu}.",
        sections=(
            *results(study.raw),
            _measured(study),
            _times(study),
            _energy(study),
            _scores(study),
            _pruning(study),
            _confounds(study),
            _findings(study),
            Section("source", "From the study", tables=(tables.source_table(study.published),), folded=True),
        ),
    )


def _headlines(study: Study) -> tuple[Headline, ...]:
    made = [_own_data(study)]
    for outcome, tone in tables.OUTCOMES.items():
        found = [claim.statement.text for claim in study.claims if claim.outcome == outcome]
        if found:
            which = "; ".join(found) if outcome != tables.UNTESTED else "the table says what the study's own data say"
            sentence = f"{len(found)} of {units.plural(len(study.claims), 'claim')}: {which}."
            made.append(Headline("", outcome.upper(), sentence, tone))
    return tuple(made)


def _own_data(study: Study) -> Headline:
    """How the claims end on the study's own raw data, in numbers."""
    ends = [{reading.outcome for reading in claim.readings} for claim in study.settled]
    counts = {outcome: ends.count({outcome}) for outcome in RAW_TONES}
    outcomes = ", ".join(f"{outcome}: {count}" for outcome, count in counts.items())
    mixed = len(ends) - sum(counts.values())
    sentence = f"Of {len(ends)} claims, {outcomes}, depends on the reading: {mixed}. See the last column."
    return Headline("", "ON ITS OWN RAW DATA", sentence, "unsure")


def _measured(study: Study) -> Section:
    text = (
        "Nothing here is from the study but the columns named so. The measured columns are other machines, and may be "
        "other models: a ratio to the original of the same run can be compared, a number of seconds or joules cannot.",
    )
    return Section("measured", "What was measured", text, tables=(tables.measured_settings(study),))


def _caption(study: Study, setting: StudySetting, what: str) -> str:
    differs = "; ".join(differences(study.published, setting)) or "nothing that the study states"
    return (
        f"{what} Setting {tables.name_of(study, setting)}: {setting_text(setting.coordinates)}. Machine: "
        f"{machine_text(setting.first.environment)}. Differs from the study in: {differs}."
    )


def _times(study: Study) -> Section:
    figures = []
    for setting in study.settings:
        rows = [row for row in study.times if row.measured and row.measured.setting is setting and row.measured.ratio]
        if rows:
            of = rows[0].published
            what = f"{of.time_from}, {of.model}, {of.tokens} tokens. Bars: 95 % interval."
            what += assumed_bars(row.measured.ratio for row in rows if row.measured)
            name = f"study-time-{tables.name_of(study, setting).lower()}"
            title = "Time over the original: published and measured"
            figures.append(FigureSpec(name, title, _caption(study, setting, what), partial(draw.time_ratios, rows)))
    return Section("time", "These runs: time (Table IV)", figures=tuple(figures), tables=(tables.times(study),))


def _energy(study: Study) -> Section:
    figures: list[FigureSpec] = []
    missing: list[str] = []
    for figure in study.published.figures:
        if figure.figure in ENERGY_FIGURES:
            made = _energy_figures(study, figure)
            figures += made
            if not made:
                missing.append(f"Figure {figure.figure} ({figure.model}, {figure.tokens} tokens): not measured.")
    return Section(
        "energy", "These runs: energy (figures 3 to 6)", tuple(missing), tuple(figures), (tables.energies(study),)
    )


def _energy_figures(study: Study, figure: StudyFigure) -> list[FigureSpec]:
    rows = [row for row in study.energies
            if (row.published.model, row.published.tokens) == (figure.model, figure.tokens)]  # fmt: skip
    made = []
    for setting in study.settings:
        own = [row for row in rows if row.measured and row.measured.setting is setting]
        if own:
            name = f"study-figure-{figure.figure}-{tables.name_of(study, setting).lower()}"
            title = f"Figure {figure.figure} made again: energy per token"
            windows = units.plural(max(sum(map(len, row.measured.raw)) for row in own if row.measured), "window")
            what = (
                f"Figure {figure.figure} ({figure.model}, {figure.tokens} tokens) made again. Measured: joules per new "
                f"token, gross; bars: 95 % interval; small dots: every window ({windows} per scheme)."
                f"{assumed_bars(row.measured.value for row in own if row.measured)}"
            )
            made.append(FigureSpec(name, title, _caption(study, setting, what), partial(draw.energies, own)))
    return made


def _scores(study: Study) -> Section:
    return Section("pass", "These runs: pass@1 (Tables II and III)", tables=(tables.scores(study),))


def _pruning(study: Study) -> Section:
    scored = [one for one in study.pruned if sum(point.plus is not None for point in one.points) > 1]
    powered = [one for one in study.pruned if sum(point.joules is not None for point in one.points) > 1]
    figures: list[FigureSpec] = []
    text: list[str] = []
    why = "no layers were removed in these runs" if not study.pruned else "not measured with layers removed"
    if scored:
        caption = _caption(study, scored[0].setting, "Figure 7 made again: pass@1; bars: Wilson's 95 % interval.")
        name, title = f"study-figure-{SCORES_FIGURE}", "Figure 7 made again: pass@1 over layers removed"
        figures.append(FigureSpec(name, title, caption, partial(draw.pruned_scores, scored, study.published.pruned)))
    else:
        text.append(f"Figure 7 (pass@1 over layers removed): {why}.")
    if powered:
        estimated = "ESTIMATED joules. " if any(one.estimated for one in powered) else ""
        what = f"Figure 8 made again: joules per token by {powered[0].source}; small dots: each window. {estimated}"
        what += assumed_bars(point.joules for one in powered for point in one.points).lstrip()
        caption = _caption(study, powered[0].setting, what)
        name, title = f"study-figure-{PRUNED_ENERGY_FIGURE}", "Figure 8 made again: energy over layers removed"
        figures.append(FigureSpec(name, title, caption, partial(draw.pruned_energies, powered)))
    else:
        text.append(f"Figure 8 (energy over layers removed): {why}.")
    made = (tables.pruned(study, study.pruned),) if study.pruned else ()
    return Section("pruning", "These runs: layers removed (figures 7 and 8)", tuple(text), tuple(figures), made)


def _confounds(study: Study) -> Section:
    return Section("confounds", "These runs: what is how it was run", tables=(tables.confounds(study),))


def _findings(study: Study) -> Section:
    """What the records themselves warn of: a busy machine, an observer that stayed attached."""
    used = [record for setting in study.settings for arm in setting.arms.values() for items in arm.values()
            for record in items]  # fmt: skip
    found = [CountedFinding(*item) for item in findings.merged(used, ())]
    doubts = tuple(item for item in found if item.finding.severity != "info")
    return Section("findings", "Warnings of these runs", () if doubts else ("None.",), findings=doubts)

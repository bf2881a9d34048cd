"""The report as data: the first screen with its tabs, and the sections, from what the analysis made of the records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from bench.analysis.explain import Explanation
from bench.analysis.ledger.pairs import Pair
from bench.analysis.recorded_steps import KeptStep
from bench.analysis.timeline.lane import Lane

from . import answer, overview, units
from .analysed import Analysed, hardware_labels
from .answer import answer_about, first_setting, ranked
from .content import Commands, FigureSpec, Report, Section, Tab
from .lane_figure import lane_figure
from .sections.ledger import pair_tables
from .sections.order import SECTIONS
from .words import TONES, model_labels, setting_text

NO_VERDICT = "no verdict"
Steps = Mapping[str, KeptStep]


def tabs(
    explanation: Explanation, commands: Commands | None = None, steps: Steps | None = None, scheme: str | None = None
) -> tuple[Tab, ...]:
    """One per scheme that stands beside the reference, the one that the first screen explains first. ``steps``: by
    scheme, of that setting; None: no trace was looked for. ``scheme``: as for the answer."""
    pairs = ranked(first_setting(explanation.pairs), explanation.generation_rows)
    pairs = sorted(pairs, key=lambda pair: pair.scheme != scheme)
    return tuple(_tab(place, pair, explanation, commands, steps) for place, pair in enumerate(pairs, 1))


def _tab(place: int, pair: Pair, explanation: Explanation, commands: Commands | None, steps: Steps | None) -> Tab:
    row = explanation.generation_rows.get((pair.setting, pair.scheme))
    verdict = row.verdict if row else None
    ratio = row.time_ratio.value if row and row.time_ratio else None
    step = (steps or {}).get(pair.scheme, KeptStep(missing="no timeline was recorded"))
    return Tab(
        pair.scheme,
        verdict or NO_VERDICT,
        TONES[verdict] if verdict else "unsure",
        "" if ratio is None else f"×{ratio:.2f}",
        answer_about(pair, (pair,), explanation, commands),
        pair_tables(pair) if pair.instrument else (),
        _lane(place, pair, step.lane, steps) if step.lane and steps else None,
        step.traces,
        f"One decode step cannot be drawn: {step.missing}." if steps is not None and step.missing else "",
    )


def _lane(place: int, pair: Pair, lane: Lane, steps: Steps) -> FigureSpec:
    reference = steps[pair.reference].lane if pair.reference in steps else None
    caption = (
        f"Measured: the step of middle length among those that were recorded ({lane.step} of {lane.steps}), with what "
        f"recording takes in it: unprofiled, {pair.scheme} takes {pair.closed.scheme_ms:.3g} ms per token. "
        f"{_colours(lane)} A column of a whole step is split by where its time goes. Point at a part to read its time."
    )
    title = f"One decode step of {pair.scheme}" + (f" under one of {pair.reference}" if reference else "")
    draw = partial(lane_figure, pair.scheme, lane, pair.reference, reference)
    return FigureSpec(f"lane-{place}", title, caption, draw)


def _colours(lane: Lane) -> str:
    if lane.gpu:
        return "GPU: its work in the colour of its cause; pale, the time in which it idled before such work."
    return "Operators in the colour of their cause; pale, the host's time before such an operator."


def build(
    analysed: Analysed,
    commands: Commands | None = None,
    steps: Steps | None = None,
    scheme: str | None = None,
) -> Report:
    """The whole report; nothing is drawn or written yet. ``commands``: what a user may type next; ``steps``: the
    recorded ones of the first setting's schemes, None where nobody looked for them; ``scheme``: that the first screen
    explains, None: the slowest."""
    groups = overview.main_groups(analysed.generation)
    records = analysed.records
    models = list(dict.fromkeys(record.case.model for record in records if record.case.workload != "machine"))
    return Report(
        title=f"bitledger report: {', '.join(models) or 'no model'}",
        run_id=analysed.latest.run_id,
        setting=setting_text(groups[0].setting) if groups else "",
        headlines=overview.headlines(groups),
        not_measured=overview.not_measured(records),
        summary=overview.summary_tables(groups),
        machine=analysed.machine,
        labels=(*model_labels(records), *hardware_labels(analysed.parts)),
        counts=_counts(analysed),
        sections=tuple(section for section in _sections(analysed) if section is not None),
        answer=answer.answer(analysed.explanation, commands, scheme),
        tabs=tabs(analysed.explanation, commands, steps, scheme),
    )


def _sections(analysed: Analysed) -> Iterator[Section | None]:
    """All of them, each followed by what other rooms attach there."""
    for entry in SECTIONS:
        yield entry.section(analysed)
        for attached in analysed.attached:
            if attached.after == entry.anchor:
                yield from attached.sections(analysed)


def _counts(analysed: Analysed) -> str:
    by_status = {status: sum(r.status == status for r in analysed.records) for status in ("ok", "failed", "skipped")}
    cases = len({record.case_id for record in analysed.records})
    return (
        f"{units.plural(cases, 'Case')}, {units.plural(len(analysed.records), 'record')}: {by_status['ok']} ok, "
        f"{by_status['failed']} failed, {by_status['skipped']} skipped. Started {analysed.records[0].started_at}."
    )

"""The report as data: the first screen and the sections, from what the analysis made of the records."""

from __future__ import annotations

from collections.abc import Iterator

from . import answer, by_hardware, overview, tabs, units
from .analysed import Analysed
from .content import Commands, Report, Section
from .sections.order import SECTIONS
from .words import model_labels, setting_text


def build(
    analysed: Analysed,
    commands: Commands | None = None,
    steps: tabs.Steps | None = None,
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
        labels=(*model_labels(records), *by_hardware.labels(analysed.parts)),
        counts=_counts(analysed),
        sections=tuple(section for section in _sections(analysed) if section is not None),
        answer=answer.answer(analysed.explanation, commands, scheme),
        tabs=tabs.tabs(analysed.explanation, commands, steps, scheme),
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

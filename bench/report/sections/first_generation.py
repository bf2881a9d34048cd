"""What someone who generates once waits for: the points of the first screen, and the section."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.analysis.explain import Explanation, FirstAnswer
from bench.analysis.first_generation import FirstGeneration
from bench.analysis.generation import GenerationGroup
from bench.analysis.grouping import Coordinates
from bench.analysis.interventions import InterventionRow
from bench.analysis.ledger.first_visits import UNSEEN, FirstVisits
from bench.analysis.statistics import Estimate
from bench.record import causes as c
from bench.report import units
from bench.report.analysed import Analysed
from bench.report.content import Cell, Column, Point, Section, Table, drop_uniform, table
from bench.report.lines import closed_document, lines_table, source_document, sources_table
from bench.report.units import ms
from bench.report.words import ratio_cell, setting_text, short_labels, verdict_cell

CUDNN_OFF = "torch.backends.cuda.enable_cudnn_sdp(False)"
# A first generation that takes less than this of the time at seen lengths is as fast.
_ALIKE = 1.1
_ALIKE_TEXT = "No difference to seen lengths shows."


def points(explanation: Explanation, setting: Coordinates) -> tuple[Point, ...]:
    """For one setting: what new lengths cost the reference, and what each scheme takes of its first generation."""
    found = next((answer for answer in explanation.first if answer.setting == setting), None)
    if found is None:
        return ()
    base = next((row for row in found.rows if row.scheme == found.reference), None)
    price = (
        [_price(base, _within_scheme(found, base.scheme), _switched(explanation, base.scheme))]
        if base is not None
        else []
    )
    return (*price, *_against(found))


def _switched(explanation: Explanation, scheme: str) -> InterventionRow | None:
    """cuDNN's attention switched off, where that was measured."""
    rows = (row for row in explanation.interventions if (row.scheme, row.name) == (scheme, "no-cudnn-attention"))
    return next((row for row in rows if row.first_gain is not None), None)


def _within_scheme(found: FirstAnswer, scheme: str) -> FirstVisits | None:
    return next((item for item in found.ledgers if item.within and item.scheme == scheme), None)


def _price(row: FirstGeneration, ledger: FirstVisits | None, switched: InterventionRow | None) -> Point:
    """What new lengths cost one scheme, what for, and what switching cuDNN's attention off gained."""
    new = units.si(row.time_per_token.value, "s")
    if row.own is None or ledger is None:
        return Point(f"{row.scheme}: {new} per token", "No step at a seen length was timed beside it.")
    if row.own.value < _ALIKE:
        return Point(f"{row.scheme}: {units.ratio(row.own)} its time at seen lengths", _ALIKE_TEXT)
    before = units.si(ledger.closed.reference_ms * 1e-3, "s")
    title = f"{row.scheme}: {units.ratio(row.own)} its time at seen lengths ({new} instead of {before} per token)"
    text, plans = _lines(ledger) if ledger.observed else _unseen(ledger)
    unsure = row.own.low is not None and row.own.low <= 1.0
    sure = "Not sure: the interval holds 1. " if unsure else ""
    if switched is not None and switched.first_gain is not None:
        helps = switched.first_gain.value > 0
        return Point(
            title, f"{sure}{text} {_measured(switched, switched.first_gain)}", CUDNN_OFF if helps else "", not unsure
        )
    return Point(title, sure + text, CUDNN_OFF if plans and ledger.cudnn else "", not unsure)


def _measured(switched: InterventionRow, gain: Estimate) -> str:
    unsure = " (not sure: the interval holds 0)" if gain.low is None or gain.low <= 0 else ""
    return (
        f"Measured with cuDNN's attention switched off: {-gain.value * 1e3:+.3g} ms per token at new lengths{unsure}, "
        f"{-switched.gain.value * 1e3:+.3g} ms at seen ones."
    )


def _unseen(ledger: FirstVisits) -> tuple[str, bool]:
    what = f"{UNSEEN[0].upper()}{UNSEEN[1:]}."
    if not ledger.cudnn:
        return what, False
    inferred = "cuDNN computes attention here and builds a plan for each length that it has not met"
    return f"{what} Inferred: {inferred}; switching its attention off would decide.", True


def _lines(ledger: FirstVisits) -> tuple[str, bool]:
    """The two lines that grow most, and whether attention plans are the first."""
    lines = sorted(ledger.closed.lines, key=lambda line: -line.delta_ms)
    named = [line for line in lines if line.cause in c.CAUSES and line.delta_ms > 0][:2]
    if not named or lines[0].cause not in c.CAUSES:
        return "Most of it is unexplained or the observer's.", False
    causes = " and ".join(f"{c.LABELS[line.cause]} ({line.delta_ms:+.3g} ms)" for line in named)
    plans = named[0].cause == c.ATTENTION_PLANS
    meaning = f" Attention plans: {c.MEANINGS[c.ATTENTION_PLANS]}." if plans else ""
    return f"Mostly {causes}.{meaning}", plans


def _against(found: FirstAnswer) -> list[Point]:
    rows = [row for row in found.rows if row.ratio is not None]
    if not rows:
        return []
    ratios = ", ".join(f"{row.scheme} ×{row.ratio.value:.2f}" for row in rows if row.ratio)
    return [
        Point(
            f"Against {found.reference}'s first generation: {ratios}",
            "Median decode step at new lengths over the reference's; those at seen lengths are in the table.",
        )
    ]


def section(analysed: Analysed) -> Section | None:
    """Every setting's first generations, and for the first setting the ledgers from seen lengths to new ones."""
    groups, explanation = analysed.generation, analysed.explanation
    if not any(row.first for group in groups for row in group.rows):
        return None
    text = (
        "The process's first call over the whole length, and every later step at a key-value length that the process "
        "had not met at that batch size. All other figures are of lengths that it had met.",
    )
    tables = [_table(groups), *_ledgers(explanation)]
    return Section("first", "First generation", text, tables=tuple(tables))


def _table(groups: Sequence[GenerationGroup]) -> Table:
    columns = (
        Column("Setting"),
        Column("Scheme"),
        Column("First token", right=True),
        Column("Step, new length", right=True),
        Column("÷ reference", right=True),
        Column("Verdict"),
        Column("Step, seen length", right=True, detail=True),
        Column("New ÷ seen", right=True),
        Column("Whole call", right=True, detail=True),
        Column("New steps", right=True, detail=True),
    )
    labels = short_labels([group.setting for group in groups])
    rows = [
        (labels[group.setting], row.scheme, *_row(row.first, group, row.time_per_token))
        for group in groups
        for row in group.rows
        if row.first is not None
    ]
    note = (
        "Per token; new length: the median step of each process. First token, whole call: of the process's first call, "
        "prefill and all loading of libraries in it." + _later(groups)
    )
    return drop_uniform(table("First generation", columns, rows, note), "Setting")


def _later(groups: Sequence[GenerationGroup]) -> str:
    later = [group.setting for group in groups if any(row.first and row.first.place for row in group.rows)]
    if not later:
        return ""
    settings = "; ".join(setting_text(setting, ("batch_size", "new_tokens", "cache")) for setting in later)
    return f" After other Cases in the same process, with libraries loaded: {settings}."


def _row(row: FirstGeneration, group: GenerationGroup, seen: Estimate | None) -> tuple[Cell | str, ...]:
    return (
        units.estimate(row.first_token, "s"),
        units.estimate(row.time_per_token, "s"),
        ratio_cell(row.ratio, row.scheme == group.reference),
        verdict_cell(row.verdict),
        units.si(seen.value if seen else None, "s"),
        ratio_cell(row.own, is_reference=False) if row.own else units.ABSENT,
        units.estimate(row.call, "s"),
        str(row.steps),
    )


def _ledgers(explanation: Explanation) -> list[Table]:
    made: list[Table] = []
    for answer in explanation.first[:1]:
        for ledger in answer.ledgers:
            if ledger.observed:
                made += [_ledger(ledger), *_sources(ledger)]
    return made


def _ledger(ledger: FirstVisits) -> Table:
    note = (
        f"ms per token, from timelines of {ledger.steps[0]} and {ledger.steps[1]} decode steps, less the modelled cost "
        "of observing."
    )
    title = f"Ledger: {ledger.before} → {ledger.after}"
    return lines_table(title, "before", "after", ledger.closed, note)


def _sources(ledger: FirstVisits) -> list[Table]:
    found = sources_table(f"Idle time: {ledger.before} → {ledger.after}", ledger.sources)
    return [found] if found else []


def document(found: Explanation) -> dict[str, Any]:
    """What someone who generates once waits for, of each setting, as JSON."""
    return {"first_generation": [_document(answer) for answer in found.first]}


def _document(answer: FirstAnswer) -> dict[str, Any]:
    rows = [
        {
            "scheme": row.scheme, "new_length_ms": row.time_per_token.value * 1e3, "new_steps": row.steps,
            "ratio": row.ratio.value if row.ratio else None, "over_seen": row.own.value if row.own else None,
            "first_token_ms": ms(row.first_token.value if row.first_token else None), "verdict": row.verdict,
        }
        for row in answer.rows
    ]  # fmt: skip
    ledgers = [
        {
            "before": item.before, "after": item.after, "observed": item.observed, "observed_steps": list(item.steps),
            "attention_plans_ms": item.plans_ms, **closed_document(item.closed),
            "sources": [source_document(part) for part in item.sources],
        }
        for item in answer.ledgers
    ]  # fmt: skip
    return {
        "setting": dict(answer.setting), "reference": answer.reference, "schemes": rows, "ledgers": ledgers,
        "basis": "decode steps at key-value lengths new to the process; all other figures are of lengths it had met",
    }  # fmt: skip

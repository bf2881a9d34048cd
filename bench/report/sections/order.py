"""The page's sections in their order: to add one, write its file beside this one and its line here. A run's explanation
as JSON is the first screen, then what each section has to say of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.analysis.explain import Explanation
from bench.hooks import attached_documents
from bench.report.answer_json import answer_document
from bench.report.content import Commands, Entry, of_why

from . import (
    arms,
    costs,
    energy,
    environment,
    evidence,
    findings,
    first_generation,
    hypotheses,
    interventions,
    latency,
    ledger,
    matmul,
    memory,
    positions,
    prefill,
    remedies,
    throughput,
    troubles,
)

SECTIONS: tuple[Entry, ...] = (
    of_why("ledger", ledger.section, ledger.document),
    of_why("interventions", interventions.section, interventions.document),
    of_why("hypotheses", hypotheses.section, hypotheses.document),
    of_why("remedies", remedies.section, remedies.document),
    of_why("ledgers", ledger.others),
    Entry("throughput", throughput.section),
    Entry("first", first_generation.section, first_generation.document),
    of_why("prefill", prefill.section, prefill.document),
    Entry("latency", latency.section),
    Entry("positions", positions.section),
    Entry("memory", memory.section),
    Entry("energy", energy.section),
    Entry("matmul", matmul.section),
    Entry("evidence", evidence.section),
    Entry("costs", costs.section),
    Entry("findings", findings.section, findings.document),
    Entry("troubles", troubles.section),
    Entry("environment", environment.section),
    Entry("arms", arms.section),
)


def run_document(
    found: Mapping[str, Explanation], commands: Commands | None = None, *, several: bool
) -> dict[str, Any]:
    """A run's explanation as JSON; of several kinds of hardware as a list of such under "machines"."""
    if several:
        return {"machines": [{"machine": name, **explanation_document(each, commands)} for name, each in found.items()]}
    return explanation_document(next(iter(found.values())), commands)


def explanation_document(found: Explanation, commands: Commands | None = None) -> dict[str, Any]:
    """A run's explanation as JSON; ``commands``: what a user may type next."""
    made: dict[str, Any] = {"phase": found.phase.name, "answer": answer_document(found, commands)}
    for entry in SECTIONS:
        made |= entry.document(found) if entry.document else {}
    for attached in attached_documents(found):
        made |= attached.document
        for joules, pair in zip(made["energy"], found.energy, strict=True):
            joules |= attached.of_energy(pair)
    return made

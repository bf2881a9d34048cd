"""The page's sections in their order: to add one, write its file beside this one and its line here."""

from bench.report.content import Entry, of_why

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

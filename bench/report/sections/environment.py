"""The models, the machine, and its state before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.record.schema import Environment, Record
from bench.report import units
from bench.report.analysed import Analysed
from bench.report.content import Column, Section, Table, table
from bench.report.units import fact_label, fact_text, flat_facts, machine_facts, plain_text


def section(analysed: Analysed) -> Section:
    """Models, the machine and its state, or what the nodes have in common and what not."""
    records = analysed.records
    own = next((each.environment() for each in analysed.attached if each.environment), None)
    one = own or (state_table(records), machine_table(analysed.latest.environment))
    found = (models_table(records), *one)
    return Section(
        "environment", "Environment", tables=tuple(item for item in found if item), folded=True, files_only=True
    )


def machine_table(environment: Environment) -> Table:
    """The machine and software, one fact a row."""
    known = machine_facts(environment)
    rows = [(fact_label(name), fact_text(name, value)) for name, value in known if value not in (None, "", [], {})]
    return table("Machine and software", (Column("What"), Column("Value")), rows)


def models_table(records: Sequence[Record]) -> Table | None:
    """Every model that was measured, by revision and what its weights are."""
    found: dict[tuple[str, str], tuple[str, str, str, str]] = {}
    for record in records:
        known = record.setup.get("model")
        if isinstance(known, Mapping):
            name, revision = record.case.model, record.case.revision
            size, fact_label = plain_text(known.get("parameters")), plain_text(known.get("label"))
            found.setdefault((name, fact_label), (name, revision or units.ABSENT, fact_label, size))
    columns = (Column("Model"), Column("Revision"), Column("Weights"), Column("Parameters", right=True))
    return table("Models", columns, list(found.values())) if found else None


def state_table(records: Sequence[Record]) -> Table | None:
    """The state before the first and after the last record, and the extremes over all records."""
    first, last = dict(flat_facts(records[0].environment.before)), dict(flat_facts(records[-1].environment.after))
    extremes = _extremes(records)
    rows = [
        (fact_label(name), fact_text(name, first.get(name)), fact_text(name, last.get(name)), _range(name, extremes))
        for name in dict.fromkeys([*first, *last])
    ]
    columns = (
        Column("State"),
        Column("Before the first record"),
        Column("After the last record"),
        Column("Lowest – highest in the run"),
    )
    return table("State of the machine", columns, rows) if rows else None


def _extremes(records: Sequence[Record]) -> dict[str, tuple[float, float]]:
    found: dict[str, tuple[float, float]] = {}
    states = (state for r in records for state in (r.environment.before, r.environment.after))
    for state in {id(state): state for state in states}.values():  # many records have one in common
        for name, value in flat_facts(state):
            if isinstance(value, int | float) and not isinstance(value, bool):
                low, high = found.get(name, (value, value))
                found[name] = (min(low, value), max(high, value))
    return found


def _range(name: str, extremes: Mapping[str, tuple[float, float]]) -> str:
    if name not in extremes:
        return units.ABSENT
    low, high = (fact_text(name, value) for value in extremes[name])
    return low if low == high else f"{low} – {high}"

"""The environment of several nodes: what is the same on all, what differs and where, and the extremes of their state.

One node's facts shown as if they were all nodes' would be a lie in a report of a sweep.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.alike import listed
from bench.record.origin import node_of
from bench.record.schema import Environment, Record
from bench.report import units
from bench.report.content import Cell, Column, Table, table
from bench.report.units import fact_label, fact_text, flat_facts, machine_facts

# Values of one fact that are told each; of more, such as names and addresses, only how many there are.
MOST_VALUES = 4


def environment(records: Sequence[Record]) -> tuple[Table, ...]:
    """The tables of the environment section."""
    values = _values(records)
    nodes = {name for found in values.values() for names in found.values() for name in names}
    alike = [(fact_label(name), next(iter(found))) for name, found in values.items() if _common(found, nodes)]
    unlike = [(name, found) for name, found in values.items() if not _common(found, nodes)]
    made = [
        table(f"The same on all {len(nodes)} nodes", (Column("What"), Column("Value")), alike),
        _differences_table(unlike),
        _extremes(records),
    ]
    return tuple(item for item in made if item is not None and item.rows)


Values = dict[str, dict[str, None]]


def _values(records: Sequence[Record]) -> dict[str, Values]:
    """Fact → value as shown → the nodes that have it. A fact that a node lacks is not among its facts."""
    found: dict[str, Values] = {}
    seen: list[tuple[str, Environment]] = []
    for record in records:
        known = (node_of(record.environment), record.environment)
        if seen and _same_machine_state(known, seen[-1]):
            continue
        seen.append(known)
        for name, value in machine_facts(record.environment):
            if value not in (None, "", [], {}):
                found.setdefault(name, {}).setdefault(fact_text(name, value), {})[known[0]] = None
    return found


def _same_machine_state(one: tuple[str, Environment], other: tuple[str, Environment]) -> bool:
    """Whether nothing but the state differs: most Records follow one of the same node."""
    a, b = one[1], other[1]
    return one[0] == other[0] and all(
        getattr(a, name) == getattr(b, name)
        for name in ("hostname", "os", "python", "cpu", "gpus", "packages", "source", "variables")
    )


def _common(found: Values, nodes: set[str]) -> bool:
    return len(found) == 1 and len(next(iter(found.values()))) == len(nodes)


def _differences_table(found: Sequence[tuple[str, Values]]) -> Table | None:
    rows = [(fact_label(name), _values_cell(values)) for name, values in found]
    return table("Not the same on all nodes", (Column("What"), Column("Value and nodes")), rows) if rows else None


def _values_cell(values: Values) -> Cell:
    if len(values) > MOST_VALUES:
        first = ", ".join(list(values)[:2])
        return Cell(f"{len(values)} different values, such as {first}")
    ordered = sorted(values.items(), key=lambda item: -len(item[1]))
    return Cell("; ".join(f"{value} ({listed(list(names), 3)})" for value, names in ordered))


def _extremes(records: Sequence[Record]) -> Table | None:
    """The lowest and the highest of every figure of the state, with the node that it was on."""
    found: dict[str, list[tuple[float, str]]] = {}
    for record in records:
        name_of_node = node_of(record.environment)
        for state in (record.environment.before, record.environment.after):
            for name, value in flat_facts(state):
                if isinstance(value, int | float) and not isinstance(value, bool):
                    _widen(found, name, (float(value), name_of_node))
    rows = [(fact_label(name), *_end(name, ends[0]), *_end(name, ends[1])) for name, ends in found.items()]
    columns = (Column("State"), Column("Lowest"), Column("On node"), Column("Highest"), Column("On node"))
    return table("State of the nodes", columns, rows) if rows else None


def _widen(found: dict[str, list[tuple[float, str]]], name: str, known: tuple[float, str]) -> None:
    low, high = found.setdefault(name, [known, known])
    found[name] = [known if known[0] < low[0] else low, known if known[0] > high[0] else high]


def _end(name: str, end: tuple[float, str]) -> tuple[str, str]:
    return fact_text(name, end[0]) or units.ABSENT, end[1]

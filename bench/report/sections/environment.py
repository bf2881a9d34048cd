"""The machine and its state before and after, as tables. Names carry their unit ("clock_hz"), which decides how a
value is shown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.record.schema import Environment, Record
from bench.report import units
from bench.report.content import Column, Table, table

_SUFFIXES = {"_hz": "Hz", "_bytes": "B", "_degc": "degC", "_w": "W", "_s": "s"}


def machine(environment: Environment) -> Table:
    """The machine and software, one fact a row."""
    known = facts(environment)
    rows = [(label(name), shown(name, value)) for name, value in known if value not in (None, "", [], {})]
    return table("Machine and software", (Column("What"), Column("Value")), rows)


def facts(environment: Environment) -> list[tuple[str, Any]]:
    """All that does not change in a run, by name."""
    found: list[tuple[str, Any]] = [("host", environment.hostname), ("system", environment.os)]
    found += [("python", environment.python)]
    found += [(f"CPU {name}", value) for name, value in flat(environment.cpu)]
    for index, gpu in enumerate(environment.gpus):
        found += [(f"GPU {index} {name}", value) for name, value in flat(gpu)]
    found += sorted(environment.packages.items())
    found += [(f"source {name}", value) for name, value in flat(environment.source)]
    found += sorted(environment.variables.items())
    return found


def models(records: Sequence[Record]) -> Table | None:
    """Every model that was measured, by revision and what its weights are."""
    found: dict[tuple[str, str], tuple[str, str, str, str]] = {}
    for record in records:
        facts = record.setup.get("model")
        if isinstance(facts, Mapping):
            name, revision = record.case.model, record.case.revision
            size, label = plain(facts.get("parameters")), plain(facts.get("label"))
            found.setdefault((name, label), (name, revision or units.ABSENT, label, size))
    columns = (Column("Model"), Column("Revision"), Column("Weights"), Column("Parameters", right=True))
    return table("Models", columns, list(found.values())) if found else None


def before_after(records: Sequence[Record]) -> Table | None:
    """The state before the first and after the last record, and the extremes over all records."""
    first, last = dict(flat(records[0].environment.before)), dict(flat(records[-1].environment.after))
    extremes = _extremes(records)
    rows = [
        (label(name), shown(name, first.get(name)), shown(name, last.get(name)), _range(name, extremes))
        for name in dict.fromkeys([*first, *last])
    ]
    columns = (
        Column("State"),
        Column("Before the first record"),
        Column("After the last record"),
        Column("Lowest – highest in the run"),
    )
    return table("State of the machine", columns, rows) if rows else None


def flat(mapping: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Nested mappings and lists of mappings as "gpus 0 clock_sm_hz" → value."""
    for name, value in mapping.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name} ")
        elif isinstance(value, list | tuple) and value and all(isinstance(item, Mapping) for item in value):
            for index, item in enumerate(value):
                yield from flat(item, f"{prefix}{name} {index} ")
        else:
            yield f"{prefix}{name}", value


def _extremes(records: Sequence[Record]) -> dict[str, tuple[float, float]]:
    found: dict[str, tuple[float, float]] = {}
    for state in (state for r in records for state in (r.environment.before, r.environment.after)):
        for name, value in flat(state):
            if isinstance(value, int | float) and not isinstance(value, bool):
                low, high = found.get(name, (value, value))
                found[name] = (min(low, value), max(high, value))
    return found


def _range(name: str, extremes: Mapping[str, tuple[float, float]]) -> str:
    if name not in extremes:
        return units.ABSENT
    low, high = (shown(name, value) for value in extremes[name])
    return low if low == high else f"{low} – {high}"


def label(name: str) -> str:
    """The name without its unit's suffix, in words."""
    suffix = next((suffix for suffix in _SUFFIXES if name.endswith(suffix)), "")
    return name.removesuffix(suffix).replace("_", " ")


def shown(name: str, value: Any) -> str:
    """A value by the unit in its name: 1.98e9 of "clock_hz" → "1.98 GHz"."""
    unit = next((unit for suffix, unit in _SUFFIXES.items() if name.endswith(suffix)), None)
    if unit is not None and isinstance(value, int | float) and not isinstance(value, bool):
        return units.si(value, unit)
    return plain(value)


def plain(value: Any) -> str:
    """Any JSON value in a table cell."""
    if value is None:
        return units.ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return units.number(value)
    if isinstance(value, str | int):
        return str(value)
    if isinstance(value, list | tuple) and all(isinstance(item, str | int | float) for item in value):
        return ", ".join(map(plain, value)) or "none"
    return json.dumps(value, default=str, sort_keys=True)

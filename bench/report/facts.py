"""Facts of a machine and its state. A name carries its unit ("clock_hz"), which decides how a value is shown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from bench.record.schema import Environment

from . import units

_SUFFIXES = {"_hz": "Hz", "_bytes": "B", "_degc": "degC", "_w": "W", "_s": "s"}


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

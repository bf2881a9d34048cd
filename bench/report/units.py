"""SI values as text: three significant digits, a prefix where one helps, intervals in one prefix; and facts of a
machine and its state, whose names carry their units ("clock_hz")."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from bench.analysis.statistics import Estimate
from bench.analysis.statistics.assumed import BURST, ENOUGH, PROCESS, RUN, WORD, mark
from bench.record.schema import Environment

_PREFIXES = (
    (1e15, "P"),
    (1e12, "T"),
    (1e9, "G"),
    (1e6, "M"),
    (1e3, "k"),
    (1.0, ""),
    (1e-3, "m"),
    (1e-6, "µ"),
    (1e-9, "n"),
)
# Units that people do not read with a prefix above or below one.
_NO_LARGE = {"s", "tok/s", "degC", "1", ""}
_NO_SMALL = {"tok/s", "degC", "1", "", "B"}
ABSENT = "–"
# What the word beside an interval means.
ASSUMED_NOTE = (
    f"{WORD}: fewer than {ENOUGH} processes, runs, or bursts in one process do not show how such differ, so that a "
    f"standard deviation of {100 * PROCESS:.0f}, {100 * RUN:.0f} or {100 * BURST:.0f} % is taken (docs/verdicts.md)."
)
_SUFFIXES = {"_hz": "Hz", "_bytes": "B", "_degc": "degC", "_w": "W", "_s": "s"}


def number(value: float, digits: int = 3) -> str:
    """``value`` with ``digits`` significant digits, never fewer than its whole part, no exponent in daily sizes."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else ABSENT
    size = math.floor(math.log10(abs(value)))
    if size < -4 or size >= 9:
        return f"{value:.{digits - 1}e}"
    rounded = round(value, digits - 1 - size)
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
    return _grouped(f"{rounded:.{decimals}f}")


def _grouped(text: str) -> str:
    """Thin spaces every three digits from ten thousand on (SI brochure, 5.4.4)."""
    whole, dot, rest = text.partition(".")
    return f"{int(whole):,}".replace(",", "\u202f") + dot + rest if len(whole.lstrip("-")) > 4 else text


def signed(value: float) -> str:
    """``value`` with its sign and three significant digits, without an exponent in daily sizes: "+1.2", "-0.05"."""
    return f"{value:+.3g}" if not 1e3 <= abs(value) < 1e9 else f"{value:+.0f}"


def fixed(value: float, decimals: int) -> str:
    """``value`` with its sign and so many decimals; what they do not show is "0", without a sign."""
    text = f"{value:+.{decimals}f}"
    return text if float(text) else "0"


def decimals(value: float, places: int) -> str:
    """``value`` with so many decimals, without the sign of one that they do not show."""
    return f"{value:z.{places}f}"


def si(value: float | None, unit: str, digits: int = 3) -> str:
    """``value`` in ``unit`` as text: 0.0123, "s" → "12.3 ms"; None → a dash."""
    if value is None or not math.isfinite(value):
        return ABSENT
    scale, prefix = prefix_for(value, unit)
    return f"{number(value / scale, digits)} {prefix}{_shown(unit)}".rstrip()


def prefix_for(value: float, unit: str) -> tuple[float, str]:
    """The factor and the letter to show ``value`` with. The value is rounded first, so that 999.9 µs is 1.00 ms."""
    size = abs(float(f"{value:.2e}"))
    if size == 0:
        return 1.0, ""
    for scale, prefix in _PREFIXES:
        barred = (scale > 1 and unit in _NO_LARGE) or (scale < 1 and unit in _NO_SMALL)
        if size >= scale and not barred:
            return scale, prefix
    return (1.0, "") if unit in _NO_SMALL else (1e-9, "n")


def _shown(unit: str) -> str:
    return {"degC": "°C", "1": ""}.get(unit, unit)


def estimate(value: Estimate | None, unit: str) -> str:
    """A figure and its interval in one prefix: "98.1 tok/s [92.5, 104]"; without an interval the figure alone. Where a
    part of the interval was not seen, "assumed" follows."""
    if value is None:
        return ABSENT
    scale, _ = prefix_for(value.value, unit)
    if value.low is None or value.high is None:
        return si(value.value, unit)
    digits = _digits(value.low, value.high)
    low, high = number(value.low / scale, digits), number(value.high / scale, digits)
    return f"{si(value.value, unit, digits)} [{low}, {high}]{mark(value.assumed)}"


def _digits(low: float, high: float) -> int:
    """Four digits where three would show the two bounds as one number."""
    return 4 if number(low) == number(high) and low != high else 3


def ratio(value: Estimate | None) -> str:
    """A ratio and its interval: "×1.73 [1.63, 1.83]", with more decimals where the interval is narrow."""
    if value is None:
        return ABSENT
    if value.low is None or value.high is None:
        return f"×{value.value:.2f} [no interval]"
    width = value.high - value.low
    decimals = 3 if width <= 0 else min(4, max(2, 1 - math.floor(math.log10(width)) - (value.value >= 100)))
    bounds = f"[{value.low:.{decimals}f}, {value.high:.{decimals}f}]"
    return f"×{value.value:.{decimals}f} {bounds}{mark(value.assumed)}"


def percent(share: float | None) -> str:
    """A share as a percentage: 0.0012 → "0.120 %"."""
    return ABSENT if share is None else f"{number(100.0 * share, 2)} %"


def bounds(low: float, high: float, unit: str) -> str:
    """One value where both bounds read alike, else "low – high" in the prefix of the high one."""
    if si(low, unit) == si(high, unit):
        return si(low, unit)
    scale, _ = prefix_for(high, unit)
    return f"{number(low / scale)} – {si(high, unit)}"


def plural(count: int, noun: str) -> str:
    """1 call, 2 calls."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def ms(seconds: float | None) -> float | None:
    """Seconds in ms, for JSON."""
    return None if seconds is None else seconds * 1e3


def machine_facts(environment: Environment) -> list[tuple[str, Any]]:
    """All that does not change in a run, by name."""
    found: list[tuple[str, Any]] = [("host", environment.hostname), ("system", environment.os)]
    found += [("python", environment.python)]
    found += [(f"CPU {name}", value) for name, value in flat_facts(environment.cpu)]
    for index, gpu in enumerate(environment.gpus):
        found += [(f"GPU {index} {name}", value) for name, value in flat_facts(gpu)]
    found += sorted(environment.packages.items())
    found += [(f"source {name}", value) for name, value in flat_facts(environment.source)]
    found += sorted(environment.variables.items())
    return found


def flat_facts(mapping: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Nested mappings and lists of mappings as "gpus 0 clock_sm_hz" → value."""
    for name, value in mapping.items():
        if isinstance(value, Mapping):
            yield from flat_facts(value, f"{prefix}{name} ")
        elif isinstance(value, list | tuple) and value and all(isinstance(item, Mapping) for item in value):
            for index, item in enumerate(value):
                yield from flat_facts(item, f"{prefix}{name} {index} ")
        else:
            yield f"{prefix}{name}", value


def fact_label(name: str) -> str:
    """The name without its unit's suffix, in words."""
    suffix = next((suffix for suffix in _SUFFIXES if name.endswith(suffix)), "")
    return name.removesuffix(suffix).replace("_", " ")


def fact_text(name: str, value: Any) -> str:
    """A value by the unit in its name: 1.98e9 of "clock_hz" → "1.98 GHz"."""
    unit = next((unit for suffix, unit in _SUFFIXES.items() if name.endswith(suffix)), None)
    if unit is not None and isinstance(value, int | float) and not isinstance(value, bool):
        return si(value, unit)
    return plain_text(value)


def plain_text(value: Any) -> str:
    """Any JSON value in a table cell."""
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, str | int):
        return str(value)
    if isinstance(value, list | tuple) and all(isinstance(item, str | int | float) for item in value):
        return ", ".join(map(plain_text, value)) or "none"
    return json.dumps(value, default=str, sort_keys=True)

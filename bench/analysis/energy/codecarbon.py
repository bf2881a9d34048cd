"""What CodeCarbon reported in its own windows, held against itself, and its emissions with the grid they are of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.record.metrics import JOULES_PER_KWH
from bench.record.schema import Finding, Record

from ..grouping import Coordinates, groups

# Joules and its own power × time are apart from here on. Its power is a mean over measurements a second apart, the
# first of them made as it starts: of shorter windows it says little, but for RAM, which is a constant.
_APART = 0.2
_LONG_S = 3.0
# Findings of a window after which no comparison may rest on its joules.
_NO_VERDICT = ("codecarbon-without-gpu", "codecarbon-scheduler", "codecarbon-clock", "codecarbon-own-power")


@dataclass(frozen=True)
class Emissions:
    """``per_token``: kg CO2-equivalent a token, ``joules``: J a token. ``intensity``: kg/kWh of ``country``'s grid, as
    CodeCarbon has it."""

    setting: Coordinates
    scheme: str
    per_token: float
    joules: float
    intensity: float
    country: str
    windows: int


def findings(record: Record) -> tuple[Finding, ...]:
    """What does not fit together in a CodeCarbon record; () for any other."""
    return tuple(_own_power(record)) if record.instrument == "codecarbon" else ()


def no_verdict(record: Record) -> str:
    """Why no comparison may rest on what CodeCarbon reported; "" where one may, and for any other record."""
    if record.instrument != "codecarbon":
        return ""
    found = [one for one in (*record.findings, *findings(record)) if one.code in _NO_VERDICT]
    first = min(found, key=lambda one: _NO_VERDICT.index(one.code), default=None)
    return f"{first.message} ({first.evidence})" if first else ""


def _own_power(record: Record) -> Iterator[Finding]:
    for part, least in (("cpu", _LONG_S), ("ram", 0.0)):
        joules, watts = record.values(f"codecarbon_energy_{part}"), record.values(f"codecarbon_power_{part}")
        for used, power, seconds in zip(joules, watts, record.values("window_time"), strict=False):
            told = power * seconds
            if seconds >= least and abs(used - told) > _APART * max(used, told):
                message = f"CodeCarbon's {part.upper()} joules are not its own power × time"
                evidence = f"{used:.4g} J, but {power:.4g} W × {seconds:.4g} s"
                remedy = "trust neither; take the direct counters' joules"
                yield Finding("codecarbon-own-power", "warning", message, evidence, remedy)
                break


def emissions(records: Sequence[Record]) -> tuple[Emissions, ...]:
    """One a setting and scheme, over all its CodeCarbon windows."""
    return tuple(
        found
        for group in groups(records, "codecarbon")
        for scheme, own in group.schemes.items()
        if (found := _emissions(group.setting, scheme, own)) is not None
    )


def _emissions(setting: Coordinates, scheme: str, records: Sequence[Record]) -> Emissions | None:
    kg, tokens, joules = (
        sum(sum(record.values(name)) for record in records)
        for name in ("codecarbon_emissions", "window_tokens", "codecarbon_energy")
    )
    if tokens <= 0 or joules <= 0:
        return None
    countries = dict.fromkeys(str(record.setup.get("country") or "a country not recorded") for record in records)
    windows = sum(len(record.values("codecarbon_emissions")) for record in records)
    intensity = kg / joules * JOULES_PER_KWH
    return Emissions(setting, scheme, kg / tokens, joules / tokens, intensity, ", ".join(countries), windows)

"""What CodeCarbon reported in its own windows, held against itself, and its emissions with the grid they are of; and
whether the joules that it wrote down elsewhere can be right: wraps of the CPU's counter, sums, constants, carbon.

A CPU counter that was read only at the beginning and the end of a long run loses whole ranges. Which number of them
makes the power plausible is found in wraps.py; without a plausible power it cannot be told, and is not guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from bench.instruments.emissions_file import PARTS, EmissionsRow
from bench.record.metrics import JOULES_PER_KWH
from bench.record.schema import Finding, Record

from ..grouping import Coordinates, groups
from .wraps import AMD_RANGE, INTEL_RANGE, Fit, Wraps, find_wraps

# Joules and its own power × time are apart from here on. Its power is a mean over measurements a second apart, the
# first of them made as it starts: of shorter windows it says little, but for RAM, which is a constant.
_APART = 0.2
_LONG_S = 3.0
# Findings of a window after which no comparison may rest on its joules.
_NO_VERDICT = ("codecarbon-without-gpu", "codecarbon-scheduler", "codecarbon-clock", "codecarbon-own-power")
Answer = Literal[
    "as recorded", "wraps put back", "several fit", "none fits", "cannot tell", "modelled", "no CPU energy"
]
# No node's CPU packages draw more: what a run without a plausible power is held against. Assumed.
MOST_WATTS = 1000.0
_SAME = 1e-3
_AMD, _INTEL = ("amd", "epyc", "ryzen"), ("intel", "xeon")


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
            expected = power * seconds
            if seconds >= least and abs(used - expected) > _APART * max(used, expected):
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


@dataclass(frozen=True)
class RowCheck:
    """``watts``: mean CPU power as recorded. ``fit``: the only number of wraps that fits, with its joules; None where
    none or several do. ``choices``: each number of wraps that fits, by counter range."""

    row: EmissionsRow
    answer: Answer
    watts: float
    why: str
    fit: Fit | None = None
    choices: tuple[Wraps, ...] = ()

    @property
    def total(self) -> float | None:
        """J of all parts with the wraps put back; None where that is not known."""
        if self.fit is None and self.answer in ("several fit", "none fits", "cannot tell"):
            return None
        return self.row.joules["total"] + (self.fit.joules - self.row.joules["cpu"] if self.fit else 0.0)


@dataclass(frozen=True)
class EmissionsCheck:
    """What was found of each row of a table, and what is doubtful in all of it."""

    rows: tuple[RowCheck, ...]
    findings: tuple[Finding, ...]

    @property
    def amiss(self) -> bool:
        """Whether anything is wrong, or not known where a plausible power was given."""
        settled = ("as recorded", "modelled")
        asked = any(row.choices and row.answer not in settled for row in self.rows)
        return asked or any(one.severity != "info" for one in self.findings)


def check(
    rows: Sequence[EmissionsRow], power: tuple[float, float] | None = None, range_: float | None = None
) -> EmissionsCheck:
    """Each run's CPU joules judged, and what else is odd in the file.

    ``power``: W between which the node's CPU packages drew together, from another source than this file. ``range_``:
    what their counter counts to, J; without it, that of the maker named in the file, and of both where none is.
    """
    modelled = _constant(rows, "cpu")
    judged = tuple(_row(row, power, range_, modelled) for row in rows)
    found = [
        *_sums(rows),
        *_power_by_times(rows),
        *_carbon(rows),
        *_lower_power_findings(judged),
        *_ram(rows),
        *_unusable(rows),
    ]
    return EmissionsCheck(judged, tuple(found))


def ranges_of(cpu_model: str) -> tuple[float, ...]:
    """The counter's range by the CPU's maker; both where the name does not say."""
    name = cpu_model.lower()
    if any(word in name for word in _AMD):
        return (AMD_RANGE,)
    return (INTEL_RANGE,) if any(word in name for word in _INTEL) else (INTEL_RANGE, AMD_RANGE)


def _row(
    row: EmissionsRow, power: tuple[float, float] | None, range_: float | None, modelled: float | None
) -> RowCheck:
    joules = row.joules["cpu"]
    if joules <= 0 or row.seconds <= 0:
        return RowCheck(row, "no CPU energy", 0.0, "no joules or no seconds are no measurement")
    watts = joules / row.seconds
    if modelled is not None:
        return RowCheck(row, "modelled", watts, f"{modelled:.1f} W in every run: a model of the CPU, not a counter")
    ranges = (range_,) if range_ else ranges_of(row.cpu_model)
    if power is None:
        return _without_power(row, watts, min(ranges))
    choices = tuple(find_wraps(joules, row.seconds, *power, one) for one in ranges)
    return _with_power(row, watts, choices)


def _without_power(row: EmissionsRow, watts: float, range_: float) -> RowCheck:
    step = range_ / row.seconds
    if watts + step > MOST_WATTS:
        why = f"a wrap more would be {watts + step:.0f} W, and a node's CPUs draw {MOST_WATTS:.0f} W at most (assumed)"
        return RowCheck(row, "as recorded", watts, why)
    choices = ", ".join(f"{watts + n * step:.0f}" for n in range(4))
    return RowCheck(row, "cannot tell", watts, f"{choices} … W with 0, 1, 2, 3 … wraps: say which is plausible")


def _with_power(row: EmissionsRow, watts: float, choices: tuple[Wraps, ...]) -> RowCheck:
    fitting = [one for one in choices if one.answer != "none fits"]
    if not fitting:
        near = choices[0].nearest((choices[0].low + choices[0].high) / 2)
        return RowCheck(row, "none fits", watts, f"nearest: {near.wraps} wraps, {near.watts:.1f} W", choices=choices)
    ranges = "; ".join(f"{_numbers(one)} of {one.range:,.0f} J, {one.step:.1f} W apart" for one in fitting)
    found = fitting[0].fit
    if len(fitting) < len(choices) or (len(choices) > 1 and any(not _agree(one.fit, found) for one in fitting)):
        return RowCheck(row, "cannot tell", watts, f"{ranges}: the maker is not named, give --range", choices=choices)
    if found is None:
        return RowCheck(row, "several fit", watts, ranges, choices=choices)
    margin, chance = min(one.margin or 0.0 for one in fitting), max(one.by_chance for one in fitting)
    why = (
        f"another number fits too if that power is wrong by {margin:.1f} W; {chance:.0%} of powers would fit something"
    )
    return RowCheck(row, "wraps put back" if found.wraps else "as recorded", watts, why, found, choices)


def _numbers(one: Wraps) -> str:
    return f"{one.fewest} wraps" if one.most == one.fewest else f"{one.fewest} to {one.most} wraps"


def _agree(one: Fit | None, other: Fit | None) -> bool:
    """Whether two counter ranges end in the same joules: AMD's is a quarter of Intel's but for its rounding."""
    return one is not None and other is not None and abs(one.joules - other.joules) <= 1e-4 * other.joules


def _constant(rows: Sequence[EmissionsRow], part: str) -> float | None:
    """The mean power of a part where it is the same in all of at least two runs; None elsewhere."""
    powers = [row.joules[part] / row.seconds for row in rows if row.seconds > 0 and row.joules[part] > 0]
    if len(powers) < 2 or len(powers) < len(rows) or max(powers) - min(powers) > _SAME * max(powers):
        return None
    return median(powers)


def _lines(rows: Sequence[EmissionsRow]) -> str:
    return "line " + ", ".join(str(row.place) for row in rows)


def _sums(rows: Sequence[EmissionsRow]) -> list[Finding]:
    wrong = [
        row
        for row in rows
        if _differ_by_share(sum(row.joules[part] for part in PARTS) * row.pue, row.joules["total"], 0.01)
    ]
    message, remedy = "the parts do not add up to the total", "trust neither until you know which part is wrong"
    return [Finding("emissions-sum", "warning", message, _lines(wrong), remedy)] if wrong else []


def _differ_by_share(one: float, other: float, share: float) -> bool:
    return abs(one - other) > share * max(abs(one), abs(other))


def _power_by_times(rows: Sequence[EmissionsRow]) -> list[Finding]:
    found = []
    remedy = "the power may be that of the last reading alone; if not, the joules are wrong"
    for part in PARTS:
        pairs = [(row, row.watts.get(part, 0.0) * row.seconds) for row in rows]
        wrong = [
            row
            for row, joules in pairs
            if joules > 0 < row.joules[part] and _differ_by_share(joules, row.joules[part], _APART)
        ]
        if wrong:
            row = wrong[0]
            evidence = f"{_lines(wrong)}: {row.joules[part]:.4g} J, but {row.watts[part]:.4g} W × {row.seconds:.4g} s"
            message = f"{part}: the joules are not its own power × time"
            found.append(Finding("emissions-own-power", "warning", message, evidence, remedy))
    return found


def _carbon(rows: Sequence[EmissionsRow]) -> list[Finding]:
    known = [(row, row.kg / row.joules["total"]) for row in rows if row.kg is not None and row.joules["total"] > 0]
    if len(known) < 3:
        return []
    usual = median(factor for _, factor in known)
    wrong = [(row, factor) for row, factor in known if _differ_by_share(factor, usual, 0.05)]
    if not wrong:
        return []
    intensities = f"{wrong[0][1] * JOULES_PER_KWH:.4g} kg/kWh, elsewhere {usual * JOULES_PER_KWH:.4g}"
    evidence = f"{_lines([row for row, _ in wrong])}: {intensities}"
    message = "CO2 per joule differs from the file's other runs"
    return [Finding("emissions-carbon", "warning", message, evidence, "compare energy, not CO2")]


def _lower_power_findings(rows: Sequence[RowCheck]) -> list[Finding]:
    """CPU power far below the highest of the file, where nothing else has settled it."""
    most = max((row.watts for row in rows), default=0.0)
    low = [row for row in rows if row.answer == "cannot tell" and row.watts < 0.5 * most]
    if not low:
        return []
    least = min(row.watts for row in low)
    evidence = f"{_lines([row.row for row in low])}: down to {least:.1f} W, elsewhere {most:.1f} W"
    message, remedy = "CPU power under half of the file's highest", "give --cpu-power to see whether wraps explain it"
    return [Finding("emissions-cpu-power-low", "warning", message, evidence, remedy)]


def _ram(rows: Sequence[EmissionsRow]) -> list[Finding]:
    constant = _constant(rows, "ram")
    if constant is None:
        return []
    message = f"RAM is {constant:.1f} W in every run: a constant, not measured"
    return [Finding("emissions-ram-constant", "info", message, "", "leave it out of comparisons")]


def _unusable(rows: Sequence[EmissionsRow]) -> list[Finding]:
    wrong = [row for row in rows if row.seconds <= 0 or min(row.joules.values()) < 0 or row.joules["total"] <= 0]
    message, remedy = "no time, no energy or negative energy", "leave these runs out"
    return [Finding("emissions-unusable", "error", message, _lines(wrong), remedy)] if wrong else []

"""Are the joules of an energy record plausible, as far as the same record can tell? Each doubt is a finding.

Held against each other: a counter and the power sampled beside it, its readings inside a window, the power limit,
clocks and throttle reasons, other processes on the card, the ticks and the window's length, windows of one record, and
what an idle machine draws. Records of any age are judged by what they hold: what was not sampled raises no doubt.

A doubt has one of three effects. *withheld*: the joules are no measurement and must not be used. *no verdict*: they may
be shown, with the finding, but no comparison rests on them. *told*: they stand, under the condition that is told.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bench.record.schema import Finding, Record

from ..once import once
from . import codecarbon
from .idle_power import idle_of
from .sources import source_of
from .work_windows import LAG, Span, apart, flat, inside, sampled_joules, samples, settled, spans, stopped, work_windows

Effect = Literal["withheld", "no verdict", "told"]
COUNTERS = ("gpu", "cpu", "dram")

# A counter and sampled power are apart from here on, beyond what the sensor's lag allows (energy_samples). On the
# committed H100 run they agree within 0.3 % at the lag that fits; the sensors are specified to 5 %.
APART = 0.10
# Farther apart than this, one of the two counts something else.
_NO_MEASUREMENT = 2.0
_THOUSAND = (500.0, 2000.0)
# Ticks as long as a third of a window: its edges are a matter of chance for whatever is not at the ticks.
TICK_SHARE = 1 / 3
_LOWER_CLOCK, _OTHER_LIMIT = 0.95, 0.01
# Least and most that a whole device can draw on average, W; most for a GPU by its own power limit. Assumed.
_LEAST = {"gpu": 3.0, "cpu": 0.5, "dram": 0.05}
_OVER_LIMIT = 1.25
_MOST_OF_HOST, _MOST_OF_GPU = 8000.0, 3000.0
# NVML's clock event reasons that hold a GPU back: power cap, hardware slowdown, thermal, power brake (nvml.h).
_CAPPED = {0x04: "power cap", 0x08: "hardware slowdown", 0x20: "heat", 0x40: "heat", 0x80: "power brake"}


@dataclass(frozen=True)
class Doubt:
    """``counter``: gpu, cpu or dram."""

    counter: str
    effect: Effect
    finding: Finding


@once
def doubts(of: Record) -> tuple[Doubt, ...]:
    """All that the energy record's own contents say against its joules, worst first; () where it has none."""
    if of.instrument != "energy" or not of.values("window_time"):
        return ()
    having = [name for name in COUNTERS if of.values(f"energy_{name}")]
    found = [doubt for name in having for check in _CHECKS for doubt in check(of, name)]
    if "gpu" in having:
        found += [doubt for check in _GPU_CHECKS for doubt in check(of)]
    order: tuple[Effect, ...] = ("withheld", "no verdict", "told")
    return tuple(sorted(found, key=lambda doubt: order.index(doubt.effect)))


def judge(of: Record) -> tuple[Finding, ...]:
    """The doubts as findings, and CodeCarbon's, without those that the record holds already."""
    known = {(one.code, one.message) for one in of.findings}
    found = dict.fromkeys([*(doubt.finding for doubt in doubts(of)), *codecarbon.findings(of)])
    return tuple(one for one in found if (one.code, one.message) not in known)


def judged(records: Sequence[Record]) -> tuple[Record, ...]:
    """The records, each with what ``judge`` finds among its findings: for records that were made before it did."""
    found = ((record, judge(record)) for record in records)
    return tuple(replace(record, findings=(*record.findings, *new)) if new else record for record, new in found)


def withheld(of: Record, counter: str) -> str:
    """Why the joules of ``counter`` must not be used; "" where they may."""
    return _first(of, counter, "withheld")


def no_verdict(of: Record, counter: str) -> str:
    """Why no comparison may rest on the joules of ``counter``; "" where one may."""
    return withheld(of, counter) or _first(of, counter, "no verdict")


def _first(of: Record, counter: str, effect: Effect) -> str:
    found = (doubt.finding for doubt in doubts(of) if (doubt.counter, doubt.effect) == (counter, effect))
    return next((f"{one.message} ({one.evidence})" if one.evidence else one.message for one in found), "")


def _doubt(counter: str, effect: Effect, code: str, message: str, evidence: str, remedy: str) -> Doubt:
    return Doubt(counter, effect, Finding(code, "warning", message, evidence, remedy))


def _zero(of: Record, name: str) -> Iterator[Doubt]:
    joules = of.values(f"energy_{name}")
    empty = sum(value <= 0 for value in joules)
    if empty:
        message = f"the {name} energy counter read no increase in {empty} of {len(joules)} windows"
        evidence = "J per window: " + ", ".join(f"{value:g}" for value in joules)
        remedy = "use longer windows, and check that the counter belongs to the device that does the work"
        yield _doubt(name, "withheld", "energy-counter-zero", message, evidence, remedy)


def _backwards(of: Record, name: str) -> Iterator[Doubt]:
    for prefix, where in (("", "inside the windows"), ("idle_", "inside the idle windows")):
        times, shown = samples(of, f"counter_{name}", prefix)
        for moment, before, after in zip(times[1:], shown, shown[1:], strict=False):
            if after < before:
                message = f"the {name} energy counter stepped backwards {where}: its joules are not believed"
                evidence = f"from {before:.6g} J to {after:.6g} J at {moment:.1f} s"
                remedy = "look into the kernel's log (dmesg) for a reset of the device or its driver, then run again"
                yield _doubt(name, "withheld", "energy-counter-backwards", message, evidence, remedy)
                return


def _slept(of: Record, name: str) -> Iterator[Doubt]:
    """As the energy pass found it: nothing else in the record shows it."""
    yield from (Doubt(name, "withheld", one) for one in of.findings if one.code == "energy-suspended")


def _implausible(of: Record, name: str) -> Iterator[Doubt]:
    joules, seconds = sum(of.values(f"energy_{name}")), sum(of.values("window_time"))
    if joules <= 0 or seconds <= 0:
        return
    watts, most = joules / seconds, _most(of, name)
    if watts < _LEAST[name] or watts > most:
        bound = f"over {most:.0f} W" if watts > most else f"below {_LEAST[name]:g} W"
        message = f"the {name} energy counter gives a power that no such device draws: {bound}"
        remedy = "check the counter's unit and whose it is; take joules from another source"
        yield _doubt(name, "withheld", "energy-power-implausible", message, f"{watts:.4g} W over all windows", remedy)


def _most(of: Record, name: str) -> float:
    """By the limit that was in force beside the windows, or else by the one that the record's machine has."""
    if name != "gpu":
        return _MOST_OF_HOST
    power_limits = [gpu.get("power_limit_w") for gpu in of.environment.gpus]
    limits = of.values("gpu_power_limit") or [float(watts) for watts in power_limits if isinstance(watts, int | float)]
    return _OVER_LIMIT * max(limits) if limits else _MOST_OF_GPU


def _slow(of: Record, name: str) -> Iterator[Doubt]:
    """By the longest time in which the counter was seen to stand still, or else by the longest wait for its tick."""
    remedy = "use windows of at least three times the counter's updates (energy_seconds)"
    if any(one.code == "energy-counter-slow" and f"the {name} " in str(one.message) for one in of.findings):
        message = f"the {name} energy counter did not tick at a window's edge: its energy is of another interval"
        yield _doubt(name, "withheld", "energy-ticks-slow", message, "see energy-counter-slow", remedy)
        return
    shortest = min(span.seconds for span in spans(of, name))
    still, how = flat(of, name), "stood still for"
    if not still:
        still, how = max(_waits(of, name), default=0.0), "was waited for, for"
    if still > TICK_SHARE * shortest:
        message = f"the {name} energy counter ticks too slowly for windows so short"
        evidence = f"it {how} {still:.2f} s, and the shortest window is {shortest:.2f} s"
        yield _doubt(name, "no verdict", "energy-ticks-slow", message, evidence, remedy)


def _waits(of: Record, name: str) -> tuple[float, ...]:
    """How long each window went on after its work, by this counter's own tick where it is known."""
    ends = of.values("work_end")
    if ends and of.values(f"edge_time_{name}"):
        return tuple(span.closed - end for span, end in zip(spans(of, name), ends, strict=False))
    return of.values("window_tail_time")


def _windows_apart(of: Record, name: str) -> Iterator[Doubt]:
    powers = [joules / span.seconds for joules, span in _pairs(of, name) if joules > 0 and span.seconds > 0]
    if len(powers) > 1 and max(powers) > (1 + 2 * APART) * min(powers):
        message = f"the {name}'s power differs from window to window of the same work"
        evidence = ", ".join(f"{watts:.4g} W" for watts in powers)
        remedy = "look for other work on the device, a changed limit or heat; measure again on a quiet machine"
        yield _doubt(name, "no verdict", "energy-windows-apart", message, evidence, remedy)


def _pairs(of: Record, name: str, prefix: str = "") -> list[tuple[float, Span]]:
    return list(zip(of.values(f"{prefix}energy_{name}"), spans(of, name, prefix), strict=False))


def _net(of: Record, name: str) -> Iterator[Doubt]:
    """By the idle power that the figures net of idle take: what the machine drew at rest may have fallen since."""
    source = source_of(f"energy_{name}")
    windows, rest = work_windows(of, source), idle_of(of, source)
    seconds = [window.work + window.wait for window in windows]
    if rest is None or sum(seconds) <= 0:
        return
    busy = sum(window.joules for window in windows) / sum(seconds)
    idle = sum(watts * length for watts, length in zip(rest.powers, seconds, strict=True)) / sum(seconds)
    if busy < idle:
        message = f"the {name} drew less at work than at rest: net of idle is negative, and means nothing"
        evidence = f"{busy:.4g} W in the windows, {idle:.4g} W idle"
        remedy = "let the machine settle before the run, and look for other work while it was idle"
        yield _doubt(name, "no verdict", "energy-net-negative", message, evidence, remedy)


def _power(of: Record) -> Iterator[Doubt]:
    """The counter against the power sampled beside it, window by window, those at rest too; the worst is told. At rest
    no rise of power leaves room for the sensor's lag."""
    still = settled(of)
    pairs = [(joules, span, LAG) for joules, span in _pairs(of, "gpu")]
    pairs += [(joules, span, 0.0) for joules, span in _pairs(of, "gpu", "idle_") if span in still]
    ratios = [
        (apart(joules, known), joules, known)
        for joules, span, lag in pairs
        if joules > 0 and span.seconds > 0 and (known := sampled_joules(of, span, lag)) is not None
    ]
    if not ratios:
        yield from _unchecked(of)
        return
    ratio, joules, known = max(ratios, key=lambda item: abs(math.log(item[0])))
    if abs(ratio - 1) <= APART:
        return
    effect: Effect = "withheld" if not 1 / _NO_MEASUREMENT <= ratio <= _NO_MEASUREMENT else "no verdict"
    unit = " (a factor of a thousand: mJ taken for J, or J for mJ)" if _thousand(ratio) else ""
    message = f"the GPU's energy counter and its sampled power do not agree{unit}"
    evidence = f"{joules:.4g} J by the counter, {known[0]:.4g} to {known[1]:.4g} J by {known[2]} samples of power"
    remedy = (
        "trust neither; compare with nvidia-smi's power.draw and, if it stays so, report it with the driver's version"
    )
    yield _doubt("gpu", effect, "energy-counter-not-power", message, evidence, remedy)


def _unchecked(of: Record) -> Iterator[Doubt]:
    """Only of records that would hold samples; older ones are not told so again."""
    if of.values("edge_time_gpu") and not of.values("gpu_power"):
        message = "the GPU's energy counter could not be held against its power: no power was sampled in the windows"
        remedy = "read its joules as those of one sensor that nothing confirms"
        yield Doubt("gpu", "told", Finding("energy-unchecked", "info", message, "", remedy))


def _thousand(ratio: float) -> bool:
    low, high = _THOUSAND
    return low <= ratio <= high or low <= 1 / ratio <= high


def _limit(of: Record) -> Iterator[Doubt]:
    limits = inside(of, "gpu_power_limit")
    if limits and max(limits) - min(limits) > _OTHER_LIMIT * max(limits):
        message, evidence = (
            "the GPU's power limit was changed during the windows",
            f"{limits[0]:g} W, then {limits[-1]:g} W",
        )
        remedy = "find out who sets it (nvidia-smi -pl, a node's power manager), then measure again"
        yield _doubt("gpu", "no verdict", "energy-limit-changed", message, evidence, remedy)


def _clock(of: Record) -> Iterator[Doubt]:
    clocks = inside(of, "gpu_clock_sm")
    if clocks and min(clocks) < _LOWER_CLOCK * max(clocks):
        evidence = f"{min(clocks) * 1e-6:.0f} to {max(clocks) * 1e-6:.0f} MHz"
        remedy = "lock the clocks (nvidia-smi -lgc), or read the joules as those of this mixture"
        yield _doubt("gpu", "told", "energy-clock-changed", "the SM clock changed during the windows", evidence, remedy)


def _capped(of: Record) -> Iterator[Doubt]:
    masks = [int(value) for value in inside(of, "gpu_throttle_reasons")]
    held = [mask for mask in masks if any(mask & bit for bit in _CAPPED)]
    if held:
        why = ", ".join(dict.fromkeys(word for bit, word in _CAPPED.items() if any(mask & bit for mask in held)))
        message = "the GPU was held back during the windows: its joules are those of this limit"
        evidence = f"{len(held)} of {len(masks)} samples: {why}"
        remedy = "raise the power limit or cool the card, or compare only with runs under the same limit"
        yield _doubt("gpu", "told", "energy-capped", message, evidence, remedy)


def _shared(of: Record) -> Iterator[Doubt]:
    others = [*inside(of, "gpu_other_processes"), *of.values("idle_gpu_other_processes")]
    busy = sum(count > 0 for count in others)
    if busy:
        message = "other processes were on the GPU during the windows: its counter counts them too"
        evidence = f"{busy} of {len(others)} samples, up to {max(others):.0f} processes"
        remedy = "stop them (nvidia-smi lists them), or choose another GPU with CUDA_VISIBLE_DEVICES"
        yield _doubt("gpu", "no verdict", "energy-gpu-shared", message, evidence, remedy)


def _mig(of: Record) -> Iterator[Doubt]:
    """Of older records: those of today hold no joules of a board under MIG."""
    if any(gpu.get("mig") for gpu in of.environment.gpus) and not of.values("edge_time_gpu"):
        message = "MIG is on: the counter is the whole board's, and this slice's share is not known"
        remedy = "measure on a GPU with MIG off (an administrator: nvidia-smi -mig 0)"
        yield _doubt("gpu", "withheld", "energy-board-under-mig", message, "", remedy)


def _sampler(of: Record) -> Iterator[Doubt]:
    evidence = stopped(of)
    if evidence:
        message = "power and clocks were not sampled through all windows: what happened there is not known"
        remedy = "measure again; if it stays so, look for what keeps the interpreter from running threads"
        yield _doubt("gpu", "told", "energy-sampler-stopped", message, evidence, remedy)


_CHECKS: tuple[Callable[[Record, str], Iterator[Doubt]], ...] = (
    _zero, _backwards, _slept, _implausible, _slow, _windows_apart, _net,
)  # fmt: skip
_GPU_CHECKS: tuple[Callable[[Record], Iterator[Doubt]], ...] = (
    _power, _limit, _clock, _capped, _shared, _mig, _sampler,
)  # fmt: skip

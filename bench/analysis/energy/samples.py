"""What was sampled beside energy windows, cut to the windows.

NVML's power is a mean over up to a second before the moment it is read, so it lags by half of that (on the committed
H100 run the joules of a window that begins at rest exceed the integral of its samples by 0.5 s × the rise). Which
sensors lag is not known: samples do not give one energy of a window but bounds, its integrals moved by 0 to LAG.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.record.schema import Record

from .work_windows import ticks

Floats = NDArray[np.float64]

# s by which sampled power may lag, at most; the integral is tried at so many lags.
LAG, _LAGS = 0.5, 6
# Fewer samples do not make an integral.
_FEWEST = 4
# Share of the windows' time that may lie without a sample, beside the time of a few periods.
_UNSEEN, _PERIODS = 0.25, 5.0


@dataclass(frozen=True)
class Span:
    """One window of one counter: s since the first window's opening tick."""

    opened: float
    closed: float

    @property
    def seconds(self) -> float:
        return self.closed - self.opened


def spans(of: Record, counter: str, prefix: str = "") -> tuple[Span, ...]:
    """The windows by the counter's own ticks, with the prefix "idle_" those at rest; records without ticks: the work
    windows one after the other, and no idle ones."""
    times = of.values(f"{prefix or 'window_'}time")
    edges = ticks(of, f"{prefix}edge_time_{counter}", len(times))
    if edges or prefix:
        return tuple(Span(*pair) for pair in edges)
    ends = np.cumsum(times)
    return tuple(Span(float(end - length), float(end)) for end, length in zip(ends, times, strict=True))


def samples(of: Record, name: str, prefix: str = "") -> tuple[Floats, Floats]:
    """Times and values of a sampled column; both empty where it was not sampled."""
    times, values = np.array(of.values(f"{prefix}sample_time")), np.array(of.values(f"{prefix}{name}"))
    both = min(len(times), len(values))
    return times[:both], values[:both]


def inside(of: Record, name: str) -> tuple[float, ...]:
    """The samples from the first window's opening to the last one's close."""
    times, values = samples(of, name)
    windows = spans(of, "gpu")
    return tuple(values[(times >= windows[0].opened) & (times <= windows[-1].closed)].tolist())


def settled(of: Record) -> tuple[Span, ...]:
    """The idle windows before the work in which no sensor can still hold what was before them."""
    times = of.values("idle_sample_time")
    since = min(times) + 2 * LAG if times else 0.0
    return tuple(span for span in spans(of, "gpu", "idle_") if since <= span.opened and span.closed <= 0.0)


def sampled_joules(of: Record, span: Span, lag: float = LAG) -> tuple[float, float, int] | None:
    """The least and the most J that sampled board power allows in a window, by a sensor that lags up to ``lag`` s, and
    the number of samples in it. None where they are too few, or none is in its last part."""
    parts = [samples(of, "gpu_power", prefix) for prefix in ("", "idle_")]
    moments, powers = (np.concatenate([part[which] for part in parts]) for which in (0, 1))
    order = np.argsort(moments, kind="stable")
    moments, powers = moments[order], powers[order]
    within = moments[(moments >= span.opened) & (moments <= span.closed)]
    if len(within) < _FEWEST or within[-1] < span.closed - _UNSEEN * span.seconds:
        return None
    integrals = [_integral(moments, powers, span, each) for each in np.linspace(0.0, lag, _LAGS)]
    below, above = _smeared(moments, powers, span, lag)
    low, high = max(0.0, min(integrals) - below), max(0.0, max(integrals) + above)
    return (low, high, len(within)) if math.isfinite(high) else None


def _smeared(moments: Floats, powers: Floats, span: Span, lag: float) -> tuple[float, float]:
    """J by which the integral may be too high, and too low, because a mean over 2 × lag smears what is outside the
    window into it: at an edge where power steps by ΔP, lag ÷ 4 × ΔP."""
    inner = float(np.median(powers[(moments >= span.opened) & (moments <= span.closed)]))
    outer = np.interp([span.opened, span.closed + 2 * lag], moments, powers)
    steps = lag / 4 * (inner - outer)
    return float(-steps[steps < 0].sum()), float(steps[steps > 0].sum())


def _integral(moments: Floats, powers: Floats, span: Span, lag: float) -> float:
    opened, closed = span.opened + lag, span.closed + lag
    within = moments[(moments > opened) & (moments < closed)]
    ends = np.concatenate(([opened], within, [closed]))
    return float(np.trapezoid(np.interp(ends, moments, powers), ends))


def apart(joules: float, bounds: tuple[float, float, int]) -> float:
    """By what factor ``joules`` lie above the most, or below the least; 1 in between."""
    low, high, _ = bounds
    if joules > high:
        return joules / high if high > 0 else math.inf
    return max(joules / low, sys.float_info.min) if joules < low else 1.0


def flat(of: Record, counter: str) -> float:
    """The longest time in the windows, s, through which every sample of the counter showed the same; 0 where it was not
    sampled there."""
    times, shown = samples(of, f"counter_{counter}")
    longest, since = 0.0, None
    last = spans(of, counter)[-1].closed
    for moment, before, value in zip(times, [None, *shown], shown, strict=False):
        if not 0 <= moment <= last:
            continue
        since = since if value == before and since is not None else moment
        longest = max(longest, moment - since)
    return float(longest)


def stopped(of: Record) -> str:
    """Where in the windows nothing was sampled for long; "" where that is nowhere, or nothing was sampled at all."""
    times, last = np.array(of.values("sample_time")), spans(of, "gpu")[-1].closed
    if not len(times):
        return ""
    period = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    seen = np.concatenate(([0.0], times[(times > 0) & (times < last)], [last]))
    gaps = np.diff(seen)
    longest = int(np.argmax(gaps))
    if gaps[longest] <= max(_UNSEEN * last, _PERIODS * period):
        return ""
    return f"no sample from {seen[longest]:.1f} to {seen[longest + 1]:.1f} s of {last:.1f} s"

"""The windows of an energy record: work between two ticks of a counter, and nothing to do between two others; and what
was sampled beside them, cut to them.

A window opens and closes at ticks, and work seldom ends at one. So a window holds a wait: from the work's end to the
next tick, and from the opening tick to the work's begin. Wait and work are told apart here, once for all figures.

NVML's power is a mean over up to a second before the moment it is read, so it lags by half of that (on the committed
H100 run the joules of a window that begins at rest exceed the integral of its samples by 0.5 s × the rise). Which
sensors lag is not known: samples do not give one energy of a window but bounds, its integrals moved by 0 to LAG.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.record.schema import Record

from .sources import EnergySource

Floats = NDArray[np.float64]

# s by which sampled power may lag, at most; the integral is tried at so many lags.
LAG, _LAGS = 0.5, 6
# Fewer samples do not make an integral.
_FEWEST = 4
# Share of the windows' time that may lie without a sample, beside the time of a few periods.
_UNSEEN, _PERIODS = 0.25, 5.0


@dataclass(frozen=True)
class WorkWindow:
    """``joules`` between the ticks ``opened`` and ``closed`` of one counter, in which ``tokens`` were made in ``work``
    seconds. Times in s from the first work window's opening; 0 throughout where no times were recorded."""

    opened: float
    closed: float
    work: float
    tokens: float
    joules: float

    @property
    def wait(self) -> float:
        """Seconds of the window in which nothing was done."""
        return max(0.0, self.closed - self.opened - self.work)

    @property
    def middle(self) -> float:
        return 0.5 * (self.opened + self.closed)


@dataclass(frozen=True)
class IdleWindow:
    """Nothing to do for ``seconds`` around ``middle`` (s, negative before the work); ``after``: after the work."""

    middle: float
    seconds: float
    joules: float
    after: bool = False

    @property
    def power(self) -> float:
        return self.joules / self.seconds


def work_windows(record: Record, source: EnergySource) -> tuple[WorkWindow, ...]:
    """Those that made tokens and moved the counter: one that did not is no measurement."""
    joules, tokens = record.values(source.energy), record.values("window_tokens")
    spans = _work_spans(record, source, min(len(joules), len(tokens)))
    windows = (WorkWindow(*span, *held) for span, held in zip(spans, zip(tokens, joules, strict=False), strict=False))
    return tuple(window for window in windows if window.tokens > 0 and window.joules > 0)


def _work_spans(record: Record, source: EnergySource, count: int) -> list[tuple[float, float, float]]:
    """(opened, closed, work) of each window: by the counter's own ticks where they are recorded, else one after the
    other, each with its tail."""
    times, tails = record.values("window_time"), record.values("window_tail_time")
    begin, end = record.values("work_begin"), record.values("work_end")
    edges = ticks(record, f"edge_time_{source.counter}", count)
    if edges and len(begin) == len(end) == count:
        return [(*edge, done - begun) for edge, begun, done in zip(edges, begin, end, strict=True)]
    tails = tails if len(tails) == len(times) else (0.0,) * len(times)
    found, opened = [], 0.0
    for time, tail in zip(times, tails, strict=True):
        found.append((opened, opened + time, time - tail))
        opened += time
    return found if len(found) >= count else [(0.0, 0.0, 0.0)] * count


def idle_windows(record: Record, source: EnergySource) -> tuple[IdleWindow, ...]:
    """In order of time; records of before know only those before the work, and not when. So is taken what would lie
    within the work, where nothing is idle: its times are of another clock."""
    if source.idle is None:
        return ()
    joules, times = record.values(source.idle), record.values("idle_time")
    begins = record.values("idle_begin")
    edges = ticks(record, f"idle_edge_time_{source.counter}", len(joules))
    if edges:
        spans = list(edges)
    elif len(begins) == len(times):
        spans = [(begin, begin + time) for begin, time in zip(begins, times, strict=True)]
    else:
        spans = _until_zero(times)
    worked = max(record.values(f"edge_time_{source.counter}") or record.values("work_end"), default=0.0)
    if any(0.0 < 0.5 * (opened + closed) < worked for opened, closed in spans):
        spans = _until_zero(times)
    return tuple(
        IdleWindow(0.5 * (opened + closed), closed - opened, value, opened > 0)
        for (opened, closed), value in zip(spans, joules, strict=False)
        if closed > opened
    )


def _until_zero(times: Sequence[float]) -> list[tuple[float, float]]:
    """One after the other, the last ending where the work begins."""
    found, opened = [], -sum(times)
    for time in times:
        found.append((opened, opened + time))
        opened += time
    return found


def ticks(record: Record, name: str, count: int) -> list[tuple[float, float]]:
    """Pairs of ticks, one a window; [] where there are not two for each."""
    edges = record.values(name)
    return list(zip(edges[::2], edges[1::2], strict=True)) if count and len(edges) == 2 * count else []


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

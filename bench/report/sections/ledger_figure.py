"""The waterfall from the reference's time per token to a scheme's: one bar per cause, its work and its host part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.analysis.ledger.accounting import Cause
from bench.analysis.ledger.pairs import Pair
from bench.record import causes as c
from bench.report import units
from bench.report.figures import panels
from bench.report.lines import Shared, shared
from bench.report.palette import INK, LESS, LESS_HOST, MORE, MORE_HOST, NEITHER, SOFT
from bench.report.svg import tell

# For more and for less time.
_COLOURS = {"work": (MORE, LESS), "host": (MORE_HOST, LESS_HOST), "": (NEITHER, NEITHER)}
# Causes that move the sum by less than this share of the largest are drawn as one.
_SMALL = 0.02


@dataclass(frozen=True)
class Bar:
    """``parts``: (ms, "work", "host" or "" for neither) from left to right, together ``ms``. ``share``: per cent of all
    that goes its way, None where it is not told. ``bounds``: of its 95 % interval."""

    label: str
    ms: float
    parts: tuple[tuple[float, str], ...]
    share: int | None = None
    bounds: tuple[float, float] | None = None


def waterfall(pair: Pair) -> Any:
    """The figure; bars to the right are time that the scheme takes more, to the left less."""
    shown = bars(pair.causes)

    def draw(_figure: Any, axes: Any) -> None:
        _draw(axes[0, 0], pair, shown)

    return panels(1, 1, 0.27 * (len(shown) + 2) + 0.75, draw)


def bars(causes: Sequence[Cause]) -> tuple[Bar, ...]:
    """A bar per cause in their order; small ones together as the last."""
    largest = max((abs(cause.delta_ms) for cause in causes), default=0.0)
    small = [cause for cause in causes if abs(cause.delta_ms) < _SMALL * largest]
    small = small if len(small) > 1 else []
    kept = [_bar(one) for one in shared(causes, None) if one.cause not in small]
    if small:
        ms = sum(cause.delta_ms for cause in small)
        kept.append(Bar(f"{len(small)} small causes", ms, ((ms, ""),)))
    return tuple(kept)


def _bar(one: Shared) -> Bar:
    cause = one.cause
    bounds = None if cause.low is None or cause.high is None else (cause.low, cause.high)
    return Bar(c.LABELS[cause.cause], cause.delta_ms, _parts(cause), one.percent if one.of else None, bounds)


def _parts(cause: Cause) -> tuple[tuple[float, str], ...]:
    """Parts that pull in opposite directions cannot stand beside each other: the bar is then the larger one's."""
    if cause.work_ms is None or cause.host_ms is None:
        return ((cause.delta_ms, ""),)
    if cause.work_ms * cause.host_ms > 0:
        return ((cause.work_ms, "work"), (cause.host_ms, "host"))
    return ((cause.delta_ms, "host" if abs(cause.host_ms) > abs(cause.work_ms) else "work"),)


def _draw(axes: Any, pair: Pair, shown: Sequence[Bar]) -> None:
    closed = pair.closed
    at = closed.reference_ms
    axes.barh(0, at, color=SOFT.light, height=0.62)
    _say(axes, 0, units.si(at * 1e-3, "s"))
    for place, bar in enumerate(shown, 1):
        _draw_bar(axes, place, at, bar, pair.phase.unit)
        at += bar.ms
        _say(axes, place, f"{units.signed(bar.ms)} ms" + ("" if bar.share is None else f", {bar.share} %"))
    axes.barh(len(shown) + 1, closed.scheme_ms, color=SOFT.light, height=0.62)
    _say(axes, len(shown) + 1, units.si(closed.scheme_ms * 1e-3, "s"))
    names = [pair.reference, *(bar.label for bar in shown), pair.scheme]
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(left=0.0)
    axes.set_xlabel(f"ms per {pair.phase.unit}")


def _draw_bar(axes: Any, place: int, at: float, bar: Bar, unit: str) -> None:
    left = at
    for ms, kind in bar.parts:
        more, less = _COLOURS[kind]
        (drawn,) = axes.barh(place, ms, left=left, color=(more if ms > 0 else less).light, height=0.62)
        tell(drawn, _told(bar, ms, kind, unit))
        left += ms
    if bar.bounds is not None:
        axes.plot([at + bar.bounds[0], at + bar.bounds[1]], [place, place], color=INK.light, linewidth=1.0)
    axes.plot([at + bar.ms, at + bar.ms], [place - 0.31, place + 1.31], color=SOFT.light, linewidth=0.8)


def _told(bar: Bar, ms: float, kind: str, unit: str) -> str:
    what = {"work": "its work", "host": "the host on the way there"}.get(kind, "")
    part = f", of these {what} {units.signed(ms)} ms" if what and len(bar.parts) > 1 else ""
    bounds = ""
    if bar.bounds is not None:
        bounds = f"; 95 % interval {units.signed(bar.bounds[0])} to {units.signed(bar.bounds[1])} ms"
    return f"{bar.label}: {units.signed(bar.ms)} ms per {unit}{part}{bounds}"


def _say(axes: Any, place: int, text: str) -> None:
    axes.annotate(text, (1.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=8.5)

"""The waterfall from the reference's time per token to a scheme's: one bar per line of the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.analysis.ledger.closure import Line
from bench.analysis.ledger.pairs import Pair
from bench.record import causes as c

from . import units
from .figures import panels
from .palette import INK, LESS, MORE, SOFT

# Lines that move the sum by less than this share of the largest are drawn as one.
_SMALL = 0.02


def waterfall(pair: Pair) -> Any:
    """The figure; bars to the right are time that the scheme takes more, to the left less."""
    shown = merged(pair)

    def draw(_figure: Any, axes: Any) -> None:
        _draw(axes[0, 0], pair, shown)

    return panels(1, 1, 0.27 * (len(shown) + 2) + 0.75, draw)


def merged(pair: Pair) -> list[tuple[str, float, Line | None]]:
    """(label, ms, line) in order of size; small ones together as the last. Corrections stay by themselves."""
    lines = list(pair.closed.lines)
    largest = max((abs(line.delta_ms) for line in lines), default=0.0)
    kept = [line for line in lines if line.cause in c.CORRECTIONS or abs(line.delta_ms) >= _SMALL * largest]
    last = {name: place for place, name in enumerate(c.CORRECTIONS, 1)}
    kept.sort(key=lambda line: (last.get(line.cause, 0), -abs(line.delta_ms)))
    small = [line for line in lines if line not in kept]
    rows: list[tuple[str, float, Line | None]] = [(c.LABELS[line.cause], line.delta_ms, line) for line in kept]
    if small:
        place = next((i for i, row in enumerate(rows) if row[2] and row[2].cause in c.CORRECTIONS), len(rows))
        rows.insert(place, (f"{len(small)} small lines", sum(line.delta_ms for line in small), None))
    return rows


def _draw(axes: Any, pair: Pair, rows: Sequence[tuple[str, float, Line | None]]) -> None:
    closed = pair.closed
    at = closed.reference_ms
    axes.barh(0, at, color=SOFT.light, height=0.62)
    _say(axes, 0, at, units.si(at * 1e-3, "s"))
    for place, (_, ms, line) in enumerate(rows, 1):
        axes.barh(place, ms, left=at, color=MORE.light if ms > 0 else LESS.light, height=0.62)
        if line is not None and line.low is not None and line.high is not None:
            axes.plot([at + line.low, at + line.high], [place, place], color=INK.light, linewidth=1.0)
        axes.plot([at + ms, at + ms], [place - 0.31, place + 1.31], color=SOFT.light, linewidth=0.8)
        at += ms
        _say(axes, place, at, f"{ms:+.3g} ms")
    axes.barh(len(rows) + 1, closed.scheme_ms, color=SOFT.light, height=0.62)
    _say(axes, len(rows) + 1, closed.scheme_ms, units.si(closed.scheme_ms * 1e-3, "s"))
    names = [pair.reference, *(row[0] for row in rows), pair.scheme]
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(left=0.0)
    axes.set_xlabel("ms per token")


def _say(axes: Any, place: int, _at: float, text: str) -> None:
    axes.annotate(text, (1.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=8.5)

"""One decode step as a drawing: the host above the GPU, every moment in the colour of its cause; one layer closer."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bench.analysis.timeline.intervals import Cover
from bench.analysis.timeline.lane import Lane, LanePiece
from bench.record import causes as c

from . import units
from .palette import CALLS, CAUSES, INK, NEITHER, OPERATORS, PAPER, PYTHON, SOFT, Role
from .visible import visible
from .words import cut_short

Times = NDArray[np.int64]
WIDTH, LEFT, RIGHT = 1000, 66, 8
_ACROSS = WIDTH - LEFT - RIGHT
# A column of a whole step, px, and the least width of a piece that is drawn by itself, as a share of a layer.
_COLUMN, _LEAST = 10, 1 / 260
_LONGEST = 48
_TINT = 0.3
_CALL = "call"
# What takes less than this of a step is drawn, but not in the legend.
_TOLD = 0.002
# Of a letter at 10 px, in px.
_LETTER = 5.6


@dataclass(frozen=True)
class _Kind:
    """What is drawn alike: a colour, pale for idle time, and its name in the legend."""

    role: Role
    pale: bool
    label: str


def lane_figure(scheme: str, lane: Lane, reference: str = "", beside: Lane | None = None) -> str:
    """The SVG document: the reference's step (``beside``) above the scheme's at one scale, then one layer closer."""
    longest = max(lane.ns, beside.ns if beside else 0, 1)
    parts: list[str] = []
    y = 0.0
    for name, one in ((reference, beside), (scheme, lane)):
        if one is not None:
            parts += _text(0, y + 13, f"{name}: one step, {_time(one.ns)} as it was recorded", weight=600)
            height = _step(parts, y + 20, one, longest)
            y += 20 + height
    parts += _axis(y, longest)
    y += 26
    if lane.layer is not None:
        y = _closer(parts, y, scheme, lane, lane.layer)
    y = _legend(parts, y + 6, lane)
    body = "".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y:.0f}" width="{WIDTH}" height="{y:.0f}" '
        f'font-family="sans-serif"><rect width="{WIDTH}" height="{y:.0f}" fill="{PAPER.light}"/>{body}</svg>'
    )


def _kind(piece: LanePiece) -> _Kind:
    """Of a piece of the ledger."""
    if piece.idle == c.SYNC_STALL:
        return _Kind(CAUSES[c.SYNC_STALL], False, c.LABELS[c.SYNC_STALL])
    role = CAUSES.get(piece.cause, NEITHER)
    label = c.LABELS.get(piece.cause, "whatever follows")
    return _Kind(role, True, f"gaps before {label}") if piece.idle else _Kind(role, False, label)


def _order(kind: _Kind) -> tuple[bool, bool, int]:
    """Work at the bottom, gaps above it, waiting on top; each in the order of the causes."""
    roles = list(CAUSES.values())
    place = roles.index(kind.role) if kind.role in roles else len(roles)
    return kind.role is CAUSES[c.SYNC_STALL], kind.pale, place


def _step(parts: list[str], y: float, lane: Lane, longest: int) -> float:
    """Both rows of a whole step, each column split by how much of its time goes where; their height."""
    columns = max(round(_ACROSS / _COLUMN * lane.ns / longest), 2)
    width = _ACROSS * lane.ns / longest / columns
    edges = np.linspace(0, lane.ns, columns + 1).astype(np.int64)
    if lane.gpu:
        parts += _text(LEFT - 6, y + 17, "host", anchor="end")
        parts += _columns(y, 24, width, edges, _host_rows(lane))
        y += 28
    kinds: dict[_Kind, list[LanePiece]] = {}
    for piece in lane.gpu or lane.operators:
        kinds.setdefault(_kind(piece), []).append(piece)
    rows = [(kind, _cover(kinds[kind])) for kind in sorted(kinds, key=_order)]
    parts += _text(LEFT - 6, y + 26, "GPU" if lane.gpu else "host", anchor="end")
    parts += _columns(y, 40, width, edges, rows)
    return 28 + 46 if lane.gpu else 46


def _cover(pieces: Sequence[LanePiece]) -> Cover:
    return Cover.union(
        np.array([piece.begin for piece in pieces], np.int64), np.array([piece.end for piece in pieces], np.int64)
    )


def _host_rows(lane: Lane) -> list[tuple[_Kind, Cover]]:
    """What the launching thread did: Python, operators, CUDA calls, waiting; each moment once, the innermost."""
    whole = Cover(np.array([0], np.int64), np.array([lane.ns], np.int64))
    found: list[tuple[_Kind, Cover]] = []
    left = whole
    for kind, pieces in (
        (_Kind(CAUSES[c.SYNC_STALL], False, "the host inside a call that waits"), lane.waits),
        (_Kind(CALLS, False, "the host inside CUDA calls"), lane.calls),
        (_Kind(OPERATORS, False, "the host inside operators"), lane.operators),
    ):
        cover = _cover(pieces)
        found.append((kind, cover.both(left)))
        left = left.both(cover.gaps(0, lane.ns))
    return [(_Kind(PYTHON, False, "the host elsewhere: Python and what it calls"), left), *found[::-1]]


def _columns(y: float, height: int, width: float, edges: Times, rows: Sequence[tuple[_Kind, Cover]]) -> Iterator[str]:
    """An area per kind: in each column as high as its share of the column's time, stacked from the bottom."""
    length = np.maximum(np.diff(edges), 1)
    floor = np.zeros(len(length))
    yield f'<g transform="translate({LEFT} {y:.1f}) scale({width:.4f} 1)">'
    for kind, cover in rows:
        top = floor + cover.within(edges[:-1], edges[1:]) / length
        high, low = (np.round(height * (1 - each)).astype(int).tolist() for each in (top, floor))
        floor = top
        if high != low:
            yield _path(_area(high, low), kind, f"{kind.label}: {_time(cover.total)} of the step")
    yield "</g>"


def _area(high: Sequence[int], low: Sequence[int]) -> str:
    """The outline between two stairs with steps of 1: there along the one and back along the other."""
    return f"M0 {high[0]}{_stairs(high, 1)}V{low[-1]}{_stairs(low[::-1], -1)}z"


def _stairs(levels: Sequence[int], way: int) -> str:
    """Relative moves; neighbours of one level are one move."""
    moves: list[str] = []
    run, at = 0, levels[0]
    for level in levels:
        if level != at:
            moves.append(f"h{way * run}v{level - at}")
            run, at = 0, level
        run += 1
    return "".join((*moves, f"h{way * run}"))


def _box(x: float, y: float, width: float, height: float) -> str:
    return f"M{x:.1f} {y:.1f}h{width:.1f}v{height:g}h-{width:.1f}z"


def _path(shape: str, kind: _Kind, title: str) -> str:
    return f'<path d="{shape}" {_fill(kind)}><title>{_safe(title)}</title></path>'


def _fill(kind: _Kind) -> str:
    return f'fill="{kind.role.light}"' + (f' fill-opacity="{_TINT}"' if kind.pale else "")


def _closer(parts: list[str], y: float, scheme: str, lane: Lane, layer: tuple[int, int]) -> float:
    """One decoder layer, piece by piece; where it ends."""
    begin, end = layer
    calls = sorted((*_marked(lane.calls, _CALL), *_marked(lane.waits, c.SYNC_STALL)), key=lambda piece: piece.begin)
    rows = [("operators", 22, lane.operators, True), ("CUDA calls", 14, calls, True), ("GPU", 40, lane.gpu, False)]
    parts += _text(0, y + 13, f"{scheme}: one layer of that step, {_time(end - begin)} of the host's time", weight=600)
    y += 20
    for label, height, pieces, host in rows if lane.gpu else [("host", 40, lane.operators, False)]:
        parts += _text(LEFT - 6, y + height / 2 + 4, label, anchor="end", size=11)
        _row(parts, pieces, y, height, layer, host)
        y += height + 3
    parts += _axis(y, end - begin)
    return y + 26


def _marked(pieces: Iterable[LanePiece], idle: str) -> Iterator[LanePiece]:
    return (replace(piece, idle=idle) for piece in pieces)


def _merged(pieces: Iterable[LanePiece], begin: int, end: int) -> Iterator[LanePiece]:
    """The pieces of a window; where several in a row are too short to be seen, the largest stands for them."""
    least = (end - begin) * _LEAST
    short: list[LanePiece] = []
    for piece in pieces:
        if piece.end <= begin or piece.begin >= end:
            continue
        piece = replace(piece, begin=max(piece.begin, begin), end=min(piece.end, end))
        if short and (piece.end - piece.begin >= least or piece.begin - short[-1].end >= least):
            yield _together(short)
            short = []
        if piece.end - piece.begin >= least:
            yield piece
        else:
            short.append(piece)
            if short[-1].end - short[0].begin >= least:
                yield _together(short)
                short = []
    if short:
        yield _together(short)


def _together(short: Sequence[LanePiece]) -> LanePiece:
    largest = max(short, key=lambda piece: piece.end - piece.begin)
    more = f" and {units.plural(len(short) - 1, 'other')}" if len(short) > 1 else ""
    return replace(largest, begin=short[0].begin, end=short[-1].end, name=f"{cut_short(largest.name, _LONGEST)}{more}")


def _row(
    parts: list[str], pieces: Iterable[LanePiece], y: float, height: int, window: tuple[int, int], host: bool
) -> None:
    """Pieces as boxes, those of one colour as a group; the names of ``host`` operators where they have room."""
    groups: dict[_Kind, list[str]] = {}
    names: list[str] = []
    begin, end = window
    for piece in _merged(pieces, begin, end):
        scale = _ACROSS / (end - begin)
        x, width = LEFT + (piece.begin - begin) * scale, (piece.end - piece.begin) * scale
        kind = _host_kind(piece) if host else _kind(piece)
        name = cut_short(piece.name, _LONGEST) or "nothing follows"
        title = (
            f"{name}, {_time(piece.end - piece.begin)}"
            if host
            else f"{kind.label}: {name}, {_time(piece.end - piece.begin)}"
        )
        shape = _box(x, y, max(width - 0.3, 0.3), height)
        groups.setdefault(kind, []).append(f'<path d="{shape}"><title>{_safe(title)}</title></path>')
        bare = name.rpartition("::")[2] or name
        if kind.role is OPERATORS and width > _LETTER * len(bare) + 4:
            names += _text(x + width / 2, y + height / 2 + 3.5, bare, anchor="middle", size=10)
    parts += [f"<g {_fill(kind)}>{''.join(boxes)}</g>" for kind, boxes in groups.items()]
    parts += names


def _host_kind(piece: LanePiece) -> _Kind:
    return _Kind({"": OPERATORS, _CALL: CALLS}.get(piece.idle, CAUSES[c.SYNC_STALL]), False, "")


def _axis(y: float, ns: int) -> Iterator[str]:
    """Round times under the rows."""
    step = _round_step(ns)
    marks = range(0, ns + 1, step)
    scale = _ACROSS / max(ns, 1)
    ticks = "".join(f"M{LEFT + mark * scale:.1f} {y:.1f}v4" for mark in marks)
    yield f'<path d="M{LEFT} {y:.1f}h{_ACROSS}{ticks}" fill="none" stroke="{SOFT.light}" stroke-width=".8"/>'
    for mark in marks:
        x = LEFT + mark * scale
        anchor = "end" if x > WIDTH - 24 else "middle"
        yield from _text(x, y + 16, _time(mark) if mark else "0", anchor=anchor, size=11, role=SOFT)


def _round_step(ns: int) -> int:
    """At most eight marks, at 1, 2 or 5 of a power of ten."""
    step = 1
    while True:
        for factor in (1, 2, 5):
            if ns // (step * factor) <= 8:
                return step * factor
        step *= 10


def _legend(parts: list[str], y: float, lane: Lane) -> float:
    """For each cause its work and the gaps before it, with their times in the step; then the host; where it ends."""
    times: dict[_Kind, int] = {}
    for piece in lane.gpu or lane.operators:
        kind = _kind(piece)
        times[kind] = times.get(kind, 0) + piece.end - piece.begin
    entries: dict[Role, list[tuple[_Kind, int]]] = {}
    for kind in sorted(times, key=lambda kind: kind.pale):
        entries.setdefault(kind.role, []).append((kind, times[kind]))
    shown = sorted(entries.values(), key=lambda both: -sum(ns for _, ns in both))
    shown = [both for both in shown if sum(ns for _, ns in both) >= lane.ns * _TOLD]
    shown += [[(kind, cover.total)] for kind, cover in _host_rows(lane)] if lane.gpu else []
    for place, both in enumerate(shown):
        x, line = (place % 2) * WIDTH / 2, y + (place // 2) * 18
        for turn, (kind, _) in enumerate(both):
            shape = _box(x + 13 * turn, line, 12, 12)
            parts.append(f'<path d="{shape}" {_fill(kind)} stroke="{SOFT.light}" stroke-width=".4"/>')
        parts += _text(x + 32, line + 10.5, _entry(both), size=12)
    return y + ((len(shown) + 1) // 2) * 18 + 4


def _entry(both: Sequence[tuple[_Kind, int]]) -> str:
    (first, ns), *more = both
    return f"{first.label}: {_time(ns)}" + "".join(f", gaps before it {_time(gap)}" for _, gap in more)


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", size: float = 12.5, weight: int = 400, role: Role = INK
) -> Iterator[str]:
    style = "".join(
        (
            f' text-anchor="{anchor}"' if anchor != "start" else "",
            f' font-weight="{weight}"' if weight != 400 else "",
        )
    )
    yield f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" fill="{role.light}"{style}>{_safe(text)}</text>'


def _time(ns: int) -> str:
    return units.si(ns * 1e-9, "s")


def _safe(text: str) -> str:
    return html.escape(visible(text))

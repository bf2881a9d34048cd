"""The sections of the trade-off and of the energy sign map: for a report, and for ``python -m bench tradeoff``, as JSON
too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from bench.quality.tradeoff.arms import ScoredArm
from bench.quality.tradeoff.signmap import Flip, Place, Spot, flips
from bench.quality.tradeoff.tradeoff import Ranked, Tradeoff
from bench.record.suggested import quoted
from bench.report.content import FigureSpec, Section
from bench.report.words import setting_text, span

from . import figure as figure_tradeoff
from . import tables as tables

MOST = 4


def tradeoff_section(found: Sequence[Tradeoff]) -> Section | None:
    """The arms' points, scores and winning weights for the first settings; None where no two arms can be weighed."""
    if not found:
        return None
    found = _machines_named(found)
    made = [
        item
        for each in found[:MOST]
        for item in (tables.points(each), tables.scores(each), tables.weights(each))
        if item
    ]
    figures = tuple(
        FigureSpec(
            "tradeoff" if place == 0 else f"tradeoff-{place + 1}",
            "Which arm comes first for which weights",
            _caption(item),
            partial(figure_tradeoff.reaches, item),
        )
        for place, item in enumerate(found[:MOST])
        if item.pairs
    )
    more = len(found) - MOST
    left = (f"{more} more settings: {quoted('tradeoff RUN --json')} has them all.",) if more > 0 else ()
    text = ("There is no best arm without weights: the score below states its own, and the strips show the others.",)
    return Section("tradeoff", "Trade-off", (*text, *left), figures, tuple(made))


def _machines_named(found: Sequence[Tradeoff]) -> Sequence[Tradeoff]:
    """Where there are several machines, each under its machine's name instead of "cuda" or "cpu"."""
    if len({item.machine for item in found}) < 2:
        return found
    return [
        replace(item, setting=tuple((k, item.machine if k == "device" else v) for k, v in item.setting))
        for item in found
    ]


def _caption(item: Tradeoff) -> str:
    return (
        "Calculated: for each two criteria alone, which arm has the lowest product of (arm ÷ reference)^weight. "
        f"Intervals are left aside. Setting: {setting_text(item.setting)}. Machine: {item.machine}."
    )


def signmap_section(spots: Sequence[Spot]) -> Section | None:
    """The map; None where no quantised scheme has joules beside a reference."""
    if not spots:
        return None
    figure = FigureSpec(
        "signmap", "Does quantising lower joules per token?", _map_caption(spots), partial(figure_tradeoff.heat, spots)
    )
    text = tuple(_flip(flip) for flip in flips(spots)) or (_one_sign(spots),)
    return Section("signmap", "Energy sign map", text, (figure,), tables.signs(spots))


def _map_caption(spots: Sequence[Spot]) -> str:
    machines = "; ".join(dict.fromkeys(spot.place.machine for spot in spots))
    repeats = span(spot.ratio.repeats for spot in spots)
    same = " =: the same;" if any(spot.sign == "the same" for spot in spots) else ""
    return (
        "Measured: gross joules per token ÷ the unquantised reference's. ↓ lower, ↑ higher: the 95 % interval leaves 1 "
        f"out;{same} ?: cannot tell. Stronger colour: farther from 1. Machine: {machines}. How often: "
        f"{repeats} repeats."
    )


def _flip(flip: Flip) -> str:
    sides = [
        ", ".join(dict.fromkeys(f"{tables.model_text(p)} at batch {p.batch_size} on {p.machine}" for p in side))
        for side in (flip.lower, flip.higher)
    ]
    return f"{flip.scheme} lowers joules per token for {sides[0]}; it raises them for {sides[1]}."


def _one_sign(spots: Sequence[Spot]) -> str:
    counts = {sign: sum(spot.sign == sign for spot in spots) for sign in tables.SIGN_TONES}
    signs = ", ".join(f"{count} {sign}" for sign, count in counts.items() if count)
    guessed = [flip.scheme for flip in flips([replace(spot, estimated="") for spot in spots])]
    if guessed:
        return f"By counters alone no scheme changes sign here, with estimates {', '.join(guessed)} would: {signs}."
    both = [
        scheme for scheme in dict.fromkeys(s.scheme for s in spots) if {"lower", "higher"} <= _signs_of(scheme, spots)
    ]
    if both:
        apart = f"{', '.join(both)} seems to" if len(both) == 1 else f"{', '.join(both)} seem to"
        return f"{apart} change sign, but of so many comparisons chance alone may do that: {signs}."
    return f"No scheme changes sign here: {signs}."


def _signs_of(scheme: str, spots: Sequence[Spot]) -> set[str]:
    return {spot.sign for spot in spots if spot.scheme == scheme and not spot.estimated}


def tradeoff_document(found: Sequence[Tradeoff], spots: Sequence[Spot]) -> dict[str, Any]:
    """All of it as plain JSON types; values in SI units."""
    return {"tradeoffs": [_tradeoff(item) for item in found], "signmap": [_spot(spot) for spot in spots]}


def _tradeoff(item: Tradeoff) -> dict[str, Any]:
    return asdict(item) | {
        "setting": dict(item.setting),
        "weights": dict(item.weights),
        "rows": [_ranked(row) for row in item.rows],
    }


def _ranked(row: Ranked) -> dict[str, Any]:
    return {
        **_arm(row.arm),
        "front": row.front,
        "dominated_by": list(row.dominated_by) if row.front == "dominated" else [],
        "perhaps_dominated_by": list(row.dominated_by) if row.front == "cannot tell" else [],
        "score": None if row.score is None else asdict(row.score),
        "wins": row.wins,
        "missing": row.missing,
    }


def _arm(arm: ScoredArm) -> dict[str, Any]:
    values = {name: asdict(value) for name, value in arm.values.items()}
    return {"arm": arm.label, "case": arm.case.coordinates(), "values": values, "estimated": arm.estimated}


def _spot(spot: Spot) -> dict[str, Any]:
    return asdict(spot) | {"place": _place(spot.place)}


def _place(place: Place) -> dict[str, Any]:
    return asdict(place) | {"setting": dict(place.setting)}

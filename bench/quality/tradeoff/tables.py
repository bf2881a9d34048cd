"""Tables of the trade-off (points, scores, weights) and of the energy sign map."""

from __future__ import annotations

from collections.abc import Sequence

from bench.quality.report.tables import share
from bench.quality.tradeoff.signmap import Place, Sign, Spot
from bench.quality.tradeoff.tradeoff import CRITERIA, PairReach, Ranked, Tradeoff
from bench.report import units
from bench.report.content import Cell, Column, Row, Table, Tone, table
from bench.report.words import setting_text, short_labels

_FRONT_TONES: dict[str, Tone] = {"front": "good", "dominated": "bad", "cannot tell": "unsure"}
SIGN_TONES: dict[Sign, Tone] = {"lower": "good", "higher": "bad", "the same": "same", "cannot tell": "unsure"}
_UNITS = {"time": "s", "energy": "J", "memory": "B"}


def weights_text(item: Tradeoff) -> str:
    """The weights of the score, which add up to 1: "quality 0.50, time 0.25, …"."""
    return ", ".join(f"{name} {value:.3g}" for name, value in item.weights.items())


def points(item: Tradeoff) -> Table:
    """The figures of every arm and its place against the front."""
    shown = [name for name in CRITERIA if any(name in row.arm.values for row in item.rows)]
    columns = (
        Column("Arm"),
        *(Column(_title(name, item), right=True, detail=name == "memory") for name in shown),
        Column("Pareto"),
        Column("Dominated by", detail=True),
    )
    rows: list[Row] = [(row.arm.label, *(_value(row, name, item) for name in shown), *_front(row)) for row in item.rows]
    note = (
        f"Front and dominated: over {', '.join(item.criteria)}. Dominated: another arm is for sure no worse on any of "
        "them, by 2 % at most, and better on one beyond both intervals; perhaps: as good by its figures. Front: better "
        f"than each other arm on one of them, beyond both intervals. {' '.join(item.notes)}"
    )
    return table(f"Arms: {_setting_text(item)}", columns, rows, note.strip())


def scores(item: Tradeoff) -> Table:
    """The weighted score, best first, and how often each arm would win under other weights."""
    columns = (
        Column("Arm"),
        Column(f"Score ÷ {item.reference}", right=True),
        Column("First for", right=True),
    )
    rows: list[Row] = [(row.arm.label, _score(row, item), units.percent(row.wins)) for row in item.rows]
    note = (
        f"Score: product of (arm ÷ {item.reference})^weight, pass@1 turned over; below 1 is better. Weights: "
        f"{weights_text(item)}. First for: share of all possible weights of {', '.join(item.criteria)} for which the "
        "arm scores best, intervals left aside."
    )
    return table(f"Weighted score: {_setting_text(item)}", columns, rows, note)


def weights(item: Tradeoff) -> Table | None:
    """For each two criteria alone: up to which weight of the second each arm comes first."""
    rows: list[Row] = [(f"{pair.first} : {pair.second}", _reaches(pair)) for pair in item.pairs if pair.reaches]
    columns = (Column("Two criteria"), Column("First, as the weight goes from the one to the other"))
    note = (
        "The number: weight of the second criterion (the first has the rest) at which the next arm comes first; an "
        "exact crossing of the scores. = : they tie."
    )
    return table(f"Who wins for which weights: {_setting_text(item)}", columns, rows, note) if rows else None


def _reaches(pair: PairReach) -> str:
    parts = [" = ".join(reach.arms) + f" to {reach.high:.3g}" for reach in pair.reaches[:-1]]
    last = " = ".join(pair.reaches[-1].arms)
    return ", ".join((*parts, f"then {last}")) if parts else f"{last} always"


def _score(row: Ranked, item: Tradeoff) -> Cell:
    if row.score is None:
        return Cell(row.missing, "muted")
    return Cell("×1", "muted") if row.arm.label == item.reference else Cell(units.ratio(row.score))


def _setting_text(item: Tradeoff) -> str:
    coordinates = ("device", "batch_size", "prompts", "prompt_tokens", "new_tokens", "cache")
    return setting_text(item.setting, coordinates)


def _title(name: str, item: Tradeoff) -> str:
    return {"quality": item.quality, "time": "Time per token", "energy": "Energy per token", "memory": "Memory"}[name]


def _value(row: Ranked, name: str, item: Tradeoff) -> Cell:
    value = row.arm.values.get(name)
    if value is None:
        return Cell("not measured", "muted")
    if name == "quality":
        return Cell(share(value) if item.quality == "pass@1" else units.estimate(value, "1"))
    if name == "memory":
        return Cell(units.si(value.value, "B"))
    estimated = name == "energy" and row.arm.estimated
    return Cell(units.estimate(value, _UNITS[name]) + (" est." if estimated else ""))


def _front(row: Ranked) -> Row:
    perhaps = "perhaps " if row.front == "cannot tell" else ""
    by = perhaps + ", ".join(row.dominated_by) if row.dominated_by else "–"
    return Cell(row.front, _FRONT_TONES[row.front]), by


def place_labels(places: Sequence[Place]) -> dict[Place, str]:
    """What tells the places of one machine and model apart: the batch size, and what else differs."""
    unique = list(dict.fromkeys(places))
    found: dict[Place, str] = {}
    for place in unique:
        like = [
            tuple((k, v) for k, v in p.setting if k not in ("batch_size", "model", "revision", "device"))
            for p in unique
            if (p.machine, p.model, p.batch_size) == (place.machine, place.model, place.batch_size)
        ]
        own = tuple((k, v) for k, v in place.setting if k not in ("batch_size", "model", "revision", "device"))
        more = short_labels(like)[own]
        found[place] = f"batch {place.batch_size}" + (f" · {more}" if more else "")
    return found


def parameters_text(count: int | None) -> str:
    """3.03e9 → "3.03 G"."""
    return units.ABSENT if count is None else units.si(float(count), "B").removesuffix("B")


def signs(spots: Sequence[Spot]) -> tuple[Table, ...]:
    """A table per machine and model, a row per batch size and scheme."""
    labels = place_labels([spot.place for spot in spots])
    found: dict[str, list[Spot]] = {}
    for spot in spots:
        found.setdefault(f"{spot.place.machine}, {model_text(spot.place)}", []).append(spot)
    return tuple(_signs(where, part, labels) for where, part in found.items())


def _signs(where: str, spots: Sequence[Spot], labels: dict[Place, str]) -> Table:
    columns = (
        Column("Setting"),
        Column("Scheme"),
        Column("J ÷ reference", right=True),
        Column("Joules are"),
        Column("Reference", detail=True),
        Column("Source", detail=True),
    )
    rows: list[Row] = [
        (
            labels[spot.place],
            spot.scheme,
            units.ratio(spot.ratio),
            Cell(spot.sign + (" (est.)" if spot.estimated else ""), SIGN_TONES[spot.sign]),
            spot.reference,
            spot.source,
        )
        for spot in spots
    ]
    guesses = dict.fromkeys(spot.estimated for spot in spots if spot.estimated)
    note = (
        "Gross joules per token ÷ the reference's. Lower, higher: the 95 % interval of the ratio leaves 1 out; the "
        "same: it lies wholly within 2 % of 1; else cannot tell."
    )
    note += "".join(f" Estimated, not measured: {guess}." for guess in guesses)
    return table(f"Does quantising lower joules? {where}", columns, rows, note)


def model_text(place: Place) -> str:
    """The model and how many parameters it has: "smoke (1.22 M)"."""
    return place.model + (f" ({parameters_text(place.parameters)})" if place.parameters else "")

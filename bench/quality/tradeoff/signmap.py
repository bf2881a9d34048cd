"""Does quantising lower joules per token? One answer per machine, model size, batch size and scheme.

Two studies contradict each other here: one finds that 4-bit and 8-bit cost more energy (the StarCoder2 study), one
that 4-bit costs less (Wallace et al. 2025, arXiv 2502.00046). Both can be right: fewer bytes to read against more work
per byte, and the balance moves with the size of the model, the batch and the machine. So the sign is a map.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bench.analysis import energy
from bench.analysis.energy.joules import best_source
from bench.analysis.grouping import REFERENCE, Coordinates
from bench.analysis.hardware import by_machine, machine_names
from bench.analysis.statistics import Estimate
from bench.analysis.statistics.several import faster_among, slower_among
from bench.analysis.statistics.verdict import Verdict
from bench.record.schema import Record
from bench.schemes import UNQUANTISED, is_unquantised

Sign = Literal["lower", "higher", "the same", "cannot tell"]
_SIGNS: Mapping[Verdict, Sign] = {
    "FASTER": "lower", "SLOWER": "higher", "SAME": "the same", "AMBIGUOUS": "cannot tell"
}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Where joules were compared. ``parameters``: of the whole model (None: not recorded). ``setting``: all that the
    arms had in common."""

    machine: str
    model: str
    parameters: int | None
    batch_size: int | None
    setting: Coordinates


@dataclass(frozen=True)
class Spot:
    """One scheme at one place. ``ratio``: its gross J per token ÷ the reference's. ``sign``: what the table of energy
    says of it. ``estimated``: what of it is guessed, or ""."""

    place: Place
    scheme: str
    reference: str
    ratio: Estimate
    sign: Sign
    source: str
    estimated: str


@dataclass(frozen=True)
class Flip:
    """A scheme that lowers joules at some places and raises them at others."""

    scheme: str
    lower: tuple[Place, ...]
    higher: tuple[Place, ...]


def signmap(
    records: Sequence[Record],
    *,
    reference: str = REFERENCE,
    measured: Sequence[energy.EnergyGroup] | None = None,
) -> tuple[Spot, ...]:
    """Every spot in the records of one or several runs, by machine, model size and batch size. ``measured``: the
    energy of the same records, where it is known and they come from one machine."""
    machines = by_machine(records)
    names_on = {device: machine_names(machines, device) for device in {record.case.device for record in records}}
    spots: list[Spot] = []
    for number, part in enumerate(machines):
        named = {device: names[number] for device, names in names_on.items()}
        known = measured if len(machines) == 1 else None
        groups = energy.summarise(part, reference=reference) if known is None else known
        arms, sizes = _arms(part), _sizes(part)
        for group in groups:
            spots += _spots(group, _place(group, named, sizes), arms)
    names = list(dict.fromkeys(spot.place.machine for spot in spots))
    return tuple(sorted(spots, key=lambda spot: (names.index(spot.place.machine), *_rank(spot.place))))


def _rank(place: Place) -> tuple[float, str, int]:
    return (place.parameters or 0, place.model, place.batch_size or 0)


def _spots(group: energy.EnergyGroup, place: Place, arms: Mapping[str, Any]) -> list[Spot]:
    device = str(dict(group.setting).get("device"))
    found = []
    for scheme in dict.fromkeys(row.scheme for row in group.rows):
        row = best_source(group.rows, scheme, device)
        quantised = scheme not in UNQUANTISED if scheme not in arms else not is_unquantised(arms[scheme])
        if quantised and row is not None and row.energy_ratio is not None:
            sign = sign_of(row.verdict)
            found.append(Spot(place, scheme, str(group.reference), row.energy_ratio, sign, row.source, row.estimated))
    return found


def sign_of(verdict: Verdict | None) -> Sign:
    """The verdict on joules in the map's words: "lower" or "higher" where the interval leaves 1 out, unless it lies
    wholly within the margin of "the same"."""
    return _SIGNS[verdict] if verdict else "cannot tell"


def flips(spots: Sequence[Spot]) -> tuple[Flip, ...]:
    """The schemes with both signs, each for sure of all the places together that the scheme was compared at; estimated
    joules left out."""
    found = []
    for scheme in dict.fromkeys(spot.scheme for spot in spots):
        own = [spot for spot in spots if spot.scheme == scheme and not spot.estimated]
        ratios = [spot.ratio for spot in own]
        lower, higher = (
            tuple(spot.place for spot, sure in zip(own, together, strict=True) if sure and spot.sign == sign)
            for together, sign in ((faster_among(ratios), "lower"), (slower_among(ratios), "higher"))
        )
        if lower and higher:
            found.append(Flip(scheme, lower, higher))
    return tuple(found)


def _place(group: energy.EnergyGroup, named: Mapping[str, str], sizes: Mapping[str, int]) -> Place:
    known = dict(group.setting)
    model, device = str(known.get("model")), str(known.get("device"))
    return Place(named[device], model, sizes.get(model), known.get("batch_size"), group.setting)


def _arms(records: Sequence[Record]) -> dict[str, Any]:
    """Scheme → its arm's facts, as recorded."""
    arms = ((record.case.scheme, record.setup.get("arm")) for record in records)
    return {scheme: arm for scheme, arm in arms if isinstance(arm, Mapping)}


def _sizes(records: Sequence[Record]) -> dict[str, int]:
    """Model → parameters, as counted when it was loaded unquantised: a packed weight holds two of them."""
    found: dict[str, int] = {}
    for record in records:
        facts = record.setup.get("model")
        count = facts.get("parameters") if isinstance(facts, Mapping) else None
        if isinstance(count, int) and not record.case.dropped_layers:
            found[record.case.model] = max(count, found.get(record.case.model, 0))
    return found

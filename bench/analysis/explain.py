"""Why, by how much and what to do: the ledgers of a run with their causes, judged hypotheses and remedies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.record import causes as c
from bench.record.schema import Finding, Record

from . import claims, generation, held_lines
from .energy.ledger import EnergyPair, energy_pairs
from .first_generation import FirstGeneration
from .generation import GenerationRow, Place, rows
from .grouping import REFERENCE, Coordinates
from .hypotheses import Evidence, Judged, judge
from .interventions import InterventionRow, Removals, predicted_only, removals
from .interventions import summarise as summarise_interventions
from .ledger.first_visits import FirstVisits, first_visits
from .ledger.pairs import Pair, pairs
from .ledger.phases import DECODE, PREFILL, Phase
from .ledger.stored import with_lines
from .ledger.uniform import uniform_factor
from .ledger.windows import unlike_windows
from .prefill import prefill_pairs, prefill_rows
from .remedies import Remedy, remedies, same_but_length
from .settings import Asked, check_chosen, fits, in_order
from .statistics.assumed import mark

# Share of the reference's time that may stay unexplained on either side before the ledger says so.
UNEXPLAINED = 0.05


@dataclass(frozen=True)
class FirstAnswer:
    """One setting's first generations, and the ledgers of what new key-value lengths cost."""

    setting: Coordinates
    reference: str | None
    rows: tuple[FirstGeneration, ...]
    ledgers: tuple[FirstVisits, ...]


@dataclass(frozen=True)
class Explanation:
    """Everything that a run says about why its schemes differ. ``generation_rows``: the row of a scheme, by setting and
    scheme. ``records``: what it is made of. ``phase``: which part of a call all of it is of; ``prefill``: the same of
    prefill, None where no prompt was timed. ``first``: what someone who generates once waits for; all else is about
    lengths met before."""

    pairs: tuple[Pair, ...]
    energy: tuple[EnergyPair, ...]
    interventions: tuple[InterventionRow, ...]
    removals: tuple[Removals, ...]
    hypotheses: tuple[Judged, ...]
    remedies: tuple[Remedy, ...]
    findings: tuple[Finding, ...]
    generation_rows: Mapping[Place, GenerationRow]
    settings: tuple[Coordinates, ...]
    records: tuple[Record, ...]
    reference: str = REFERENCE
    first: tuple[FirstAnswer, ...] = ()
    phase: Phase = DECODE
    prefill: Explanation | None = None


def explain(
    records: Sequence[Record],
    *,
    reference: str = REFERENCE,
    generated: Sequence[generation.GenerationGroup] | None = None,
    asked: Asked = (),
) -> Explanation:
    """The explanation of a run; what was analysed already can be given. ``asked``: the settings that its plan asks
    for, in order."""
    groups = generation.summarise(records, reference=reference) if generated is None else tuple(generated)
    lined = tuple(map(with_lines, records))
    found = in_order(pairs(lined, reference), lambda pair: pair.setting, asked)
    groups = in_order(groups, lambda group: group.setting, asked)
    changed = summarise_interventions(records)
    joules = energy_pairs(records, reference)
    evidence = Evidence(records, found, changed, groups, joules, reference)
    return Explanation(
        found, joules, changed, removals(records, reference), judge(evidence),
        remedies(changed, groups, records, predicted_only(records)),
        (*findings(found), *claims.findings(records), *unlike_windows(records), *held_lines.findings(records)),
        rows(groups),
        tuple(dict.fromkeys(pair.setting for pair in found)), tuple(records), reference,
        _first(groups, first_visits(lined, reference)),
        prefill=_of_prefill(lined, groups, reference, asked),
    )  # fmt: skip


def _of_prefill(
    records: Sequence[Record], groups: Sequence[generation.GenerationGroup], reference: str, asked: Asked
) -> Explanation | None:
    found = prefill_pairs(records, reference, asked)
    settings = tuple(dict.fromkeys(pair.setting for pair in found))
    told = Explanation(
        found, (), (), (), (), (), findings([pair for pair in found if pair.instrument]), prefill_rows(rows(groups)),
        settings, tuple(records), reference, phase=PREFILL,
    )  # fmt: skip
    return told if found else None


def _first(groups: Sequence[generation.GenerationGroup], ledgers: Sequence[FirstVisits]) -> tuple[FirstAnswer, ...]:
    """One for each setting with a first generation."""
    made = []
    for group in groups:
        firsts = tuple(row.first for row in group.rows if row.first is not None)
        own = tuple(item for item in ledgers if item.setting == group.setting)
        if firsts:
            made.append(FirstAnswer(group.setting, group.reference, firsts, own))
    return tuple(made)


def narrowed(found: Explanation, wanted: Mapping[str, Any]) -> Explanation:
    """What it says of one scheme, and of settings with some coordinates. Hypotheses and findings stay those of the
    whole run. Raises UsageError, which says what there is, where nothing was measured there."""
    check_chosen(((*pair.setting, ("scheme", pair.scheme)) for pair in found.pairs), wanted)
    coordinates = {name: value for name, value in wanted.items() if name != "scheme"}

    def here(item: Pair | EnergyPair | InterventionRow | Remedy) -> bool:
        return wanted.get("scheme", item.scheme) == item.scheme and fits(dict(item.setting), coordinates)

    kept = tuple(filter(here, found.pairs))

    def tried(row: InterventionRow) -> bool:
        """Here, or at another length at which nothing else was timed, as what a run tries by itself."""
        other = row.setting not in found.settings and any(same_but_length(row.setting, pair.setting) for pair in kept)
        return here(row) or (other and wanted.get("scheme", row.scheme) == row.scheme)

    return replace(
        found,
        pairs=kept,
        energy=tuple(filter(here, found.energy)),
        interventions=tuple(filter(tried, found.interventions)),
        removals=tuple(item for item in found.removals if wanted.get("scheme", item.scheme) == item.scheme),
        remedies=tuple(filter(here, found.remedies)),
        first=tuple(_of_scheme(item, wanted) for item in found.first if fits(dict(item.setting), coordinates)),
        prefill=found.prefill and replace(found.prefill, pairs=tuple(filter(here, found.prefill.pairs))),
    )


def _of_scheme(found: FirstAnswer, wanted: Mapping[str, Any]) -> FirstAnswer:
    """Its rows and ledgers of one scheme and of the reference."""
    kept = (wanted.get("scheme"), found.reference)
    if "scheme" not in wanted:
        return found
    return replace(
        found,
        rows=tuple(row for row in found.rows if row.scheme in kept),
        ledgers=tuple(item for item in found.ledgers if item.scheme in kept),
    )


def findings(found: Sequence[Pair]) -> tuple[Finding, ...]:
    """What the ledgers leave open, and why."""
    made: list[Finding] = []
    without = [pair for pair in found if not pair.instrument]
    if without:
        why = "; ".join(dict.fromkeys(pair.missing for pair in without))
        schemes = ", ".join(dict.fromkeys(pair.scheme for pair in without))
        made.append(Finding("no-ledger", "info", "some schemes have no ledger", f"{schemes}: {why}", "see above"))
    for pair in found:
        made += [*_unexplained(pair), *_uniform(pair)]
    return tuple(made)


def _uniform(pair: Pair) -> list[Finding]:
    """Everything takes longer by one factor: not what a scheme does."""
    lines = [line for line in pair.closed.lines if line.cause in c.CAUSES]
    before = {line.cause: line.reference_ms for line in lines}
    factor = uniform_factor(before, {line.cause: line.scheme_ms for line in lines})
    if factor is None:
        return []
    message = f"{pair.scheme}: every line takes ×{factor:.2f}, as on a slower machine"
    return [
        Finding(
            "machine-slower", "warning", message, "a lower clock, heat, or a neighbour, rather than the scheme",
            "look at clocks and load, and measure again",
        )
    ]  # fmt: skip


def _unexplained(pair: Pair) -> list[Finding]:
    closed = pair.closed
    if not pair.instrument or abs(closed.unexplained_ms) <= UNEXPLAINED * closed.reference_ms:
        return []
    line = next(line for line in closed.lines if line.cause == "unexplained")
    bounds = "unknown" if line.low is None or line.high is None else f"[{line.low:+.3g}, {line.high:+.3g}]"
    bounds += mark(line.assumed)
    within = line.low is not None and line.high is not None and line.low <= 0 <= line.high
    why = (
        "the interval holds 0: the machine's speed changed between the timed and the observed calls"
        if within
        else "the timed calls took another time than the observed calls' own unobserved steps"
    )
    unit = pair.phase.unit
    message = f"{pair.scheme}: {line.delta_ms:+.3g} ms/{unit} of its difference are unexplained"
    return [
        Finding(
            "unexplained", "warning", message, f"interval {bounds} ms/{unit}; {why}",
            "quieten the machine, or run more repeats",
        )
    ]  # fmt: skip

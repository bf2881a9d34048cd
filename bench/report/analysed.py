"""Everything that the report tells, analysed once from the records; and what rooms that hang on the core add to it
(bench/hooks.py).

A sweep over unlike nodes has each summary once per hardware: a scheme on one hardware is never set against the
reference on another. Where there are several, the hardware's name stands beside the model's, so that every table,
figure and headline says which it is about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from bench import hooks
from bench.analysis import annotation, energy, explain, findings, generation, matmul
from bench.analysis.across import Across, across
from bench.analysis.alike import condensed
from bench.analysis.annotation import AnnotationRow
from bench.analysis.ceilings import Ceilings, ceilings
from bench.analysis.conditions import mixed
from bench.analysis.dispatch import DispatchRow, dispatch
from bench.analysis.energy import EnergyGroup
from bench.analysis.energy.codecarbon import Emissions, emissions
from bench.analysis.energy.idle_power import trends
from bench.analysis.energy.ledger import EnergyPair
from bench.analysis.energy.windows import judged
from bench.analysis.evidence import Observations, observations
from bench.analysis.generation import GenerationGroup
from bench.analysis.grouping import REFERENCE, Coordinates, without_retried
from bench.analysis.hardware import Part, unlike_parts
from bench.analysis.matmul import MatmulRow
from bench.analysis.outliers import OutlierRow, outlier_columns
from bench.analysis.positions import PositionRow, step_positions
from bench.analysis.settings import Asked, in_order
from bench.analysis.unpaired import of_pairing
from bench.record.errors import RecordError
from bench.record.schema import Finding, Record
from bench.record.suggested import quoted

from .content import CountedFinding, Section, Table
from .visible import visible_all
from .words import machine_text

Item = TypeVar("Item", GenerationGroup, EnergyGroup, MatmulRow, AnnotationRow)


@dataclass(frozen=True)
class Attached:
    """``sections``: what makes them, and the name in the page's list after which they come. ``machine``: all machines
    in one line, where there are several, and ``environment`` the tables about them, in place of one machine's."""

    after: str
    sections: Callable[[Analysed], Sequence[Section | None]]
    findings: tuple[Finding, ...] = ()
    machine: str = ""
    environment: Callable[[], tuple[Table, ...]] | None = None


@dataclass(frozen=True)
class AttachedDocument:
    """Entries of an explanation's JSON, and of that of each pair of energies in it."""

    document: Mapping[str, Any]
    of_energy: Callable[[EnergyPair], Mapping[str, Any]]


@dataclass(frozen=True)
class Analysed:
    """The records and what the analysis room makes of them. ``parts``: the records by hardware, one part
    but for a sweep over unlike nodes; ``explanation`` is of the first. ``attached``: what other rooms add."""

    records: tuple[Record, ...]
    generation: tuple[generation.GenerationGroup, ...]
    energy: tuple[energy.EnergyGroup, ...]
    matmul: tuple[matmul.MatmulRow, ...]
    annotation: tuple[annotation.AnnotationRow, ...]
    ceilings: dict[str, Ceilings]
    findings: tuple[CountedFinding, ...]
    reference: str
    explanation: explain.Explanation
    across: tuple[Across, ...]
    emissions: tuple[Emissions, ...]
    observed: Observations
    dispatch: tuple[DispatchRow, ...]
    outliers: tuple[OutlierRow, ...]
    positions: tuple[PositionRow, ...]
    parts: tuple[Part, ...] = ()
    attached: tuple[Attached, ...] = ()

    @property
    def latest(self) -> Record:
        return self.records[-1]

    @property
    def machine(self) -> str:
        """The machine or the machines in one line."""
        several = next((each.machine for each in self.attached if each.machine), "")
        return several or machine_text(self.latest.environment)


def analyse(
    records: Sequence[Record],
    extra: Sequence[Finding] = (),
    *,
    reference: str = REFERENCE,
    asked: Asked = (),
) -> Analysed:
    """Analyse the records of a run. ``asked``: the settings that its plan asks for, in order. Raises RecordError where
    there are no records."""
    if not records:
        raise RecordError(f"the run has no records: run {quoted('run')} first")
    records = without_retried(visible_all(records))
    extra = visible_all(extra)
    parts = unlike_parts(records)
    made = summaries(parts, reference, asked)
    explained = explain.explain(
        parts[0].records,
        reference=reference,
        generated=made.generation_of_first,
        asked=asked,
    )
    own = (
        *findings.of_generation(made.generation),
        *findings.of_matmul(made.matmul),
        *findings.of_annotation(made.annotation),
        *trends(records),
        *explained.findings,
        *of_pairing(records, reference),
        *mixed(records),
    )
    analysed = Analysed(
        records=tuple(records),
        generation=made.generation,
        energy=made.energy,
        matmul=made.matmul,
        annotation=made.annotation,
        ceilings=made.ceilings,
        findings=(),
        reference=reference,
        explanation=explained,
        across=across(records, reference),
        emissions=emissions(records),
        observed=observations(records),
        dispatch=dispatch(records, made.generation),
        outliers=outlier_columns(records),
        positions=step_positions(records),
        parts=parts,
    )
    attached = hooks.attached(analysed)
    merged = findings.merged(judged(records), (*extra, *own, *(one for each in attached for one in each.findings)))
    if any(each.machine for each in attached):  # each of hundreds of nodes was busy in its own way
        merged = condensed(merged)
    return replace(analysed, attached=attached, findings=tuple(CountedFinding(*item) for item in merged))


@dataclass(frozen=True)
class Summaries:
    """``…_of_first``: of the first part alone, under the models' own names."""

    generation: tuple[GenerationGroup, ...]
    energy: tuple[EnergyGroup, ...]
    matmul: tuple[MatmulRow, ...]
    annotation: tuple[AnnotationRow, ...]
    ceilings: dict[str, Ceilings]
    generation_of_first: tuple[GenerationGroup, ...]


def summaries(parts: Sequence[Part], reference: str, asked: Asked = ()) -> Summaries:
    """Everything that is summarised, each part for itself. ``asked``: the settings of the plan, in order."""
    generated = [in_order(generation.summarise(part.records, reference=reference), _setting, asked) for part in parts]
    joules = [energy.summarise(part.records, reference=reference) for part in parts]
    layers = [matmul.summarise(part.records, reference=reference) for part in parts]
    marks = [annotation.summarise(part.records) for part in parts]
    rows = tuple(
        replace(row, model=f"{row.model} on {part.name}") if len(parts) > 1 else row
        for part, found in zip(parts, layers, strict=True)
        for row in found
    )
    return Summaries(
        _named(parts, generated), _named(parts, joules), rows, _named(parts, marks), _ceilings(parts), generated[0]
    )  # fmt: skip


def _setting(group: GenerationGroup) -> Coordinates:
    return group.setting


def _named(parts: Sequence[Part], found: Sequence[Sequence[Item]]) -> tuple[Item, ...]:
    if len(parts) == 1:
        return tuple(found[0])
    return tuple(
        replace(item, setting=on_hardware(item.setting, part.name))
        for part, items in zip(parts, found, strict=True)
        for item in items
    )


def on_hardware(setting: Coordinates, machine: str) -> Coordinates:
    """The setting with the machine beside the model."""
    return tuple((name, f"{value} on {machine}" if name == "model" else value) for name, value in setting)


def _ceilings(parts: Sequence[Part]) -> dict[str, Ceilings]:
    several = len(parts) > 1
    return {
        f"{device} ({part.name})" if several else device: ceilings(part.records, device)
        for part in parts
        for device in sorted({record.case.device for record in part.records})
    }


def hardware_labels(parts: Sequence[Part]) -> tuple[str, ...]:
    """What a reader must know before any figure of a sweep over unlike nodes."""
    if len(parts) < 2:
        return ()
    return (
        f"Nodes of {len(parts)} kinds of hardware: every ratio is within one kind. Why, ledger, hypotheses and what to "
        f"change are of {parts[0].name} only.",
    )

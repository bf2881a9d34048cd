"""Everything that the report tells, analysed once from the records; and what rooms that hang on the core add to it
(bench/hooks.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench import hooks
from bench.analysis import annotation, energy, explain, findings, generation, matmul
from bench.analysis.across import Across, across
from bench.analysis.alike import condensed
from bench.analysis.ceilings import Ceilings
from bench.analysis.conditions import mixed
from bench.analysis.dispatch import DispatchRow, dispatch
from bench.analysis.energy.codecarbon import Emissions, emissions
from bench.analysis.energy.idle_power import trends
from bench.analysis.energy.ledger import EnergyPair
from bench.analysis.energy.windows import judged
from bench.analysis.evidence import Observations, observations
from bench.analysis.grouping import REFERENCE, without_retried
from bench.analysis.hardware import Part, unlike_parts
from bench.analysis.outliers import OutlierRow, outlier_columns
from bench.analysis.positions import PositionRow, step_positions
from bench.analysis.settings import Asked
from bench.analysis.unpaired import of_pairing
from bench.record.errors import RecordError
from bench.record.schema import Finding, Record
from bench.record.suggested import quoted

from .by_hardware import summaries
from .content import CountedFinding, Section, Table
from .visible import visible_all
from .words import machine_text


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
    told = findings.merged(judged(records), (*extra, *own, *(one for each in attached for one in each.findings)))
    if any(each.machine for each in attached):  # each of hundreds of nodes was busy in its own way
        told = condensed(told)
    return replace(analysed, attached=attached, findings=tuple(CountedFinding(*item) for item in told))

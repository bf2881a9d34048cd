"""Everything that the report tells, analysed once from the records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis import annotation, energy, explain, findings, generation, matmul
from bench.analysis.ceilings import Ceilings
from bench.analysis.conditions import mixed
from bench.analysis.energy_windows import judged
from bench.analysis.grouping import REFERENCE, standing
from bench.analysis.hardware import Part, unlike_parts
from bench.analysis.idle_power import trends
from bench.analysis.settings import Asked
from bench.analysis.unpaired import of_pairing
from bench.analysis.verdict import MARGIN
from bench.cluster.analysis import node_findings, nodes
from bench.record.errors import RecordError
from bench.record.schema import Finding, Record
from bench.record.suggested import quoted

from .by_hardware import summaries
from .content import CountedFinding
from .machine_line import machine_line
from .visible import visible_all


@dataclass(frozen=True)
class Analysed:
    """The records and what the analysis room makes of them. ``nodes``: None where all was measured on one. ``parts``:
    the records by hardware, one part but for a sweep over unlike nodes; ``explanation`` is of the first."""

    records: tuple[Record, ...]
    generation: tuple[generation.GenerationGroup, ...]
    energy: tuple[energy.EnergyGroup, ...]
    matmul: tuple[matmul.MatmulRow, ...]
    annotation: tuple[annotation.AnnotationRow, ...]
    ceilings: dict[str, Ceilings]
    findings: tuple[CountedFinding, ...]
    reference: str
    explanation: explain.Explanation
    nodes: nodes.Nodes | None = None
    parts: tuple[Part, ...] = ()

    @property
    def latest(self) -> Record:
        return self.records[-1]

    @property
    def machine(self) -> str:
        """The machine or the machines in one line."""
        return machine_line(self.latest.environment, self.nodes)


def analyse(
    records: Sequence[Record],
    extra: Sequence[Finding] = (),
    *,
    reference: str = REFERENCE,
    margin: float = MARGIN,
    asked: Asked = (),
) -> Analysed:
    """Analyse the records of a run. ``asked``: the settings that its plan asks for, in order. Raises RecordError where
    there are no records."""
    if not records:
        raise RecordError(f"the run has no records: run {quoted('run')} first")
    records = standing(visible_all(records))
    extra = visible_all(extra)
    parts, found = unlike_parts(records), nodes.nodes(records)
    made = summaries(parts, reference, margin, asked)
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
        *node_findings.of_nodes(found),
        *node_findings.of_parts(parts),
    )
    told = findings.merged(judged(records), (*extra, *own))
    return Analysed(
        records=tuple(records),
        generation=made.generation,
        energy=made.energy,
        matmul=made.matmul,
        annotation=made.annotation,
        ceilings=made.ceilings,
        findings=tuple(CountedFinding(*item) for item in (node_findings.condensed(told) if found else told)),
        reference=reference,
        explanation=explained,
        nodes=found,
        parts=parts,
    )

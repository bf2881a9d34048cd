"""Everything that the report tells, analysed once from the records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis import annotation, energy, explain, findings, generation, matmul
from bench.analysis.ceilings import Ceilings, ceilings
from bench.analysis.grouping import REFERENCE, standing
from bench.analysis.verdict import MARGIN
from bench.record.errors import RecordError
from bench.record.schema import Finding, Record

from .content import CountedFinding
from .visible import visible_all


@dataclass(frozen=True)
class Analysed:
    """The records and what the analysis room makes of them."""

    records: tuple[Record, ...]
    generation: tuple[generation.GenerationGroup, ...]
    energy: tuple[energy.EnergyGroup, ...]
    matmul: tuple[matmul.MatmulRow, ...]
    annotation: tuple[annotation.AnnotationRow, ...]
    ceilings: dict[str, Ceilings]
    findings: tuple[CountedFinding, ...]
    reference: str
    explanation: explain.Explanation

    @property
    def latest(self) -> Record:
        return self.records[-1]


def analyse(
    records: Sequence[Record], extra: Sequence[Finding] = (), *, reference: str = REFERENCE, margin: float = MARGIN
) -> Analysed:
    """Analyse the records of a run. Raises RecordError where there are none."""
    if not records:
        raise RecordError("the run has no records: run 'python -m bench run' first")
    records = standing(visible_all(records))
    extra = visible_all(extra)
    generated = generation.summarise(records, reference=reference, margin=margin)
    layers = matmul.summarise(records, reference=reference, margin=margin)
    marks = annotation.summarise(records, margin=margin)
    explained = explain.explain(records, reference=reference, generated=generated, layers=layers)
    own = (
        *findings.of_generation(generated),
        *findings.of_matmul(layers),
        *findings.of_annotation(marks),
        *explained.findings,
    )
    return Analysed(
        records=tuple(records),
        generation=generated,
        energy=energy.summarise(records, reference=reference, margin=margin),
        matmul=layers,
        annotation=marks,
        ceilings={device: ceilings(records, device) for device in sorted({r.case.device for r in records})},
        findings=tuple(CountedFinding(*item) for item in findings.merged(records, (*extra, *own))),
        reference=reference,
        explanation=explained,
    )

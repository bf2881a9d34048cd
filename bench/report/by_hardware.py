"""The summaries of a run by hardware: a sweep over unlike nodes has each of them once per hardware.

A scheme on one hardware is never set against the reference on another. Where there are several, the hardware's name
stands beside the model's, so that every table, figure and headline says which it is about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from bench.analysis import annotation, energy, generation, matmul
from bench.analysis.annotation import AnnotationRow
from bench.analysis.ceilings import Ceilings, ceilings
from bench.analysis.energy import EnergyGroup
from bench.analysis.generation import GenerationGroup
from bench.analysis.grouping import Coordinates
from bench.analysis.hardware import Part
from bench.analysis.matmul import MatmulRow
from bench.analysis.settings import Asked, in_order

Item = TypeVar("Item", GenerationGroup, EnergyGroup, MatmulRow, AnnotationRow)


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
        replace(item, setting=on(item.setting, part.name))
        for part, items in zip(parts, found, strict=True)
        for item in items
    )


def on(setting: Coordinates, machine: str) -> Coordinates:
    """The setting with the machine beside the model."""
    return tuple((name, f"{value} on {machine}" if name == "model" else value) for name, value in setting)


def _ceilings(parts: Sequence[Part]) -> dict[str, Ceilings]:
    several = len(parts) > 1
    return {
        f"{device} ({part.name})" if several else device: ceilings(part.records, device)
        for part in parts
        for device in sorted({record.case.device for record in part.records})
    }


def labels(parts: Sequence[Part]) -> tuple[str, ...]:
    """What a reader must know before any figure of a sweep over unlike nodes."""
    if len(parts) < 2:
        return ()
    return (
        f"Nodes of {len(parts)} kinds of hardware: every ratio is within one kind. Why, ledger, hypotheses and what to "
        f"change are of {parts[0].name} only.",
    )

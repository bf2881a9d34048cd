"""What the study printed, as data: data/published.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .carried import read

ORIGINAL, FOUR_BIT, EIGHT_BIT = "original", "4-bit", "8-bit"


@dataclass(frozen=True)
class StudyModel:
    """``id`` is how the model is named on the hub and in "shape:ID"; ``layers`` as the study counts them."""

    name: str
    id: str
    layers: int


@dataclass(frozen=True)
class PublishedRow:
    """One line of Table IV with its pass@1 from Table II or III. Time in s for all tasks, rate in tokens/s, pass@1
    as a share."""

    model: str
    tokens: int
    arm: str
    time: float
    time_sd: float
    rate: float
    time_from: str
    passed_base: float
    passed_plus: float
    passed_from: str


@dataclass(frozen=True)
class EnergyRange:
    """The energy of an arm over the original's, lowest and highest of the study's settings, as ratios."""

    arm: str
    low: float
    high: float


@dataclass(frozen=True)
class PrunedPoint:
    """pass@1 on HumanEval+ (a share) that the text or a table states for a number of removed layers."""

    model: str
    removed: int
    passed_plus: float


@dataclass(frozen=True)
class StudyFigure:
    """``tokens`` and ``model`` of a figure, and why none of its values are here."""

    figure: int
    model: str
    tokens: int
    shows: str
    why_no_values: str


@dataclass(frozen=True)
class Statement:
    id: str
    text: str
    source: str


@dataclass(frozen=True)
class Published:
    title: str
    authors: str
    gpu: str
    tasks: int
    models: tuple[StudyModel, ...]
    rows: tuple[PublishedRow, ...]
    energy: tuple[EnergyRange, ...]
    figures: tuple[StudyFigure, ...]
    pruned: tuple[PrunedPoint, ...]
    claims: tuple[Statement, ...]

    def row(self, model: str, tokens: int, arm: str) -> PublishedRow:
        """Raises KeyError where the study has no such row."""
        for row in self.rows:
            if (row.model, row.tokens, row.arm) == (model, tokens, arm):
                return row
        raise KeyError((model, tokens, arm))

    def range_of(self, arm: str) -> EnergyRange | None:
        return next((item for item in self.energy if item.arm == arm), None)

    @property
    def settings(self) -> tuple[tuple[str, int], ...]:
        """(model, tokens) in the study's order."""
        return tuple(dict.fromkeys((row.model, row.tokens) for row in self.rows))

    @property
    def largest_change(self) -> float:
        """The largest change of pass@1 that the study saw between the original and a quantised arm, as a share."""
        changes = []
        for row in self.rows:
            base = self.row(row.model, row.tokens, ORIGINAL)
            changes += [abs(row.passed_base - base.passed_base), abs(row.passed_plus - base.passed_plus)]
        return max(changes)


def published() -> Published:
    """The study's printed figures."""
    return from_json(read("published"))


def from_json(document: Mapping[str, Any]) -> Published:
    """The parsed file as values. Raises KeyError, TypeError or ValueError where it is not one."""
    return Published(
        title=document["title"],
        authors=document["authors"],
        gpu=document["gpu"],
        tasks=document["tasks"],
        models=tuple(StudyModel(**item) for item in document["models"]),
        rows=tuple(_row(item) for item in document["rows"]),
        energy=tuple(
            EnergyRange(item["arm"], 1 + item["low_percent"] / 100, 1 + item["high_percent"] / 100)
            for item in document["energy"]
        ),
        figures=tuple(_figure(item) for item in document["figures"]),
        pruned=tuple(
            PrunedPoint(item["model"], item["removed"], item["humaneval_plus_percent"] / 100)
            for item in document["pruned"]
        ),
        claims=tuple(Statement(item["id"], item["text"], item["from"]) for item in document["claims"]),
    )


def _row(item: Mapping[str, Any]) -> PublishedRow:
    return PublishedRow(
        item["model"], item["tokens"], item["arm"], item["time_s"], item["time_sd_s"], item["tokens_per_s"],
        item["time_from"], item["humaneval_percent"] / 100, item["humaneval_plus_percent"] / 100, item["pass_from"],
    )  # fmt: skip


def _figure(item: Mapping[str, Any]) -> StudyFigure:
    return StudyFigure(item["figure"], item["model"], item["tokens"], item["shows"], item["why_no_values"])

"""Presets take joules in three processes of an arm: fewer show nothing of how these differ (docs/verdicts.md).

Where one is kept on purpose, what is printed says that the spread is assumed, and a ratio of 1.5 is no verdict.
"""

from __future__ import annotations

from collections import defaultdict

import pytest

from bench.analysis.energy import EnergyGroup, EnergyRow, summarise
from bench.analysis.statistics.assumed import ENOUGH
from bench.presets import PRESETS, for_layers
from bench.quality.analysis.summary import summarise as qualities
from bench.quality.tradeoff.signmap import signmap
from bench.quality.tradeoff.tradeoff import tradeoffs
from bench.record.schema import Case, Record
from bench.report.sections.energy import energy_table
from bench.run.plan import make_plan
from bench.workloads.sources import resolve
from tests import factories as make
from tests import quality_records as q

# Instrument → the metric of a window's joules.
JOULES = {"energy": "energy_gpu", "codecarbon": "codecarbon_energy"}


def processes(name: str, judged: bool) -> dict[tuple[Case, str], list[int]]:
    """By Case and instrument, the repeats in which the preset takes joules on a GPU. ``judged``: those for pass@1 too,
    whose programs are written once."""
    chosen = for_layers(PRESETS[name], 6)
    found: dict[tuple[Case, str], list[int]] = defaultdict(list)
    for block in make_plan(chosen, resolve("smoke"), [], "cuda", 0):
        if judged or not any(request.instrument == "samples" for request in block.requests):
            for request in (one for one in block.requests if one.instrument in JOULES):
                found[request.case, request.instrument].append(block.repeat)
    return found


def record(case: Case, instrument: str, repeat: int, reference: str = "fp16") -> Record:
    """Two windows of 2 s; the reference takes 600 J in each, all others half as much again; processes differ by 1 %."""
    joules = (600.0 if case.scheme == reference else 900.0) * (1 + 0.01 * repeat)
    metrics = {"window_time": [2.0] * 2, "window_tokens": [100] * 2, JOULES[instrument]: [joules, 1.001 * joules]}
    return make.record(instrument, case, metrics, repeat=repeat)


def rows(groups: tuple[EnergyGroup, ...]) -> list[EnergyRow]:
    return [row for group in groups for row in group.rows if row.gross]


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_process_is_not_taken_for_three(name: str) -> None:
    planned, reference = processes(name, judged=True), PRESETS[name].reference
    records = [
        record(case, instrument, repeat, reference)
        for (case, instrument), repeats in planned.items()
        for repeat in repeats
    ]
    groups = summarise(records, reference=reference)
    found = rows(groups)
    assert len(found) == len(planned)
    for row in found:
        assert row.gross
        few = row.processes < ENOUGH
        assert bool(row.gross.assumed) == few, (row.source, row.scheme)
        if row.energy_ratio:
            assert bool(row.energy_ratio.assumed) == few
            assert row.verdict == ("AMBIGUOUS" if few else "SLOWER")
    for spot in signmap(records, reference=reference):
        assert spot.ratio and (spot.sign == "cannot tell") == bool(spot.ratio.assumed)
    shown = energy_table(groups).rows
    for row, cells in zip(found, shown, strict=True):
        bounded = [cell.text for cell in cells if "[" in cell.text]
        assert bounded and all(("assumed" in text) == (row.processes < ENOUGH) for text in bounded), bounded


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_counters_are_read_in_three_processes(name: str) -> None:
    """All but CodeCarbon's long windows, which are held against the counters, and what pass@1 took."""
    for (case, instrument), repeats in processes(name, judged=False).items():
        assert instrument == "codecarbon" or len(repeats) >= ENOUGH, case


def test_joules_per_passed_task_of_one_process_are_assumed() -> None:
    ours = [record(make.case(scheme, device="cuda"), "energy", 0) for scheme in ("fp16", "nf4")]
    programs = [item for scheme in ("fp16", "nf4") for item in q.arm(scheme, device="cuda", new_tokens=32)]
    found = [row for group in qualities([*programs, *ours]) for row in group.rows]
    assert len(found) == 2
    for row in found:
        assert row.energy_per_passed and row.energy_per_passed.assumed == "between processes"


def test_a_score_of_one_process_is_assumed() -> None:
    ours = [record(make.case(scheme, device="cuda"), "energy", 0) for scheme in ("fp16", "nf4")]
    timed = [make.generation(scheme, repeat, device="cuda") for scheme in ("fp16", "nf4") for repeat in range(3)]
    (found,) = tradeoffs([*timed, *ours], weights={"energy": 1.0})
    score = next(ranked.score for ranked in found.rows if ranked.arm.label == "nf4")
    assert score and score.assumed and score.low is not None and score.low < 1 < (score.high or 0)

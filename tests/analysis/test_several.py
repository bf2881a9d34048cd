"""A claim that rests on several comparisons is wrong in one of twenty runs at most, not one of twenty comparisons."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from bench.analysis import energy, generation
from bench.analysis.comparison import compare
from bench.analysis.energy import EnergyRow, Net, _with_sure_nets
from bench.analysis.energy.ledger import energy_pairs
from bench.analysis.explain import explain
from bench.analysis.interventions import InterventionRow, summarise
from bench.analysis.judging.rules import Evidence, Found, by_removal
from bench.analysis.statistics import Estimate, assumed, ratio
from bench.analysis.statistics.several import (
    anything_slower,
    faster_among,
    judged_together,
    more_among,
    slower_among,
)
from bench.analysis.statistics.student import t_quantile
from bench.analysis.statistics.verdict import verdict
from bench.quality.tradeoff.signmap import Place, Spot, flips, sign_of
from bench.record.schema import Record
from bench.report.answer import answer
from bench.report.sections.throughput import throughput_table
from benchmarks.verdict_model import draws
from tests import factories as make

RUNS, PROCESSES = 400, 3
MOST = 0.05 * RUNS + 3 * math.sqrt(0.05 * 0.95 * RUNS)


def runs(rng: np.random.Generator, arms: int, true: float = 0.0) -> list[list[Estimate]]:
    """Per run the ratio of each arm to the one reference that all share, with Student's interval."""
    logs = rng.standard_normal((RUNS, arms + 1, PROCESSES))
    means, errors = logs.mean(axis=2), logs.var(axis=2, ddof=1) / PROCESSES
    found = []
    for level, part in zip(0.03 * means, 0.03**2 * errors, strict=True):
        made = []
        for arm in range(1, arms + 1):
            df = float((part[0] + part[arm]) ** 2 / ((part[0] ** 2 + part[arm] ** 2) / (PROCESSES - 1)))
            delta, half = true + level[arm] - level[0], t_quantile(0.975, df) * math.sqrt(part[0] + part[arm])
            bounds = math.exp(delta - half), math.exp(delta + half)
            made.append(Estimate(math.exp(delta), *bounds, PROCESSES, 9, "between processes", freedom=df))
        found.append(made)
    return found


@pytest.mark.parametrize("arms", [2, 8, 20])
def test_something_is_called_slower_in_one_of_twenty_runs_at_most(arms: int) -> None:
    drawn = runs(np.random.default_rng(arms), arms)
    alone = sum(any(verdict(one) == "SLOWER" for one in made) for made in drawn)
    assert sum(anything_slower(made) for made in drawn) <= MOST
    assert arms < 8 or alone > MOST  # as each by itself does


def test_one_arm_that_is_much_slower_is_found_among_many_and_so_are_many_that_are_a_little() -> None:
    rng = np.random.default_rng(1)
    drawn = runs(rng, 8)
    one = [[replace(made[0], value=1.6, low=1.5, high=1.7), *made[1:]] for made in drawn]
    assert sum(map(anything_slower, one)) == RUNS
    assert sum(map(anything_slower, runs(rng, 8, true=0.15))) > 0.8 * RUNS


@pytest.mark.parametrize("arms", [1, 8])
def test_something_is_called_lower_in_one_of_twenty_runs_at_most_and_what_differs_is_found(arms: int) -> None:
    drawn = runs(np.random.default_rng(5), arms)
    assert sum(any(faster_among(made)) for made in drawn) <= MOST
    (first, *_) = drawn
    half = [replace(one, value=0.5, low=0.45, high=0.55) for one in first]
    assert faster_among(half) == (True,) * arms and slower_among(half) == (False,) * arms


def test_of_several_the_smallest_tails_are_sure_as_far_as_each_keeps_its_share() -> None:
    """By hand: tails of 4 degrees of freedom at 5 % · i ÷ 4 are t of 3.495, 2.776, 2.392, 2.132."""
    at = [(t, t - t_quantile(0.975, 4.0), 4.0) for t in (3.1, 2.8, 2.3, 1.0)]
    assert more_among(at) == (True, True, False, False)
    assert more_among([at[1], at[2], at[3]]) == (False, False, False)
    assert more_among([(1.0, None, 4.0), at[1]]) == (False, True)  # without an interval it is no comparison
    assert more_among([]) == ()


def test_a_ratio_knows_its_freedom() -> None:
    rng = np.random.default_rng(2)
    sides = [[tuple(row) for row in np.exp(0.02 * rng.standard_normal((5, 4)))] for _ in range(2)]
    found = ratio(*sides)
    assert found.freedom is not None and 4 <= found.freedom <= 8
    assert ratio([(1.0, 1.1)], [(1.0, 1.1)]).freedom == pytest.approx(2, abs=1)  # assumed


def spot(number: int, found: Estimate) -> Spot:
    place = Place("machine", "model", None, number, (("batch_size", number),))
    return Spot(place, "nf4", "fp16", found, sign_of(verdict(found)), "GPU", "")


def test_a_scheme_without_an_effect_changes_sign_in_few_maps() -> None:
    """Half of the places raise joules by far, at the others nothing changes: one of these seems lower by chance."""
    higher = Estimate(2.0, 1.8, 2.2, 3, 9, "between processes", freedom=4.0)
    drawn = runs(np.random.default_rng(9), 12)
    maps = [[spot(n, one) for n, one in enumerate([*made, *[higher] * 12])] for made in drawn]
    assert sum(bool(flips(spots)) for spots in maps) <= MOST
    lower = Estimate(0.5, 0.45, 0.55, 3, 9, "between processes", freedom=4.0)
    assert flips([spot(1, lower), spot(2, higher)])


def test_a_removal_that_barely_helps_supports_a_hypothesis_alone_but_not_as_one_of_eight() -> None:
    """Eight removals that change nothing supported one in 19 % of simulated runs."""
    steps = (("none", 0.02), ("threshold-0", 0.0185))
    (row,) = summarise([make.intervention("int8", name, repeat, step=s) for name, s in steps for repeat in range(3)])
    barely = replace(row, time_ratio=replace(row.time_ratio, value=0.93, low=0.88, high=0.99, freedom=4.0))
    clearly = replace(row, time_ratio=replace(row.time_ratio, value=0.7, low=0.68, high=0.72, freedom=4.0))
    nothing = replace(row, verdict="AMBIGUOUS", time_ratio=replace(row.time_ratio, value=1.0, low=0.9, high=1.1))

    def told(*rows: InterventionRow) -> str:
        evidence = Evidence((), interventions=rows)
        return by_removal(evidence, ("threshold-0",), lambda: Found("ambiguous")).verdict

    assert row.verdict == "FASTER" and told(barely) == "supported"
    assert told(barely, *[nothing] * 7) != "supported" and told(clearly, *[nothing] * 7) == "supported"


def test_compare_says_of_all_rows_together_whether_anything_is_slower() -> None:
    before = [make.generation("fp16", repeat) for repeat in range(5)]
    after = [replace(make.generation("fp16", repeat, step=0.05), run_id="20250102T120000-b") for repeat in range(5)]
    assert compare(before, after).anything_slower and not compare(after, before).anything_slower
    assert not compare(before, [replace(one, run_id="20250102T120000-b") for one in before]).anything_slower


def test_the_freedom_is_that_of_what_made_the_interval() -> None:
    """One degree of freedom that was seen of a tiny spread does not make an assumed interval one of one."""
    more = assumed.of_processes(1)
    known = assumed.freedom_of_reach([(1e-12, 1.0)], more + more)
    assert known == pytest.approx(2)
    assert assumed.freedom_of_reach([(1.0, 1.0)], more) == 1


def eight(rng: np.random.Generator, times: float = 1.0) -> list[Record]:
    """Three processes of the reference and of eight schemes; the first of these takes ``times`` as long."""
    schemes = ("fp16", "int8", "int8-thr0", "int8-planted", "fp4", "nf4", "nf4-dq", "bf16", "fp32")
    return [
        draws.process(rng, scheme, times if scheme == "int8" else 1.0, repeat, 0.03)
        for repeat in range(PROCESSES)
        for scheme in schemes
    ]


def test_of_eight_schemes_alike_the_tables_and_the_headline_call_none_slower_and_say_why() -> None:
    """Each by itself one is in a fifth of the runs; one that takes half as long again is called so beside them."""
    alone = told = 0
    for seed in range(20):
        (group,) = generation.summarise(eight(np.random.default_rng(seed)))
        rows = [row for row in group.rows if row.time_ratio]
        by_chance = [row.scheme for row in rows if verdict(row.time_ratio) in ("SLOWER", "FASTER")]
        sure = [row.scheme for row in rows if row.verdict in ("SLOWER", "FASTER")]
        alone, told = alone + bool(by_chance), told + bool(sure)
        note = throughput_table([group]).note
        assert ("chance makes one do that" in note) == bool(set(by_chance) - set(sure)), note
    assert alone >= 2 and told <= 2
    found = explain(eight(np.random.default_rng(1), times=1.5))
    told_of = answer(found)
    assert told_of is not None and told_of.sentence.startswith("Slower than fp16: int8. This run cannot tell for ")


def test_joules_of_table_and_split_are_taken_together_alike() -> None:
    schemes = dict.fromkeys(("fp16", "int8", "fp4", "nf4", "nf4-dq", "bf16"), (1.0, 1.0)) | {"int8-thr0": (1.6, 1.0)}
    for seed in range(12):
        records = list(draws.joules(np.random.default_rng(seed), schemes, 3, 0.03))
        (group,) = energy.summarise(records)
        table = {row.scheme: row.verdict for row in group.rows if row.energy_ratio}
        assert table == {pair.scheme: pair.verdict for pair in energy_pairs(records)}
        assert table["int8-thr0"] == "SLOWER"


def test_what_is_assumed_stands_by_itself_and_is_called_so() -> None:
    records = [make.generation(scheme, 0, calls=2) for scheme in ("fp16", "bf16", "nf4", "nf4-dq", "fp4", "int8")]
    (group,) = generation.summarise([replace(one, repeat=0) for one in records])
    assert all(row.verdict == verdict(row.time_ratio) for row in group.rows if row.time_ratio)


def test_net_joules_that_barely_differ_are_sure_alone_but_not_as_one_of_eight() -> None:
    def row(scheme: str, value: float) -> EnergyRow:
        more = Estimate(value, value - 1.0, value + 1.0, 3, 9, "between processes", freedom=4.0)
        return EnergyRow(scheme, "GPU", nets=(Net("held", 100.0, more, more),))

    def sure(*rows: EnergyRow) -> list[bool]:
        return [one.nets[0].sure for one in _with_sure_nets(rows)]

    nothing = [row(f"int{place}", 0.1) for place in range(7)]
    assert sure(row("nf4", 1.05)) == [True] and sure(row("nf4", -1.05), *nothing) == [False] * 8
    assert sure(row("nf4", -6.0), *nothing) == [True, *[False] * 7]


def test_rows_are_known_by_their_place_and_not_by_the_object_of_their_ratio() -> None:
    """As of rows that make their ratio anew whenever they are asked: one of twenty is off 1 by itself, by chance."""
    near = Estimate(1.001, 0.9, 1.1, 3, 9, "between processes", freedom=4.0)
    group = generation.summarise([make.generation(name, repeat) for name in ("fp16", "nf4") for repeat in range(3)])[0]
    row = next(row for row in group.rows if row.scheme == "nf4")
    ratios = [replace(near, value=1.05, low=1.0005)] + [near] * 19
    rows = [replace(row, time_ratio=one, verdict="SLOWER" if one.low > 1 else "AMBIGUOUS") for one in ratios]
    for ratio_of in (lambda row: row.time_ratio, lambda row: replace(row.time_ratio)):
        assert {row.verdict for row in judged_together(rows, ratio_of)} == {"AMBIGUOUS"}

"""The study's joules from its own raw data: wraps put back, Table IV, the ledger, and what the counter's range is."""

from dataclasses import replace
from statistics import fmean, median, stdev

import pytest

from bench.analysis.energy.wraps import INTEL_RANGE
from bench.studies.starcoder2.published import EIGHT_BIT, FOUR_BIT, ORIGINAL
from bench.studies.starcoder2.raw.claims import grounds
from bench.studies.starcoder2.raw.data import SETTINGS, WH, key_of
from bench.studies.starcoder2.raw.facts import wrap_facts
from bench.studies.starcoder2.raw.joules import TOLERANCE, best_range, true_run
from bench.studies.starcoder2.raw.means import mean
from bench.studies.starcoder2.raw.split import PARTS, even_share, split

G = grounds()
EIGHT = [run for setting in G.settings for run in setting.of(EIGHT_BIT).runs]


def test_nineteen_of_twenty_runs_of_8_bit_meet_the_nodes_own_counter():
    assert len(EIGHT) == 20
    off = [abs(run.off) for run in EIGHT if run.off is not None]
    assert len(off) == 19
    assert max(off) < 0.41 and median(off) < 0.04  # of the same job step, which holds the loading too
    assert wrap_facts(G).nearest < 0.3  # of the nearest step of the same job
    assert min(run.wraps.step for run in EIGHT) > 38


def test_the_odd_run_is_left_out_and_named():
    (odd,) = [run for run in EIGHT if run.total is None]
    assert (odd.run.row, odd.run.seconds, odd.run.ear) == (1, 3495.9, None)
    assert odd.wraps.answer == "several fit"
    assert [round(odd.wraps.with_wraps(n).watts, 1) for n in (2, 3)] == [226.8, 301.8]
    assert G.raw.jobs["odd_run"]["set"] == key_of("StarCoder2-3B", 128, EIGHT_BIT)


def test_no_run_of_the_originals_and_of_4_bit_needs_a_wrap():
    for setting in G.settings:
        for arm in (ORIGINAL, FOUR_BIT):
            assert all(run.wraps.answer == "as recorded" for run in setting.of(arm).runs)
    assert all(
        true_run(run, G.raw.package_powers).wraps.answer == "as recorded"
        for run in G.raw.arm("Phi-2", 128, ORIGINAL).runs
    )


def test_corrected_totals_and_ratios_are_those_of_the_facts():
    totals = [round(setting.of(EIGHT_BIT).corrected.value / WH, 1) for setting in G.settings]
    assert totals == [380.1, 747.5, 255.3, 500.2]
    before = [round(setting.written(EIGHT_BIT).value, 2) for setting in G.settings]
    after = [round(setting.corrected(EIGHT_BIT).value, 2) for setting in G.settings]
    assert before == [3.86, 2.43, 1.32, 1.23]
    assert after == [6.26, 6.44, 3.08, 2.95]


def test_the_data_alone_give_the_counters_range():
    assert best_range(EIGHT, 200_000, 330_000) == pytest.approx(INTEL_RANGE, rel=2e-4)


def test_a_power_that_is_wrong_by_a_step_would_give_another_number():
    """What the fit rests on: EAR's power of the same step."""
    run = EIGHT[5].run
    assert run.ear is not None
    shifted = replace(run, ear=replace(run.ear, package_power=run.ear.package_power + INTEL_RANGE / run.seconds))
    fits = [true_run(one, (0, 0)).wraps.fit for one in (run, shifted)]
    assert fits[0] and fits[1] and fits[1].wraps == fits[0].wraps + 1
    between = replace(run, ear=replace(run.ear, package_power=run.ear.package_power + 2 * TOLERANCE))
    assert true_run(between, (0, 0)).wraps.answer == "none fits"


@pytest.mark.parametrize(("model", "tokens"), SETTINGS)
@pytest.mark.parametrize("arm", [ORIGINAL, FOUR_BIT, EIGHT_BIT])
def test_table_iv_follows_from_the_runs_or_the_difference_is_explained(model: str, tokens: int, arm: str):
    row = G.published.row(model, tokens, arm)
    seconds = [run.seconds for run in G.raw.arm(model, tokens, arm).runs]
    behind = G.raw.jobs["runs_behind_the_printed_mean"].get(key_of(model, tokens, arm))
    if (model, tokens, arm) in {("StarCoder2-3B", 128, FOUR_BIT), ("StarCoder2-3B", 256, EIGHT_BIT)}:
        assert (round(fmean(seconds), 1), round(stdev(seconds), 1)) != (row.time, row.time_sd)
        seconds = behind["seconds"]
    else:
        assert behind is None
    assert fmean(seconds) == pytest.approx(row.time, abs=0.06)
    assert stdev(seconds) == pytest.approx(row.time_sd, abs=0.06)


def test_an_ear_step_holds_its_run():
    for arm in G.raw.arms.values():
        for run in arm.runs:
            if run.ear is not None:
                assert 0 < run.ear.seconds - run.seconds < 170


def test_gpu_joules_of_codecarbon_agree_with_ears_gpu_power():
    """Two meters of the GPU; EAR's step holds the loading too, so it has a little more."""
    for arm in G.raw.arms.values():
        for run in arm.runs:
            if run.ear is not None:
                assert 0.99 < run.ear.gpu_power * run.ear.seconds / run.gpu < 1.06


@pytest.mark.parametrize("part", PARTS)
def test_the_split_of_the_joules_adds_up(part):
    for setting in G.settings:
        for arm in (FOUR_BIT, EIGHT_BIT):
            one = split(setting, arm, part)
            assert one.longer + one.power == pytest.approx(one.delta.value, rel=1e-9)


def test_at_the_share_where_the_sign_turns_both_arms_cost_the_same():
    setting = G.settings[2]
    share = even_share(setting, FOUR_BIT)
    assert share is not None
    costs = [
        one.gpu.value + share * (one.corrected.value - one.gpu.value)
        for one in (setting.of(ORIGINAL), setting.of(FOUR_BIT))
    ]
    assert costs[0] == pytest.approx(costs[1])
    assert even_share(setting, EIGHT_BIT) is None


def test_dram_is_codecarbons_constant():
    for arm in G.raw.arms.values():
        assert all(run.dram / run.seconds == pytest.approx(45.0, abs=0.02) for run in arm.runs)


def test_the_studys_whisker_is_not_the_interval_of_the_mean():
    one = mean([1.0, 2.0, 3.0, 4.0, 5.0])
    assert one.high - one.value == pytest.approx(2.776445 * one.sd / 5**0.5, rel=1e-6)
    assert one.whisker / (one.high - one.value) == pytest.approx(1.58, abs=0.01)

"""One estimator: the wait for the tick is not work, and table, ledger, H14, map, score and passed task say the same."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.energy import EnergyRow, gross_per_token, summarise, work_joules
from bench.analysis.energy.baselines import Baselines, baselines
from bench.analysis.energy.ledger import EnergyPair, energy_pairs
from bench.analysis.energy.sources import SOURCES
from bench.analysis.judging.by_measures import joules as h14
from bench.analysis.judging.rules import Evidence
from bench.analysis.statistics import Estimate, ratio
from bench.analysis.statistics.verdict import verdict
from bench.quality.analysis.energy_passed import joules_per_passed
from bench.quality.analysis.summary import summarise as qualities
from bench.quality.tradeoff.signmap import signmap
from bench.quality.tradeoff.tradeoff import tradeoffs
from bench.record.schema import Finding, Record
from bench.report.sections.energy import baselines as net_sentences
from bench.report.sections.ledger import energy_ledger_table as energy_ledger
from tests import factories as make
from tests import quality_records as q
from tests.test_h100_run import FOLDER, load

GPU = SOURCES[0]


def window(scheme: str, repeat: int = 0, **metrics: object) -> Record:
    return make.record("energy", make.case(scheme, device="cuda"), metrics, repeat=repeat)


def test_the_wait_for_the_tick_is_paid_at_idle_power_and_is_no_time_of_work() -> None:
    item = window(
        "fp16", window_time=[2.1], window_tail_time=[0.1], window_tokens=[100], energy_gpu=[610.0],
        idle_time=[2.0], idle_energy_gpu=[200.0],
    )  # fmt: skip
    assert gross_per_token(item, "energy_gpu") == pytest.approx((6.0,))
    row = next(row for row in summarise([item])[0].rows if row.gross)
    assert row.gross and row.gross.value == pytest.approx(6.0) and row.power == pytest.approx(300.0)
    assert row.net and row.net.value == pytest.approx((600 - 200) / 100)


def test_a_counters_own_ticks_are_taken_where_they_are_known() -> None:
    """The window of the slowest counter is longer than this one's, and work began after its tick."""
    item = window(
        "fp16", window_time=[2.5], window_tail_time=[0.5], window_tokens=[100], energy_gpu=[620.0], work_begin=[0.1],
        work_end=[2.1], edge_time_gpu=[0.0, 2.2], idle_time=[2.0], idle_energy_gpu=[200.0],
    )  # fmt: skip
    assert gross_per_token(item, "energy_gpu") == pytest.approx((6.0,))


def test_calls_that_differ_by_half_a_per_cent_do_not_differ_by_a_tick() -> None:
    """Windows of one call end just before a tick or just after: the whole tick of 0.1 s is the wait of the second."""
    used = {"fp16": (0.9975, 0.0025), "nf4": (1.0025, 0.0975)}
    records = [
        window(
            scheme, repeat, window_time=[work + wait] * 2, window_tail_time=[wait] * 2, window_tokens=[128] * 2,
            energy_gpu=[(300 + 0.3 * repeat) * work + 100 * wait] * 2, idle_time=[1.0], idle_energy_gpu=[100.0],
        )
        for scheme, (work, wait) in used.items() for repeat in range(3)
    ]  # fmt: skip
    (row,) = (row for row in summarise(records)[0].rows if row.scheme == "nf4" and row.gross)
    assert row.energy_ratio and row.energy_ratio.value == pytest.approx(1.0025 / 0.9975, abs=1e-4)
    assert row.verdict == "SAME"


@given(st.lists(st.tuples(st.integers(1, 500), st.floats(60, 600)), min_size=1, max_size=6))
def test_a_process_is_the_sum_of_its_windows(held: list[tuple[int, float]]) -> None:
    item = window(
        "fp16", window_time=[1.0] * len(held), window_tokens=[n for n, _ in held], energy_gpu=[j for _, j in held]
    )
    found = work_joules.process(item, GPU, Baselines())
    assert found is not None
    assert math.fsum(found.gross) / len(found.gross) == pytest.approx(sum(j for _, j in held) / sum(n for n, _ in held))
    assert min(found.gross) > 0


FIVE = (
    (76.3, 76.2, 78.9, 78.5, 78.8),
    (82.1, 81.7, 81.5, 81.8, 81.8),
)  # what was ×1.041 AMBIGUOUS in the table and sure in the ledger


def programs(scheme: str) -> list[Record]:
    """Forty programs, half of which pass, and the judgement of them, in the energy's setting."""
    return q.arm(scheme, device="cuda", new_tokens=make.case().new_tokens)


def arms(*sides: Sequence[Sequence[float]], seconds: Sequence[float] = (2.0, 4.0)) -> list[Record]:
    """Energy of fp16 and nf4 at 100 tokens a window; a side is the joules of its processes' windows."""
    return [
        window(
            scheme, repeat, window_time=[time] * len(joules), window_tokens=[100] * len(joules), energy_gpu=joules
        )
        for scheme, time, side in zip(("fp16", "nf4"), seconds, sides, strict=True)
        for repeat, joules in enumerate(side)
    ]  # fmt: skip


THREE = ([[76.0], [76.4], [75.8]], [[82.1], [81.7], [82.5]])
BARELY = ([[76.0], [77.4], [78.8]], [[80.1], [79.7], [81.5]])
CASES = {
    "five windows of one process": ([FIVE[0]], [FIVE[1]]),
    "three processes, sure": THREE,
    "three processes, barely": BARELY,
    "three processes, less": (THREE[1], THREE[0]),
    "three processes, the same": ([[80.0], [80.1], [80.2]], [[80.1], [80.0], [80.2]]),
    "two processes": ([[76.0], [76.4]], [[82.1], [81.7]]),
}


def told(records: list[Record]) -> tuple[EnergyRow, EnergyPair]:
    (row,) = (row for row in summarise(records)[0].rows if row.scheme == "nf4" and row.gross)
    (pair,) = energy_pairs(records)
    return row, pair


@pytest.mark.parametrize("name", CASES)
def test_all_six_say_the_same_of_the_same_windows(name: str) -> None:
    records = arms(*CASES[name])
    row, pair = told(records)
    assert row.gross and row.energy_ratio and pair.gross and pair.ratio == row.energy_ratio
    assert pair.gross.scheme == pytest.approx(row.gross.value) and pair.verdict == row.verdict
    low, high = pair.gross.delta.low, pair.gross.delta.high
    assert low is not None and high is not None and low < pair.gross.delta.value < high
    sure = row.verdict in ("SLOWER", "FASTER")
    assert (low > 0 or high < 0) == (row.energy_ratio.low > 1 or row.energy_ratio.high < 1)  # type: ignore[operator]
    assert sure <= (low > 0 or high < 0)
    (spot,) = signmap(records)
    words = {"SLOWER": "higher", "FASTER": "lower", "SAME": "the same", "AMBIGUOUS": "cannot tell"}
    assert spot.sign == words[str(row.verdict)] and spot.ratio == row.energy_ratio
    judged = h14(Evidence(records, energy=(pair,))).verdict
    assert (judged == "supported") == (row.verdict == "SLOWER" and pair.gross.power < 0)


@pytest.mark.parametrize("name", CASES)
def test_score_and_passed_task_are_made_of_the_same_joules(name: str) -> None:
    timed = [make.generation(scheme, repeat, device="cuda") for scheme in ("fp16", "nf4") for repeat in range(3)]
    energies = [*arms(*CASES[name])]
    row, pair = told(energies)
    assert row.gross and row.energy_ratio
    (found,) = tradeoffs([*timed, *energies], weights={"energy": 1.0})
    score = next(ranked.score for ranked in found.rows if ranked.arm.label == "nf4")
    assert score and verdict(score) == row.verdict
    assert (score.value, score.low, score.high) == pytest.approx(
        (row.energy_ratio.value, row.energy_ratio.low, row.energy_ratio.high)
    )
    passed = joules_per_passed(pair, qualities([*programs("nf4"), *programs("fp16"), *energies]))
    assert passed.scheme and passed.reference, passed.missing
    assert passed.scheme.value / passed.reference.value == pytest.approx(row.energy_ratio.value)


@given(st.floats(0.2, 5.0), st.floats(0.0, 1.5), st.floats(0.0, 1.5))
def test_a_difference_leaves_0_out_just_where_its_ratio_leaves_1_out(value: float, down: float, up: float) -> None:
    between = Estimate(value, value * math.exp(-down), value * math.exp(up), 3, 3, "between processes")
    found = work_joules.in_joules(between, 2.0)
    assert found.low is not None and found.high is not None and between.low and between.high
    assert found.value == pytest.approx(2.0 * (value - 1.0))
    assert found.low <= found.value + 1e-9 and found.high >= found.value - 1e-9
    assert (found.low > 0) == (between.low > 1) and (found.high < 0) == (between.high < 1)


def test_from_three_processes_on_only_these_count() -> None:
    quiet, loud = arms(*THREE), arms(*(([j[0] - 9, j[0] + 9] for j in side) for side in THREE))  # type: ignore[misc]
    assert told(quiet)[0].energy_ratio and told(loud)[0].energy_ratio
    assert told(quiet)[0].energy_ratio.low == pytest.approx(told(loud)[0].energy_ratio.low)  # type: ignore[union-attr]


def test_both_baselines_of_the_committed_gpu_run_come_from_its_records() -> None:
    records = load(FOLDER).records
    first = min(records, key=lambda record: record.started_at).environment.before["gpus"][0]["power_w"]
    for group in summarise(records):
        for row in (row for row in group.rows if row.gross):
            held, unused = row.above("held"), row.above("unused")
            assert held and unused and unused.power == first and 119 < held.power < 125.2
            quantised = row.scheme not in ("fp16", "bf16")
            if quantised:
                assert held.more and unused.more and held.more.value < 0 < unused.more.value, row.scheme
                assert held.more.low is not None and held.more.high is not None and held.more.low < 0 < held.more.high


def test_the_pages_say_of_the_committed_gpu_run_what_its_records_say() -> None:
    group = summarise(load(FOLDER).records)[0]
    rows = {row.scheme: row for row in group.rows if row.gross}
    nets = [(row.scheme, net) for row in rows.values() for net in row.nets]
    held = [net.power for _, net in nets if net.kind == "held"]
    sure = {(scheme, net.kind) for scheme, net in nets if net.more and net.more.low and net.more.low > 0}
    sure |= {(scheme, net.kind) for scheme, net in nets if net.more and net.more.high and net.more.high < 0}
    assert sure == {("int8-planted", "unused")}
    ratios = {name: row.energy_ratio.value for name, row in rows.items() if row.energy_ratio}
    docs = FOLDER.parents[2] / "docs"
    for name in ("h100.md", "findings.md"):
        text = (docs / name).read_text(encoding="utf-8")
        assert f"({min(held):.0f}–{max(held):.0f} W" in text and f"({rows['fp16'].above('unused').power:.0f} W" in text  # type: ignore[union-attr]
    assert f"int8 ×{ratios['int8']:.2f}, nf4 ×{ratios['nf4']:.2f} of fp16" in (docs / "h100.md").read_text(
        encoding="utf-8"
    )


def test_the_unused_card_is_what_its_own_process_measured() -> None:
    own = window(
        "fp16", window_time=[2.0], window_tokens=[100], energy_gpu=[600.0], unused_time=[2.0], unused_energy_gpu=[140.0]
    )
    known = baselines([own]).unused(own, GPU)
    assert known and known.power == 70.0 and not known.alike
    assert baselines([own]).unused(own, SOURCES[1]) is None


@pytest.mark.parametrize(
    "state", [{"utilisation": 0.3}, {"other_processes": 1}, {"throttle_reasons": []}, {"power_w": None}]
)
def test_a_card_in_use_is_no_baseline(state: dict[str, object]) -> None:
    from dataclasses import replace

    free = {"power_w": 70.0, "throttle_reasons": ["gpu_idle"], "utilisation": 0.0, "other_processes": 0}
    records = [
        replace(item, environment=replace(item.environment, before={"gpus": [used]}))
        for item in (window("fp16", window_time=[2.0], window_tokens=[100], energy_gpu=[600.0]),)
        for used in (free, free | state)
    ]
    assert [baselines([item]).unused(item, GPU) is not None for item in records] == [True, False]


def test_the_ratio_is_the_one_model_of_spread() -> None:
    row, _ = told(arms(*THREE))
    per_token = [[[joules / 100 for joules in part] for part in side] for side in THREE]
    expected = ratio(per_token[1], per_token[0], statistic="mean")
    assert row.energy_ratio and row.energy_ratio.low == pytest.approx(expected.low)
    assert not row.energy_ratio.assumed and told(arms(*CASES["two processes"]))[0].energy_ratio.assumed  # type: ignore[union-attr]


def doubted(records: list[Record], scheme: str = "nf4") -> list[Record]:
    """Each window of the scheme waited for its tick for most of its length."""
    slow = {"window_tail_time": [1.9], "window_time": [2.0], "window_tokens": [100], "energy_gpu": [90.0]}
    return [
        window(scheme, item.repeat, **slow) if item.case.scheme == scheme else item  # type: ignore[arg-type]
        for item in records
    ]


def test_no_comparison_rests_on_joules_that_are_doubted() -> None:
    records = doubted(arms(*THREE))
    row, pair = told(records)
    assert row.gross and row.energy_ratio and row.verdict is None and "too slowly" in row.doubt
    assert pair.verdict is None and pair.doubt == row.doubt
    assert signmap(records) == ()
    judged = h14(Evidence(records, energy=(pair,)))
    assert judged.verdict == "not tested" and "too slowly" in judged.evidence[0]
    timed = [make.generation(scheme, repeat, device="cuda") for scheme in ("fp16", "nf4") for repeat in range(3)]
    assert tradeoffs([*timed, *records], weights={"energy": 1.0}) == ()


def test_joules_that_cannot_be_believed_are_shown_nowhere() -> None:
    records = [*arms(*THREE)[:3], window("nf4", window_time=[2.0] * 2, window_tokens=[9] * 2, energy_gpu=[5.0, 0.0])]
    (row,) = (row for row in summarise(records)[0].rows if row.scheme == "nf4" and row.source == GPU.name)
    assert row.gross is None and row.reason.startswith("withheld: ") and energy_pairs(records) == ()


def test_nothing_net_is_sure_of_joules_that_are_doubted() -> None:
    """Another process was on the card beside nf4: the net figures rest on the same counter as the gross ones."""

    def record(scheme: str, repeat: int, joules: float, others: int) -> Record:
        return window(
            scheme, repeat, window_time=[2.0], window_tokens=[100], energy_gpu=[joules + repeat],
            idle_time=[2.0] * 2, idle_energy_gpu=[200.0] * 2, idle_begin=[-3.0, 3.0], work_begin=[0.0], work_end=[2.0],
            edge_time_gpu=[0.0, 2.0], sample_time=[0.5, 1.0, 1.5], gpu_other_processes=[others] * 3,
        )  # fmt: skip

    for other, words in ((0, "All of it is sure."), (1, "")):
        records = [record("fp16", n, 600.0, 0) for n in range(3)] + [record("nf4", n, 900.0, other) for n in range(3)]
        groups = summarise(records)
        assert words in " ".join(net_sentences(groups)) and bool(net_sentences(groups)) == bool(words)
        ledger = energy_ledger(energy_pairs(records))
        assert ledger
        kinds = {row[-1].text for row in ledger.rows}
        assert all(("no verdict" in kind) == bool(other) for kind in kinds), kinds


@pytest.mark.parametrize("code", ["codecarbon-without-gpu", "codecarbon-scheduler", "codecarbon-clock"])
def test_no_comparison_rests_on_a_codecarbon_that_warns(code: str) -> None:
    def record(scheme: str, repeat: int, joules: float, *found: Finding) -> Record:
        metrics = {"window_time": [2.0], "window_tokens": [100], "codecarbon_energy": [joules + repeat]}
        case = make.case(scheme, device="cuda")
        return make.record("codecarbon", case, metrics, repeat=repeat, findings=found)

    for found in ((), (Finding(code, "warning", "it cannot be right", "0 of 5", ""),)):
        records = [record("fp16", n, 600.0) for n in range(3)] + [record("nf4", n, 900.0, *found) for n in range(3)]
        (row,) = (row for row in summarise(records)[0].rows if row.scheme == "nf4" and row.gross)
        assert row.verdict == (None if found else "SLOWER") and bool(row.doubt) == bool(found)
        assert {spot.sign for spot in signmap(records)} == (set() if found else {"higher"})


def test_memory_alone_is_no_machine() -> None:
    """A counter of DRAM only: its joules are shown as memory's, and decide nothing."""
    records = [
        make.record(
            "energy",
            make.case(scheme),
            {"window_time": [2.0], "window_tokens": [100], "energy_dram": [j + n]},
            repeat=n,
        )
        for scheme, j in (("fp16", 20.0), ("nf4", 60.0))
        for n in range(3)
    ]
    assert [row.source for row in summarise(records)[0].rows if row.gross] == ["Memory (RAPL DRAM counter)"] * 2
    judged = h14(Evidence(records, energy=energy_pairs(records)))
    assert judged.verdict == "not tested" and "part of the machine" in judged.evidence[0]
    timed = [make.generation(scheme, repeat) for scheme in ("fp16", "nf4") for repeat in range(3)]
    assert signmap(records) == () and tradeoffs([*timed, *records], weights={"energy": 1.0}) == ()


def test_h14_is_judged_by_the_counter_of_the_device_that_worked() -> None:
    """The GPU took fewer joules, the host that waited for it more: no support."""
    records = [
        window(
            scheme, n, window_time=[time], window_tokens=[100], energy_gpu=[gpu + n], energy_cpu=[cpu + n / 10]
        )
        for scheme, time, gpu, cpu in (("fp16", 2.0, 600.0, 100.0), ("nf4", 4.0, 400.0, 180.0))
        for n in range(3)
    ]  # fmt: skip
    judged = h14(Evidence(records, energy=energy_pairs(records)))
    assert judged.verdict == "refuted" and all("GPU" in line for line in judged.evidence)


def test_rows_of_the_energy_ledger_say_their_setting_where_there_are_two() -> None:
    records = [
        make.record(
            "energy", make.case(scheme, device="cuda", batch_size=batch),
            {"window_time": [2.0], "window_tokens": [100], "energy_gpu": [600.0 + n + 100 * batch]}, repeat=n,
        )
        for scheme in ("fp16", "nf4") for batch in (1, 8) for n in range(3)
    ]  # fmt: skip
    two = energy_ledger(energy_pairs(records))
    one = energy_ledger(energy_pairs([record for record in records if record.case.batch_size == 1]))
    assert two and one and [column.name for column in one.columns] == [column.name for column in two.columns[1:]]
    assert [row[0].text for row in two.rows] == ["batch 1", "batch 8"]

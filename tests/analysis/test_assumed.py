"""What is assumed where the data cannot show it: when, how much, and that every figure made of it says so."""

import math

import numpy as np
import pytest

from bench.analysis import energy, generation, matmul
from bench.analysis.comparison import compare
from bench.analysis.statistics import Estimate, difference, estimate, ratio
from bench.analysis.statistics.assumed import BURST, PROCESS, RUN, freedom, merged, of_processes, of_runs
from bench.analysis.statistics.pairing import BlockPair, paired_ratio
from bench.analysis.statistics.propagation import exact, product
from bench.analysis.statistics.turns import bursts, ratio_of_products
from bench.analysis.statistics.verdict import verdict
from bench.record.schema import Record
from tests import factories as make

T2 = 4.3027  # Student's t, 97.5 %, 2 degrees of freedom


def reach(found: Estimate) -> float:
    assert found.low is not None and found.high is not None
    return math.log(found.high / found.value)


def timed(scheme: str, level: float, repeats: int = 1, calls: int = 2) -> list[Record]:
    """Processes of a scheme that takes ``level`` seconds per token in every call."""
    steps = [level] * 8 * calls
    metrics = {"inter_token_latency": steps, "decode_steps": [8] * calls, "time_to_first_token": [level] * calls}
    return [make.record("generation", make.case(scheme), metrics, repeat=repeat) for repeat in range(repeats)]


def row(records: list[Record], scheme: str = "nf4") -> generation.GenerationRow:
    (group,) = generation.summarise(records)
    return next(row for row in group.rows if row.scheme == scheme)


@pytest.mark.parametrize(
    ("times", "told"), [(3.23, "SLOWER"), (1.22, "AMBIGUOUS"), (1.0, "AMBIGUOUS"), (1 / 3.23, "FASTER")]
)
def test_one_process_each_tells_what_no_spread_that_was_seen_could_make(times: float, told: str) -> None:
    """The H100's int8 and nf4 beside fp16, one process each: what processes differ by there is assumed."""
    found = row([*timed("fp16", 0.016), *timed("nf4", 0.016 * times)])
    assert found.verdict == told
    assert found.time_ratio is not None and found.time_ratio.assumed == "between processes"
    assert found.time_per_token is not None and found.time_per_token.assumed == "between processes"
    assert reach(found.time_ratio) == pytest.approx(T2 * math.sqrt(2) * PROCESS, rel=1e-3)


def test_one_call_of_one_process_is_enough_where_the_spread_is_assumed() -> None:
    found = ratio([[3.2]], [[1.0]])
    assert (found.basis, found.assumed) == ("one value", "between processes") and verdict(found) == "SLOWER"


@pytest.mark.parametrize(("repeats", "assumed"), [(1, True), (2, True), (3, False), (5, False)])
def test_three_processes_speak_for_themselves(repeats: int, assumed: bool) -> None:
    found = row([*timed("fp16", 0.010, repeats), *timed("nf4", 0.0101, repeats)])
    assert found.time_ratio is not None and bool(found.time_ratio.assumed) == assumed
    assert found.verdict == ("AMBIGUOUS" if assumed else "SAME")


def test_two_processes_in_two_modes_do_not_tell() -> None:
    """Each arm's two processes agree, as they do in one of eight draws from two modes."""
    for factor in (1.2, 1.5):
        assert verdict(ratio([[factor], [factor * 1.01]], [[1.0], [1.01]])) == "AMBIGUOUS"


def test_what_is_assumed_never_narrows_what_was_seen() -> None:
    rng = np.random.default_rng(4)
    for _ in range(50):
        parts = [[value] for value in np.exp(rng.normal(0, rng.choice([0.01, 0.1, 1.0]), 2))]
        seen, told = estimate(parts, unit="fixed"), estimate(parts)
        assert told.low <= seen.low and told.high >= seen.high  # type: ignore[operator]


def test_a_difference_takes_the_spread_of_each_arms_own_level() -> None:
    found = difference([[30.0]], [[10.0]])
    assert found.high == pytest.approx(20 + T2 * PROCESS * math.hypot(30, 10), rel=1e-3)
    nothing = difference([[3.0]], [[0.0]])  # a line that one arm alone has is there, however uncertain its size
    assert nothing.low is not None and nothing.low > 0 and nothing.assumed


def test_two_runs_differ_by_more_than_their_processes_show() -> None:
    one = timed("fp16", 0.010, 5)
    other = [make.other_run(record) for record in timed("fp16", 0.0125, 5)]
    (row,) = [row for row in compare(one, other).rows if row.quantity.startswith("decode")]
    assert (row.verdict, row.ratio.assumed) == ("AMBIGUOUS", "between runs")
    assert reach(row.ratio) == pytest.approx(T2 * math.sqrt(2) * RUN, rel=1e-3)


def test_one_run_beside_itself_assumes_nothing_about_runs() -> None:
    run = [*timed("fp16", 0.010, 4), *timed("nf4", 0.0125, 4)]
    (row,) = [
        row for row in compare(run, run, scheme_a="fp16", scheme_b="nf4").rows if row.quantity.startswith("decode")
    ]
    assert (row.verdict, row.ratio.assumed, row.ratio.basis) == ("SLOWER", "", "between processes")


def test_three_runs_of_each_show_how_runs_differ() -> None:
    levels = (0.98, 1.0, 1.03)
    one = [make.other_run(r, f"a{n}") for n, level in enumerate(levels) for r in timed("fp16", 0.010 * level, 2)]
    other = [make.other_run(r, f"b{n}") for n, level in enumerate(levels) for r in timed("fp16", 0.0125 * level, 2)]
    (row,) = [row for row in compare(one, other).rows if row.quantity.startswith("decode")]
    assert (row.verdict, row.ratio.assumed, row.ratio.basis) == ("SLOWER", "", "between runs")


def test_arms_that_share_some_runs_are_apart_by_the_others_alone() -> None:
    assert of_runs((0.5, -0.5, 0.0)).variance == pytest.approx(RUN**2 / 2)
    one, other = (["r1", "r1"], ["r1", "r2"])
    found = ratio([[1.0], [1.0]], [[1.0], [1.0]], runs=(one, other))
    assert found.assumed == "between processes and runs"
    same = ratio([[1.0], [1.0]], [[1.0], [1.0]], runs=(other, other))
    assert same.assumed == "between processes"


def products(scheme: str, levels: list[float], **setup: object) -> Record:
    """A layer product: a burst of 20 calls at each of these levels, with 1 % of noise."""
    noise = np.exp(np.random.default_rng(len(scheme)).normal(0, 0.01, (len(levels), 20)))
    times = (np.array(levels)[:, None] * noise).ravel()
    case = make.matmul(scheme).case
    return make.record("matmul", case, {"forward_time": times}, setup={"burst": 20, **setup})


def test_layer_products_that_took_turns_keep_a_sharp_ratio() -> None:
    fp16, nf4 = products("fp16", [1e-3] * 5), products("nf4", [1.05e-3] * 5)
    _, row = matmul.summarise([fp16, nf4])
    assert row.time_ratio is not None
    assert (row.time_ratio.assumed, row.time_ratio.basis, row.verdict) == ("", "in turns", "SLOWER")
    assert row.time.assumed == "between processes"  # its level would be another in another process


def test_bursts_count_not_their_calls() -> None:
    """The machine went through a slow moment: three of five bursts of one arm. By calls it would be sure."""
    fp16, nf4 = products("fp16", [1e-3] * 5), products("nf4", [1e-3, 1.3e-3, 1.3e-3, 1.3e-3, 1e-3])
    found = ratio_of_products([nf4], [fp16])
    assert found is not None and verdict(found) == "AMBIGUOUS"
    assert verdict(ratio([nf4.values("forward_time")], [fp16.values("forward_time")], unit="fixed")) != "AMBIGUOUS"


def test_a_round_that_is_slow_for_both_arms_is_in_neither() -> None:
    slow = [1.0, 1.4, 0.8, 1.2, 1.0]
    found = ratio_of_products(
        [products("nf4", [1.05e-3 * s for s in slow])], [products("fp16", [1e-3 * s for s in slow])]
    )
    assert found is not None and verdict(found) == "SLOWER" and found.value == pytest.approx(1.05, abs=0.01)


def test_only_rounds_that_both_arms_have_are_compared() -> None:
    """One arm was done after three rounds, in which the machine was slow; the other went on when it was fast."""
    fp16, nf4 = products("fp16", [1.5e-3] * 3), products("nf4", [1.5e-3] * 3 + [1e-3] * 9)
    found = ratio_of_products([nf4], [fp16])
    assert found is not None and found.repeats == 3 and verdict(found) != "FASTER"


def test_a_single_burst_assumes_how_bursts_differ() -> None:
    found = ratio_of_products([products("nf4", [1.2e-3])], [products("fp16", [1e-3])])
    assert found is not None and (found.assumed, verdict(found)) == ("between bursts", "AMBIGUOUS")
    assert reach(found) == pytest.approx(T2 * math.sqrt(2) * BURST, rel=0.05)


def test_calls_that_cannot_be_told_apart_by_burst_are_one() -> None:
    assert [len(part) for part in bursts(products("nf4", [1e-3] * 3))] == [20, 20, 20]
    assert [len(part) for part in bursts(products("nf4", [1e-3] * 3, burst=7))] == [60]
    assert [len(part) for part in bursts(products("nf4", [1e-3] * 3, burst=None))] == [60]


def test_products_of_two_runs_are_two_processes() -> None:
    one, other = products("fp16", [1e-3] * 5), make.other_run(products("fp16", [1.3e-3] * 5))
    (row,) = compare([one], [other]).rows
    assert (row.verdict, row.ratio.assumed) == ("AMBIGUOUS", "between processes and runs")


def test_joules_take_the_same_model() -> None:
    windows = {"energy_gpu": [10.0, 10.1], "window_tokens": [10, 10], "window_time": [1.0, 1.0]}
    dear = {**windows, "energy_gpu": [12.0, 12.1]}
    records = [make.record("energy", make.case(s), m) for s, m in (("fp16", windows), ("nf4", dear))]
    (group,) = energy.summarise(records)
    row = next(row for row in group.rows if row.scheme == "nf4" and row.gross)
    assert row.energy_ratio is not None and (row.verdict, row.energy_ratio.assumed) == (
        "AMBIGUOUS", "between processes"
    )  # fmt: skip


def test_a_figure_made_of_others_tells_all_that_they_assume() -> None:
    one = estimate([[1.0]])
    assert product([(one, 1.0), (exact(2.0), 1.0)]).assumed == "between processes"
    assert product([(exact(2.0), 1.0), (one, 0.0)]).assumed == ""
    assert merged(["", "between bursts", "between processes and bursts"]) == "between bursts and processes"
    assert merged([]) == ""
    assert one.inverse().assumed == "between processes"


def test_what_no_process_changes_assumes_nothing() -> None:
    assert estimate([[1.0, 1.1]], unit="fixed").assumed == ""
    assert paired_ratio([BlockPair(2.0, 1.0, n) for n in "abc"]).assumed == ""
    assert of_processes(3).variance == 0.0 == of_runs(()).variance


def test_degrees_of_freedom_are_the_least_where_nothing_varies() -> None:
    assert freedom([(0.0, 3.0), (0.0, 5.0)]) == 3.0
    assert freedom([(1.0, 3.0), (1.0, 3.0)]) == pytest.approx(6.0)

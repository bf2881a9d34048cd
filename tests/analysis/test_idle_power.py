"""What a machine with nothing to do draws while the work runs: its error is seen or assumed, and told."""

from __future__ import annotations

import math
import statistics

import pytest

from bench.analysis.energy import summarise
from bench.analysis.energy.idle_power import CURVE, DRIFT, Idle, half_width, idle_of, trend, trends
from bench.analysis.energy.sources import SOURCES
from bench.record.schema import Record
from tests import factories as make
from tests.test_h100_run import FOLDER, load

GPU = SOURCES[0]


def window(
    powers: tuple[float, ...] = (), begins: tuple[float, ...] = (), work: float = 300.0, **more: object
) -> Record:
    """Three work windows of 2 s from 0 s on, and idle windows of 2 s."""
    metrics: dict[str, object] = {
        "window_time": [2.0] * 3, "window_tokens": [100] * 3, "energy_gpu": [2 * work] * 3,
    }  # fmt: skip
    if powers:
        metrics |= {"idle_time": [2.0] * len(powers), "idle_energy_gpu": [2 * watts for watts in powers]}
    if begins:
        metrics["idle_begin"] = begins
    return make.record("energy", make.case(device="cuda"), metrics | more)


def idle(*args: object, **more: object) -> Idle:
    found = idle_of(window(*args, **more), GPU)  # type: ignore[arg-type]
    assert found is not None
    return found


def test_a_straight_drift_is_taken_off_each_window() -> None:
    """Idle falls by 1 W/s throughout: 105 W in the middle of the first window, 101 in the last's."""
    found = idle((110.0, 108.0, 98.0, 96.0), (-5.0, -3.0, 7.0, 9.0))
    assert found.powers == pytest.approx((105.0, 103.0, 101.0)) and found.assumed == 0.0
    (row,) = (row for row in summarise([window((110.0, 98.0), (-5.0, 7.0))])[0].rows if row.nets)
    assert row.net is not None and row.net.value == pytest.approx((300 - 103) / 50)


def test_a_decay_is_followed_where_two_windows_a_side_show_it() -> None:
    falling = [122 + 6 * math.exp(-(6 + at) / 20) for at in (-5, -3, -1, 7, 9, 11)]
    found = idle(tuple(falling), (-6.0, -4.0, -2.0, 6.0, 8.0, 10.0))
    truth = statistics.mean(122 + 6 * math.exp(-(6 + at) / 20) for at in (1, 3, 5))
    assert found.power == pytest.approx(truth, abs=0.03) and found.assumed == 0.0


def warmed(constant: float, step: float = 0.001) -> tuple[tuple[float, ...], float]:
    """Idle power, 6 W more in the end where work goes on, of a board with one time constant: its means over the idle
    windows around 6 s of work, and the mean over the work."""
    spans = ((-4.0, -2.0), (-2.0, 0.0), (6.0, 8.0), (8.0, 10.0), (0.0, 6.0))
    held: list[list[float]] = [[] for _ in spans]
    more = 0.0
    for place in range(round(14.0 / step)):
        at = -4.0 + (place + 0.5) * step
        next(part for part, (begin, end) in zip(held, spans, strict=True) if begin <= at < end).append(122.0 + more)
        more += ((6.0 if 0 <= at < 6 else 0.0) - more) * step / constant
    *idle, work = (statistics.fmean(part) for part in held)
    return tuple(idle), work


@pytest.mark.parametrize("constant", [40.0, 20.0, 10.0, 5.0])
def test_work_that_warms_the_board_bends_the_line_and_the_rest_is_assumed(constant: float) -> None:
    powers, truth = warmed(constant)
    found = idle(powers, (-4.0, -2.0, 6.0, 8.0))
    straight = statistics.mean(powers)
    assert abs(found.power - truth) < 0.5 * abs(straight - truth)
    assert abs(found.power - truth) < half_width(0.0, found.assumed)


def test_a_bend_that_is_noise_averages_out_over_processes() -> None:
    """What is assumed has the bend's sign, so that the mean over processes assumes what is left of it."""
    up, down = (idle((128.0 + d, 128.0 - d, 124.0, 124.0), (-4.0, -2.0, 6.0, 8.0)) for d in (0.1, -0.1))
    assert up.assumed == pytest.approx(-down.assumed) and abs(up.assumed) > 0.01


def test_with_one_window_a_side_the_bend_is_assumed() -> None:
    found = idle((128.0, 124.0), (-2.0, 6.0))
    assert found.power == pytest.approx(126.0) and found.assumed == pytest.approx(CURVE * -4.0)


def test_a_change_within_the_noise_assumes_nothing() -> None:
    assert idle((120.0, 120.2, 120.1, 120.3), (-4.0, -2.0, 6.0, 8.0)).assumed == 0.0


def test_records_of_before_know_idle_on_one_side_only() -> None:
    assert idle((120.0,)).assumed == pytest.approx(DRIFT * 120.0)
    assert idle((150.0, 140.0, 130.0)).assumed == pytest.approx(20.0)  # it was falling already
    assert idle_of(window(), GPU) is None


def test_idle_that_would_lie_within_the_work_has_times_of_another_clock() -> None:
    """Read as after the work, it was no drift: net was 11 % too low, and its interval held the truth in no case."""
    work = {"work_begin": [0.0, 2.0, 4.0], "work_end": [2.0, 4.0, 6.0]}
    found = idle((122.0, 121.0, 120.5), (0.0, 2.0, 4.0), **work)
    assert found.after is None and found.assumed == pytest.approx(DRIFT * found.power, rel=0.01)
    assert idle((122.0, 116.0), (-2.0, 6.0), **work).after == pytest.approx(116.0)


def test_a_trend_is_a_finding() -> None:
    fell = trend(window((110.0, 108.0, 98.0, 96.0), (-5.0, -3.0, 7.0, 9.0)), GPU)
    assert fell and fell.code == "idle-drift" and fell.severity == "info" and "109.0 W, then 97.0 W" in fell.evidence
    before = trend(window((153.0, 143.0, 135.0)), GPU)
    assert before and before.severity == "warning" and "before the work" in before.message
    assert trend(window((120.0, 120.5), (-2.0, 6.0)), GPU) is None and trend(window((120.0,)), GPU) is None


def test_the_error_of_idle_is_in_the_interval_of_net_and_called_assumed() -> None:
    def net(*args: object) -> tuple[float, str]:
        record = window(*args, work=135.0)  # type: ignore[arg-type]
        row = next(row for row in summarise([record])[0].rows if row.gross)
        assert row.net and row.net.low is not None and row.net.high is not None
        return row.net.high - row.net.low, row.net.assumed

    both, told = net((122.0, 122.0, 122.0, 122.0), (-4.0, -2.0, 6.0, 8.0))
    alone, said = net((122.0, 122.0))
    assert told == "between processes" and said == "between processes and idle and work"
    assert alone > 1.5 * both


def test_drift_is_no_less_than_what_the_committed_gpu_run_shows() -> None:
    records = [record for record in load(FOLDER).records if record.instrument == "energy"]
    watts = [record.values("idle_energy_gpu")[0] / record.values("idle_time")[0] for record in records]
    assert 0.5 * DRIFT < statistics.stdev(watts) / statistics.mean(watts) < DRIFT


def test_a_trend_in_many_records_is_told_once() -> None:
    records = [window((150.0, 140.0, 130.0)), window((150.0, 140.0, 120.0)), window((120.0,))]
    (told,) = trends(records)
    assert told.evidence == "150.0 W, then 120.0 W (of 2 records the most)"

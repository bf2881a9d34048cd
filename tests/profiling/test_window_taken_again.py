"""A window that the observer slowed down more than the other arms' is taken once more, and the better one is kept."""

import pytest

from bench.record.errors import MeasurementError
from profiling import inrun
from profiling.capture.job import Observation
from tests import factories as make

NAMES = ("aten::add", "aten::mul", "aten::cat", "aten::linear", "aten::layer_norm")
OPTIONS = {"timeline_steps": 4, "timeline_keep": True, "repeat": 0}


class Session:
    case = make.case("fp16")


def setup(factor):
    return {
        "operators": {name: [40, round(40 * 5000 * factor)] for name in NAMES},
        "ledger": {"observer_scale": 2.0},
        "observed": {"first_step": 3, "steps": 4},
    }


@pytest.fixture
def windows(monkeypatch):
    """The speeds of the windows to come; what was asked for is gone from it."""
    coming = []

    def take(_session, folder, _options):
        factor = coming.pop(0)
        if factor is None:
            raise MeasurementError("the trace is not whole")
        (folder / inrun.TRACE).write_text(str(factor))
        (folder / inrun.SUMMARY).write_text(str(factor))
        return Observation(setup(factor), (), ((folder / inrun.TRACE, "trace"), (folder / inrun.SUMMARY, "sums")))

    monkeypatch.setattr(inrun, "_window", take)
    return coming


def others(*factors):
    return [{"case": make.case("nf4").coordinates(), "setup": setup(factor)} for factor in factors]


def best(tmp_path, known):
    found = inrun._best(Session(), tmp_path, {**OPTIONS, "windows": known})
    assert not (tmp_path / "again").exists()
    return float((tmp_path / inrun.TRACE).read_text()), found


def test_a_window_like_the_others_is_taken_once(tmp_path, windows):
    windows[:] = [1.1]
    kept, found = best(tmp_path, others(1.0, 1.05))
    assert kept == 1.1
    assert "windows" not in found.setup["observed"]


@pytest.mark.parametrize(("first", "second", "kept"), [(1.7, 1.0, 1.0), (1.7, 2.0, 1.7)])
def test_a_slow_one_is_taken_again_and_the_better_one_kept(tmp_path, windows, first, second, kept):
    windows[:] = [first, second]
    file, found = best(tmp_path, others(1.0, 1.05))
    assert file == kept
    assert found.setup["observed"]["windows"] == 2
    assert found.setup["operators"]["aten::add"] == [40, round(40 * 5000 * kept)]
    assert all(path.parent == tmp_path for path, _ in found.files)


@pytest.mark.parametrize(("first", "second", "kept"), [(1.7, 1.0, 1.0), (1.0, 1.7, 1.0)])
def test_the_first_arm_is_compared_with_itself(tmp_path, windows, first, second, kept):
    windows[:] = [first, second]
    file, found = best(tmp_path, [])
    assert file == kept
    assert found.setup["observed"]["windows"] == 2


def test_windows_of_another_setting_do_not_count(tmp_path, windows):
    windows[:] = [1.0, 1.1]
    elsewhere = [{"case": make.case("nf4", batch_size=8).coordinates(), "setup": setup(0.1)}]
    assert best(tmp_path, elsewhere)[0] == 1.0


def test_a_second_window_that_fails_leaves_the_first(tmp_path, windows):
    windows[:] = [1.7, None]
    assert best(tmp_path, others(1.0))[0] == 1.7

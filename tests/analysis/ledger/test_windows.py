"""Whether one arm's observed window is like the other arms': what is flagged, and what is not."""

import pytest

from bench.analysis.ledger.windows import Observed, against, of_setup, unlike_windows
from tests import factories as make

NAMES = ("aten::add", "aten::mul", "aten::cat", "aten::linear", "aten::layer_norm", "aten::to")


def window(factor=1.0, scale=2.0, names=NAMES, scheme="fp16"):
    return Observed(scheme, scale, dict.fromkeys(names, (40, 40 * 5000 * factor)))


OTHERS = [window(1.0), window(1.05), window(0.97)]


def test_a_window_like_the_others_is_not_flagged():
    found = against(window(1.1, 2.5), OTHERS)
    assert (found.slower, found.unlike) == (False, False)
    assert found.scale == pytest.approx(1.25)
    assert found.operator == pytest.approx(1.1, rel=0.06)


@pytest.mark.parametrize(("factor", "scale"), [(1.6, 2.0), (1.0, 3.5), (1.6, 6.0)])
def test_a_slower_window_is(factor, scale):
    assert against(window(factor, scale), OTHERS).slower


@pytest.mark.parametrize(("factor", "scale"), [(0.6, 2.0), (1.0, 1.0)])
def test_a_quicker_one_is_unlike_and_needs_no_second_window(factor, scale):
    found = against(window(factor, scale), OTHERS)
    assert (found.slower, found.unlike) == (False, True)


def test_operators_that_only_one_arm_calls_say_nothing():
    other = window(names=("bitsandbytes::gemm_4bit", *NAMES), factor=1.0)
    heavy = Observed("nf4", 2.0, {**other.operators, "bitsandbytes::gemm_4bit": (40, 40 * 900_000)})
    assert against(heavy, OTHERS).operator == pytest.approx(1.0, rel=0.06)


def test_too_few_shared_operators_tell_nothing():
    assert against(window(names=NAMES[:3]), OTHERS).operator is None
    assert against(window(scale=None, names=()), OTHERS).slower is False


def records(**factors):
    found = []
    for scheme, factor in factors.items():
        record = make.kineto(scheme)
        told = {name: [40, round(40 * 5000 * factor)] for name in NAMES}
        found.append(make.record("kineto", record.case, {"observed_step_time": [0.01]}, setup={
            "operators": told, "observed": {"windows": 2}, "ledger": {"observer_scale": 2.0 * factor}}))  # fmt: skip
    return found


def test_the_finding_says_by_how_much_and_how_often_the_window_was_taken():
    (finding,) = unlike_windows(records(fp16=1.7, int8=1.0, nf4=1.05))
    assert finding.code == "observer-unlike"
    assert finding.message.startswith("fp16: its observed steps ran slower")
    assert "taken 2 times" in finding.evidence
    assert "×1.6" in finding.evidence


def test_records_of_earlier_versions_say_nothing():
    assert unlike_windows(make.run()) == ()
    assert of_setup("fp16", {}) == Observed("fp16", None, {})

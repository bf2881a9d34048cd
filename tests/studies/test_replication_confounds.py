"""What part of the study's gap each confound carries, on records whose answers are known."""

from dataclasses import replace

import pytest

from bench.studies.starcoder2.replication.confounds import Confound
from bench.studies.starcoder2.replication.whole import Study, compare
from tests import study_records as records

PUBLISHED = records.published()


@pytest.fixture(scope="module")
def study() -> Study:
    return compare(PUBLISHED, [records.run()])


def named(found: Study, name: str) -> list[Confound]:
    return [item for item in found.confounds if item.name == name]


def test_the_factor_of_a_confound_is_the_rest_of_the_ratio(study: Study):
    for item in (one for one in study.confounds if one.effect):
        assert item.as_run and item.corrected and item.effect
        assert item.as_run.value == pytest.approx(item.corrected.value * item.effect.value, rel=1e-3)


def test_an_fp32_original_hides_part_of_the_gap(study: Study):
    for item in named(study, "original in fp32"):
        assert item.effect and item.effect.value == pytest.approx(2.8 / 3.2, rel=0.01)
        assert item.share is not None and item.share < 0


def test_library_defaults_explain_a_part_of_the_gap(study: Study):
    (item,) = named(study, "fp4 or the library's default for 4-bit")
    assert item.effect and item.effect.value == pytest.approx(6.0 / 5.6, rel=0.01)
    assert item.share == pytest.approx(0.0905, abs=0.02)


def test_a_first_call_weighs_one_in_all_tasks(study: Study):
    items = named(study, "no warm-up")
    assert [item.what.split(":")[0] for item in items] == ["nf4", "int8"]
    # Both sides' first calls take as many times longer.
    assert all(item.effect and item.effect.value == pytest.approx(1.0, abs=1e-3) for item in items)


def test_a_slow_first_call_without_warm_up_is_found_in_the_calls():
    cold = {"warmup_calls": 0}
    run = [records.calls(name, 1.0, options=cold) for name in ("fp16", "nf4")]
    slow = replace(run[1], metrics=tuple(
        replace(m, values=(m.values[0] * 165, *m.values[1:])) if m.name == "generate_time" else m
        for m in run[1].metrics))  # fmt: skip
    items = named(compare(PUBLISHED, [[run[0], slow]]), "no warm-up")
    assert items[0].effect and items[0].effect.value == pytest.approx(2.0, rel=0.01)


def test_a_shorter_warm_up_call_is_no_first_call():
    run = [records.calls(name, 1.0, options={"warmup_tokens": 16}) for name in ("fp16", "nf4")]
    (item,) = named(compare(PUBLISHED, [run]), "no warm-up")
    assert item.setting is None and "first call" in item.missing


def test_early_stop_is_the_time_of_a_call_against_that_of_a_token():
    run = [records.calls("fp16", 2.0, r, stop="eos", tokens=[100] * 4) for r in range(3)]
    run += [records.calls("nf4", 2.0, r, stop="eos", tokens=[50] * 4) for r in range(3)]
    (item,) = named(compare(PUBLISHED, [run]), "early stop")
    assert item.effect and item.effect.value == pytest.approx(0.5, rel=0.01)
    assert item.share is None, "as run there is no gap for sure"


def test_early_stop_is_held_against_a_forced_length_where_that_was_measured():
    times = {("fp16", "eos"): 2.0, ("nf4", "eos"): 3.0, ("fp16", "length"): 2.0, ("nf4", "length"): 4.0}
    run = [records.calls(name, t, r, stop=stop) for r in range(3) for (name, stop), t in times.items()]
    (item,) = named(compare(PUBLISHED, [run]), "early stop")
    assert "forced number" in item.what and item.effect and item.effect.value == pytest.approx(0.75, rel=0.01)
    assert item.effect.low and item.effect.high and item.effect.low < 0.75 < item.effect.high


def test_codecarbons_sampling_is_held_against_the_counter(study: Study):
    items = named(study, "CodeCarbon's sampling")
    assert len(items) == 2
    assert all(item.effect and item.effect.value == pytest.approx(1.1, rel=0.01) for item in items)


def test_what_was_not_measured_says_why():
    found = compare(PUBLISHED, [[records.calls("fp16", 1.0, options={"warmup_tokens": 16})]]).confounds
    assert len(found) == 5 and all(item.missing and item.effect is None for item in found)

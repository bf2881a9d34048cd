"""The study beside records whose answers are known."""

import json
from dataclasses import replace

import pytest

from bench.analysis.statistics import Estimate
from bench.record.errors import RecordError
from bench.record.schema import Record
from bench.studies.starcoder2.published import EIGHT_BIT, FOUR_BIT, from_json
from bench.studies.starcoder2.replication import settings as s
from bench.studies.starcoder2.replication.claims import Claim, _together
from bench.studies.starcoder2.replication.claims import Test as Answer
from bench.studies.starcoder2.replication.quality import change, score
from bench.studies.starcoder2.replication.whole import Study, compare
from tests import factories as make
from tests import study_records as records

PUBLISHED = records.published()
# Every (model, new tokens) of the study.
SETTINGS = [(f"bigcode/starcoder2-{size}", tokens) for size in ("3b", "7b") for tokens in (128, 256)]


@pytest.fixture(scope="module")
def study() -> Study:
    return compare(PUBLISHED, [records.run()])


def of(found: Study) -> dict[str, Claim]:
    return {claim.statement.id: claim for claim in found.claims}


def outcomes(*items: Record) -> dict[str, str]:
    return {name: claim.outcome for name, claim in of(compare(PUBLISHED, [items])).items()}


# what was published


@pytest.mark.parametrize(
    ("model", "tokens", "arm", "time", "rate", "base", "plus"),
    [
        ("StarCoder2-3B", 128, "original", 458.3, 45.8, 0.085, 0.079),
        ("StarCoder2-3B", 256, "8-bit", 6766.2, 6.2, 0.110, 0.091),
        ("StarCoder2-7B", 128, "4-bit", 954.4, 22.0, 0.030, 0.024),
        ("StarCoder2-7B", 256, "8-bit", 4696.0, 8.9, 0.073, 0.061),
    ],
)
def test_published_rows_are_those_of_the_tables(model, tokens, arm, time, rate, base, plus):
    row = PUBLISHED.row(model, tokens, arm)
    assert (row.time, row.rate) == (time, rate)
    assert (row.passed_base, row.passed_plus) == pytest.approx((base, plus))


def test_published_rates_follow_from_the_published_times():
    for row in PUBLISHED.rows:
        assert PUBLISHED.tasks * row.tokens / row.time == pytest.approx(row.rate, abs=0.06)


def test_nothing_is_read_off_a_picture():
    assert [figure.figure for figure in PUBLISHED.figures] == [3, 4, 5, 6, 7, 8]
    document = json.loads(records.FILE.read_text())
    assert all(figure["values"] is None and figure["why_no_values"] for figure in document["figures"])


def test_the_largest_change_of_pass_at_1_is_the_one_in_the_claim():
    assert PUBLISHED.largest_change == pytest.approx(0.024)
    assert "2.4 points" in next(claim.text for claim in PUBLISHED.claims if claim.id == "4bit-pass")


def test_a_file_of_another_form_is_refused():
    with pytest.raises(KeyError):
        from_json({})


# rows


def test_every_published_row_has_its_measured_counterpart_or_a_reason(study: Study):
    for rows in (study.times, study.energies):
        assert {(r.published.model, r.published.tokens, r.published.arm) for r in rows} == {
            (row.model, row.tokens, row.arm) for row in PUBLISHED.rows
        }
        assert all((row.measured is None) == bool(row.missing) for row in rows)


def test_ratios_are_to_the_original_on_both_sides(study: Study):
    row = next(r for r in study.times if r.published.arm == FOUR_BIT and r.measured)
    assert row.ratio == pytest.approx(908.3 / 458.3)
    assert row.measured and row.measured.ratio
    assert row.measured.scheme == "nf4"
    assert row.measured.ratio.value == pytest.approx(2.0, rel=0.01)
    assert row.measured.ratio.low < row.measured.ratio.value < row.measured.ratio.high  # type: ignore[operator]


def test_as_the_study_ran_it_fp32_is_the_original_and_the_default_is_4_bit():
    run = [records.calls(name, records.TIMES[name]) for name in ("fp32", "4bit-default", "int8")]
    rows = [row.measured for row in compare(PUBLISHED, [run]).times if row.measured]
    assert [(m.scheme, m.reference) for m in rows] == [("fp32", "fp32"), ("4bit-default", "fp32"), ("int8", "fp32")]


def test_another_model_stands_beside_the_first_of_the_study_and_says_so():
    (setting,) = s.settings([make.generation("fp16", new_tokens=32)])
    assert s.stands_for(PUBLISHED, setting) == ("StarCoder2-3B", 128)
    told = " / ".join(s.differences(PUBLISHED, setting))
    for part in ("another model: smoke", "on a CPU", "32 new tokens, not 128", "by heart", "original is fp16"):
        assert part in told


@pytest.mark.parametrize(("tokens", "beside"), [(16, 128), (128, 128), (180, 128), (182, 256), (512, 256)])
def test_the_nearest_number_of_tokens_is_stood_beside(tokens, beside):
    (setting,) = s.settings([records.calls("fp16", 1.0, new_tokens=tokens)])
    assert s.stands_for(PUBLISHED, setting)[1] == beside


def test_runs_are_pooled_on_equal_machines_alone():
    one = [records.calls("fp16", 2.8), records.calls("nf4", 5.6)]
    other = [replace(item, run_id="other", repeat=1) for item in one]
    assert len(s.settings([*one, *other])) == 1
    slower = [replace(item, environment=make.GPU) for item in other]
    assert len(s.settings([*one, *slower])) == 2


def test_programs_judged_elsewhere_stand_with_the_machine_that_wrote_them():
    written, judged = records.judged("fp16", range(3))
    assert len(s.settings([written, replace(judged, environment=make.CPU)])) == 1


def test_batches_interventions_and_failures_are_left_out():
    failed = make.record("generation", records.case("fp16"), status="failed", reason="out of memory")
    with pytest.raises(RecordError, match="nothing stands beside the study"):
        compare(PUBLISHED, [[make.generation("fp16", batch_size=8), make.intervention("fp16"), failed]])


def test_the_gpus_own_counter_goes_before_codecarbon(study: Study):
    sources = {row.measured.source for row in study.energies if row.measured and row.measured.ratio}
    assert sources == {"GPU (NVML counter)"}


def test_decode_steps_stand_for_calls_that_were_not_timed():
    run = [make.without(records.calls(name, t, r), "generate_time", "tokens_generated")
           for name, t in (("fp16", 2.8), ("nf4", 5.6)) for r in range(3)]  # fmt: skip
    (row,) = [r for r in compare(PUBLISHED, [run]).times if r.measured and r.measured.ratio]
    assert row.measured and row.measured.ratio and row.measured.ratio.value == pytest.approx(2.0, rel=0.01)
    assert row.measured.value.value == pytest.approx(5.6 / 128, rel=0.01)
    assert "decode steps alone" in " ".join(s.differences(PUBLISHED, row.measured.setting))


# pass@1


def test_score_is_the_share_of_tasks_and_the_change_is_task_by_task():
    own, base = records.judged("nf4", range(1, 10))[1:], records.judged("fp16", range(10))[1:]
    found = score(own, "passed_plus")
    assert found and found.share == pytest.approx(9 / 164) and found.low < found.share < found.high
    apart = change(own, base, "passed_plus")
    assert apart and apart.value == pytest.approx(-1 / 164) and apart.tasks == 164
    assert apart.low < apart.value < apart.high


def test_no_change_in_few_tasks_is_not_certainty():
    few = [records.judged(name, range(2), tasks=20)[1:] for name in ("nf4", "fp16")]
    many = [records.judged(name, range(2), tasks=164)[1:] for name in ("nf4", "fp16")]
    wide, narrow = change(*few, "passed_plus"), change(*many, "passed_plus")
    assert wide and narrow and wide.value == narrow.value == 0
    assert wide.high > PUBLISHED.largest_change > narrow.high


def test_joules_per_passed_task(study: Study):
    row = next(r for r in study.scores if r.scheme == "fp16")
    assert row.joules_per_pass and row.joules_per_pass.value == pytest.approx(3.0 * 164 * 50 / 13, rel=0.01)
    quantised = next(r for r in study.scores if r.scheme == "nf4")
    assert quantised.joules_per_pass, "joules of the same arm with a forced length stand in"
    none = compare(PUBLISHED, [[*records.judged("fp16", ()), records.joules("fp16", 3.0, stop="eos")]])
    assert next(r for r in none.scores if r.setting).cost_note == "no task passed"


# claims


def test_a_run_like_the_study_reproduces_it(study: Study):
    found = {name: claim.outcome for name, claim in of(study).items()}
    shown = ("4bit-slower", "8bit-slower", "8bit-slower-than-4bit", "4bit-more-energy", "8bit-more-energy",
             "4bit-energy-size", "8bit-energy-size", "energy-less-than-time", "4bit-pass", "8bit-pass",
             "pruned-to-zero", "pruned-energy")  # fmt: skip
    assert {name: found[name] for name in shown} == dict.fromkeys(shown, "reproduced")
    assert found["pruned-phi2"] == "not settled by these runs"
    assert all(claim.evidence for claim in study.claims)


def test_a_faster_4_bit_is_not_reproduced():
    run = [records.calls(name, t, r) for name, t in (("fp16", 2.8), ("nf4", 2.0)) for r in range(3)]
    found = outcomes(*run)
    assert found["4bit-slower"] == "not reproduced"
    assert found["8bit-slower"] == "not settled by these runs"


def test_a_claim_of_every_model_is_not_settled_by_some():
    """More joules with 3B and 128 tokens, and nothing of the others."""
    found = of(compare(PUBLISHED, [records.run()]))["energy-always"]
    assert found.outcome == "not settled by these runs"
    assert "int8 needs ×" in found.evidence and "not measured" in found.evidence and "7B" in found.evidence


def test_a_claim_of_every_model_is_not_settled_where_one_cannot_be_told():
    items = [item for model, tokens in SETTINGS for item in records.run(model=model, new_tokens=tokens)]
    assert outcomes(*items)["energy-always"] == "reproduced"
    model, tokens = SETTINGS[0]
    here = ("energy", "nf4", model, tokens)
    others = [i for i in items if (i.instrument, i.case.scheme, i.case.model, i.case.new_tokens) != here]
    wide = [records.joules("nf4", j, r, model=model, new_tokens=tokens) for r, j in enumerate((6.0, 2.0, 14.0))]
    assert outcomes(*others, *wide)["energy-always"] == "not settled by these runs"


def test_an_interval_with_one_in_it_cannot_tell():
    run = [records.calls("fp16", t, r) for r, t in enumerate((2.6, 3.0))]
    run += [records.calls("nf4", t, r) for r, t in enumerate((2.7, 3.0))]
    claim = of(compare(PUBLISHED, [run]))["4bit-slower"]
    assert claim.outcome == "not settled by these runs" and claim.evidence.startswith("cannot tell: nf4 takes ×1.0")


def test_a_cpu_tests_no_claim_about_time_or_energy():
    run = [records.calls(name, t, r, device="cpu") for name, t in records.TIMES.items() for r in range(3)]
    claim = of(compare(PUBLISHED, [run]))["4bit-slower"]
    assert claim.outcome == "not settled by these runs" and "a CPU does not test it: nf4 takes ×2.0" in claim.evidence


def test_estimated_joules_test_no_claim():
    run = [make.without(records.carbon(n, j, r), "codecarbon_energy_gpu") for n, j in records.JOULES.items()
           for r in range(3)]  # fmt: skip
    claim = of(compare(PUBLISHED, [run]))["4bit-more-energy"]
    assert claim.outcome == "not settled by these runs" and "only estimated" in claim.evidence


@pytest.mark.parametrize(("model", "why"), [("smoke", "by heart"), ("shape:starcoder2-3b", "random weights")])
def test_a_model_that_writes_no_programs_tests_no_score(model, why):
    run = [*records.judged("fp16", range(9), model=model), *records.judged("nf4", range(9), model=model)]
    claim = of(compare(PUBLISHED, [run]))["4bit-pass"]
    assert claim.outcome == "not settled by these runs" and why in claim.evidence


def test_an_original_that_passes_nothing_tests_no_change():
    claim = of(compare(PUBLISHED, [[*records.judged("fp16", ()), *records.judged("nf4", ())]]))["4bit-pass"]
    assert claim.outcome == "not settled by these runs" and "the original passes no task" in claim.evidence


def test_a_large_loss_is_not_reproduced():
    found = outcomes(*records.judged("fp16", range(80)), *records.judged("int8", range(20)))
    assert found["8bit-pass"] == "not reproduced"


def test_programs_that_still_pass_without_three_layers_are_told():
    run = [*records.judged("fp16", range(9)), *records.judged("fp16", range(4), dropped_layers="27-29")]
    assert outcomes(*run)["pruned-to-zero"] == "not reproduced"


def test_the_guesses_are_those_of_the_hypotheses():
    kinds = {"fp16": 1e-5, "int8": 3e-5}
    layers = [make.matmul(name, device="cuda") for name in kinds]
    layers += [replace(item, case=replace(item.case, op="gemm")) for item in layers if item.case.scheme == "int8"]
    claim = of(compare(PUBLISHED, [[*records.run(1), *layers]]))["guess 3"]
    assert "H7" in claim.evidence and "int8 product ÷ fp16 Linear" in claim.evidence


# pruning


def test_a_pruned_series_begins_with_the_whole_model(study: Study):
    (series,) = study.pruned
    assert [point.removed for point in series.points] == [0, 1, 2, 3]
    assert series.study_name == "StarCoder2-3B"
    last = series.points[-1]
    assert last.plus and last.plus.share == 0 and last.joules_per_pass is None
    assert last.energy_ratio and last.energy_ratio.value == pytest.approx(0.9, rel=0.01)


def test_an_arm_of_the_study_is_never_a_pruned_model(study: Study):
    rows = [row.measured for row in (*study.times, *study.energies) if row.measured]
    assert all(not m.setting.coordinate("dropped_layers") for m in rows)
    assert EIGHT_BIT in {row.published.arm for row in study.times if row.measured}


def test_of_many_settings_one_that_barely_shows_a_claim_does_not_settle_it():
    def at(value, reach):
        return Estimate(value, value / reach, value * reach, 3, 9, "between processes", freedom=4.0)

    barely, nothing = Answer(True, "barely", ratio=at(1.031, 1.03)), Answer(None, "nothing", ratio=at(1.0, 1.03))
    clearly = Answer(True, "clearly", ratio=at(1.5, 1.03))
    assert _together([barely])[0].holds is True
    assert [test.holds for test in _together([barely, *[nothing] * 7])] == [None] * 8
    assert [test.holds for test in _together([clearly, barely])] == [True, True]
    assert _together([Answer(False, "pass@1"), *[nothing] * 7])[0].holds is False  # no ratio of times or joules

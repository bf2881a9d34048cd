"""End-to-end generation on the smoke checkpoint: real generate calls, short."""

from dataclasses import replace

import pytest
import torch

from bench.record.errors import MeasurementError, UsageError
from bench.record.schema import Case
from bench.schemes import arm
from bench.workloads import generation, models
from bench.workloads.annotation import Tools
from bench.workloads.batches import make_batches
from bench.workloads.outcome import Outcome
from bench.workloads.session import Session, meet_all, overhead, produced
from bench.workloads.sources import resolve
from tests.long_tables import some_of

SOURCE = resolve("smoke")
CASE = Case("generation", "smoke", SOURCE.revision, "fp16", "cpu", 0, batch_size=1, prompts="humaneval", new_tokens=5,
            cache="dynamic", stop="length")  # fmt: skip
OPTIONS = {"calls": 2, "warmup_calls": 1, "annotate": False, "annotation_pairs": 2, "energy_windows": 1,
           "energy_seconds": 0.1, "country": "USA"}  # fmt: skip


class CountingAnnotator:
    """Stands where NVTX would; counts what it is told."""

    def __init__(self):
        self.told = []

    def attach(self, model):
        self.told.append("attach")

    def detach(self):
        self.told.append("detach")

    def begin(self):
        self.told.append("begin")

    def step(self, index):
        self.told.append(index)

    def end(self):
        self.told.append("end")


@pytest.fixture(scope="module")
def loaded():
    return models.load(SOURCE, arm("fp16"), "cpu", 0)


def run(case=CASE, instruments=("generation",), annotators=CountingAnnotator, **options):
    tools = Tools(annotators, lambda session, told: Outcome(session.case, "kineto", setup={"told": dict(told)}))
    return list(generation.run(SOURCE, [(case, name) for name in instruments], OPTIONS | options, tools))


def values(outcome):
    return {metric.name: metric.values for metric in outcome.metrics}


def test_the_timed_run_gives_raw_values_that_fit_together():
    (outcome,) = run()
    found = values(outcome)
    assert found["tokens_generated"] == (5.0, 5.0)
    assert found["decode_steps"] == (4.0, 4.0)
    assert len(found["inter_token_latency"]) == 8
    assert len(found["warmup_time"]) == 2  # both prompts' lengths
    for call in range(2):
        steps = sum(found["inter_token_latency"][4 * call : 4 * call + 4])
        assert found["time_to_first_token"][call] + steps <= found["generate_time"][call]
    assert found["model_footprint"][0] == pytest.approx(2.45e6, rel=0.05)
    assert outcome.setup["arm"]["name"] == "fp16"
    assert outcome.setup["model"]["label"] == "memorised"
    assert outcome.setup["annotated"] is False


def test_batches_are_padded_on_the_left_and_every_sequence_counts():
    (outcome,) = run(replace(CASE, batch_size=3))
    assert values(outcome)["tokens_generated"] == (15.0, 15.0)
    assert outcome.setup["prompts"][1] == ["HumanEval/3", "HumanEval/4", "HumanEval/5"]


def test_a_static_cache_gives_the_same_tokens(loaded):
    sequences = []
    for cache in ("dynamic", "static"):
        case = replace(CASE, cache=cache)
        session = Session(case, loaded, make_batches(case, loaded, 1))
        batch = session.batches[0]
        out = loaded.model.generate(**batch.inputs, **session._options(case))
        sequences.append(out.tolist())
    assert sequences[0] == sequences[1]


SCHEMES = ("int8", "int8-thr0", "int8-planted", "nf4", "nf4-dq", "fp4", "bf16", "fp32")


@pytest.mark.parametrize("name", some_of(SCHEMES, ("int8", "nf4")))
def test_every_scheme_of_the_smoke_preset_generates(name):
    (outcome,) = run(replace(CASE, scheme=name), calls=1, warmup_calls=0)
    assert outcome.status == "ok"
    assert "warmup_time" in outcome.not_collected
    assert outcome.setup["arm"]["name"] == name


def test_outlier_columns_are_counted_where_the_scheme_decomposes():
    plain = values(run(replace(CASE, scheme="int8"), calls=1)[0])["outlier_columns"]
    planted = values(run(replace(CASE, scheme="int8-planted"), calls=1)[0])["outlier_columns"]
    assert "outlier_columns" not in values(run(replace(CASE, scheme="int8-thr0"), calls=1)[0])
    assert max(planted) >= 6
    assert sum(planted) > sum(plain)


def test_annotation_cost_is_measured_in_turn():
    told = CountingAnnotator()
    (outcome,) = run(instruments=("annotation",), annotators=lambda: told)
    assert len(values(outcome)["generate_time_plain"]) == len(values(outcome)["generate_time_annotated"]) == 2
    steps = ["begin", 0, 1, 2, 3, 4, "end"]
    assert told.told == (["attach", *steps, "detach"]) * 2


def test_an_annotated_timed_run_says_so():
    (outcome,) = run(annotate=True)
    assert outcome.setup["annotated"] is True
    assert "annotated" in {finding.code for finding in outcome.findings}


def test_without_energy_counters_the_reason_is_recorded(monkeypatch):
    monkeypatch.setattr(
        "bench.workloads.observers.available_counters", lambda gpu, uuid: ([], {"energy_cpu": "no RAPL: do X"})
    )
    (outcome,) = run(instruments=("energy",))
    assert (outcome.status, outcome.reason) == ("skipped", "no RAPL: do X")
    assert outcome.not_collected == {"energy_cpu": "no RAPL: do X"}


def test_energy_windows_count_the_tokens_of_their_work(monkeypatch):
    class Counter:
        name = "cpu"
        joules = 0.0

        def read(self):
            self.joules += 1.0
            return self.joules

    monkeypatch.setattr(
        "bench.workloads.observers.available_counters", lambda gpu, uuid: ([Counter()], {"energy_gpu": "no GPU"})
    )
    (outcome,) = run(instruments=("energy",))
    found = values(outcome)
    assert found["window_tokens"][0] % 5 == 0
    assert found["window_tokens"][0] > 0
    assert found["energy_cpu"][0] > 0
    assert found["idle_energy_cpu"][0] > 0
    assert outcome.not_collected["energy_gpu"] == "no GPU"


def test_early_stop_counts_tokens_up_to_the_end_of_sequence():
    ids = torch.tensor([[5, 6, 0, 0], [5, 6, 7, 8], [0, 0, 0, 0]])
    assert produced(ids, eos=0) == 3 + 4 + 1
    assert produced(ids, eos=[8, 6]) == 2 + 2 + 4


def test_fewer_tokens_than_forced_is_an_error(loaded):
    session = Session(CASE, loaded, make_batches(CASE, loaded, 1))
    batch = session.batches[0]
    short = torch.cat([batch.inputs["input_ids"], torch.ones(1, 2, dtype=torch.long)], dim=1)
    with pytest.raises(MeasurementError, match="5 new tokens were forced but 2 came"):
        session._call(CASE, batch, short, 1.0, [0.0, 0.1, 0.2])


def test_a_prompt_that_does_not_fit_is_refused_before_measuring(loaded):
    with pytest.raises(UsageError, match="use fewer --new-tokens"):
        make_batches(replace(CASE, new_tokens=100_000), loaded, 1)


def test_a_model_that_gives_nan_is_not_measured(loaded):
    broken = models.load(SOURCE, arm("fp32"), "cpu", 0)
    with torch.no_grad():
        broken.model.model.norm.weight.fill_(float("nan"))
    with pytest.raises(MeasurementError, match="not finite"):
        models.check(broken, arm("fp32"), "cpu")


def test_a_scheme_that_left_the_model_unquantised_is_not_measured(loaded):
    with pytest.raises(MeasurementError, match="should have Linear4bit"):
        models.check(loaded, arm("nf4"), "cpu")


def test_footprints_order_as_the_bits_do():
    sizes = {
        name: models.footprint(models.load(SOURCE, arm(name), "cpu", 0).model)
        for name in ("fp32", "fp16", "int8", "nf4")
    }
    assert sizes["fp32"] == pytest.approx(2 * sizes["fp16"], rel=1e-3)
    assert sizes["fp16"] > sizes["int8"] > sizes["nf4"]


def test_the_harness_overhead_is_sampled():
    costs = overhead("cpu", 1, batches=3, steps=10)
    assert len(costs) == 3
    assert min(costs) > 0


def test_the_timeline_pass_gets_the_session_and_its_options():
    (outcome,) = run(instruments=("kineto",), timeline_steps=3)
    assert outcome.instrument == "kineto"
    assert outcome.setup["told"]["timeline_steps"] == 3
    assert outcome.setup["arm"]["name"] == CASE.scheme


# Which call meets which key-value lengths: HumanEval's prompts differ in length.


def test_every_length_is_met_before_it_is_timed():
    (outcome,) = run(calls=4, warmup_calls=1)
    found = values(outcome)
    assert found["decode_steps"] == (4.0,) * 4
    assert found["first_visit_steps"] == (0.0,) * 4
    assert len(set(found["prompt_length"])) > 1
    assert "new-lengths" not in {finding.code for finding in outcome.findings}


def test_the_first_generation_is_reported_beside_the_seen_lengths():
    (outcome,) = run(calls=2)
    found = values(outcome)
    assert found["first_generation_time"] == found["warmup_time"][:1]
    assert len(found["first_visit_latency"]) == len(found["first_visit_length"]) == 4
    decoded = sum(found["first_visit_latency"])
    assert found["first_time_to_first_token"][0] + decoded <= found["first_generation_time"][0]
    first = found["prompt_length"][0]
    assert found["first_visit_length"] == (first + 1, first + 2, first + 3, first + 4)


def test_without_a_warm_up_the_timed_call_is_the_first_generation_and_the_run_says_so():
    (outcome,) = run(calls=1, warmup_calls=0)
    found = values(outcome)
    assert "inter_token_latency" not in found
    assert found["decode_steps"] == (0.0,)
    assert found["first_visit_steps"] == (4.0,)
    assert found["first_generation_time"] == found["generate_time"]
    (finding,) = [finding for finding in outcome.findings if finding.code == "new-lengths"]
    assert finding.evidence == "4 of 4 steps, 1 of 1 prompts"


def test_an_old_plans_shorter_warm_up_is_as_long_as_what_is_timed():
    (outcome,) = run(calls=1, warmup_calls=1, warmup_tokens=2)
    assert values(outcome)["decode_steps"] == (4.0,)


def test_a_longer_case_in_the_same_process_meets_the_rest():
    longer = replace(CASE, new_tokens=9)
    told = OPTIONS | {"calls": 1}
    by_case = {"by_case": {case.case_id: told for case in (CASE, longer)}}
    tools = Tools(CountingAnnotator, lambda session, options: None)
    both = list(generation.run(SOURCE, [(CASE, "generation"), (longer, "generation")], told | by_case, tools))
    found = values(both[1])
    assert len(found["first_visit_latency"]) == 4
    assert found["first_visit_length"][0] == values(both[0])["first_visit_length"][-1] + 1


def test_what_observes_without_a_timed_run_meets_the_lengths_first(loaded):
    session = Session(CASE, loaded, make_batches(CASE, loaded, 3))
    meet_all(session, {"warmup_calls": 0})
    met = session.lengths.first_visits
    assert met >= 4
    meet_all(session, {"warmup_calls": 0})
    for batch in session.batches:
        assert not any(session.generate(batch).visit.new)
    assert session.lengths.first_visits == met


def test_counting_outliers_meets_nothing_before_the_first_generation():
    (outcome,) = run(replace(CASE, scheme="int8"), calls=1)
    assert len(values(outcome)["first_visit_latency"]) == 4

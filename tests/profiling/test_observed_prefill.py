"""The pass over each prompt is observed as a timed call makes it, and nothing of decoding with it."""

from dataclasses import replace

import pytest

from bench.analysis.ledger.stored import with_lines
from bench.schemes import arm
from bench.workloads import models
from bench.workloads.batches import make_batches
from bench.workloads.session import Session
from profiling.inrun import timeline
from tests import factories as make
from tests.profiling.test_first_visits import CASE, SOURCE

OPTIONS = {"timeline_steps": 3, "timeline_keep": False, "repeat": 0, "kineto-prefill": True}


@pytest.fixture(scope="module")
def loaded():
    return models.load(SOURCE, arm("fp16"), "cpu", 0)


def session(loaded, **changed):
    case = replace(CASE, **changed)
    made = Session(case, loaded, make_batches(case, loaded, 2))
    for batch in made.batches:
        made.generate(batch)
    return made


@pytest.mark.parametrize("cache", ["dynamic", "static"])
def test_every_prompt_is_observed_as_often_with_plain_passes_beside(loaded, tmp_path, cache):
    made = session(loaded, cache=cache)
    outcome = timeline(made, OPTIONS, tmp_path)
    assert (outcome.instrument, outcome.status) == ("kineto-prefill", "ok")
    lengths = [batch.prompt_length for batch in made.batches]
    assert outcome.setup["observed"]["lengths"] == lengths * 2
    assert outcome.setup["counted_ranges"]["prefill"] == 4
    assert "decode_step" not in outcome.setup["counted_ranges"]
    assert outcome.setup["counted_ranges"]["attention"] == 4 * 6
    values = {metric.name: metric.values for metric in outcome.metrics}
    assert len(values["observed_step_time"]) == 4
    assert len(values["plain_step_time"]) == 8
    lined = with_lines(make.record(outcome.instrument, outcome.case, setup=outcome.setup))
    assert min(lined.values("observed_gemm_per_step")) > 0
    assert len(lined.values("observed_gemm_per_step")) == 4


def test_a_call_that_ends_with_its_first_token_is_otherwise_that_of_generate(loaded):
    made, seen = session(loaded), []
    hook = loaded.model.get_input_embeddings().register_forward_pre_hook(lambda _, ids: seen.append(ids[0].shape[1]))
    try:
        assert made.prefill(made.batches[0]) > 0
    finally:
        hook.remove()
    assert seen == [made.batches[0].prompt_length]


def test_what_met_lengths_is_not_changed_by_it(loaded):
    made = session(loaded)
    met = made.lengths.longest(1)
    made.prefill(made.batches[0])
    assert made.lengths.longest(1) == met

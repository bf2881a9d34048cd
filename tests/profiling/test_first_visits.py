"""Steps at new key-value lengths are observed past the longest length met, in a record of their own."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bench.analysis.ledger.stored import with_lines
from bench.record.schema import Case
from bench.schemes import arm
from bench.workloads import models
from bench.workloads.batches import Batch, extended, make_batches
from bench.workloads.session import Session
from bench.workloads.sources import resolve
from profiling import window
from profiling.inrun import timeline
from profiling.inside import no_first_visits
from tests import factories as make

SOURCE = resolve("smoke")
CASE = Case("generation", "smoke", SOURCE.revision, "fp16", "cpu", 0, batch_size=1, prompts="humaneval", new_tokens=6,
            cache="dynamic", stop="length")  # fmt: skip
OPTIONS = {"timeline_steps": 3, "timeline_keep": False, "repeat": 0, "kineto-first": True}


@pytest.fixture(scope="module")
def loaded():
    return models.load(SOURCE, arm("fp16"), "cpu", 0)


def session(loaded, case=CASE):
    made = Session(case, loaded, make_batches(case, loaded, 2))
    for batch in made.batches:
        made.generate(batch)
    return made


def test_it_observes_new_lengths_only_and_plain_ones_beside_them(loaded, tmp_path):
    made = session(loaded)
    longest = made.lengths.longest(1)
    outcome = timeline(made, OPTIONS, tmp_path)
    assert (outcome.instrument, outcome.status) == ("kineto-first", "ok")
    observed = outcome.setup["observed"]
    assert observed["first_visits"] == 3
    assert min(observed["lengths"]) > longest
    values = {metric.name: metric.values for metric in outcome.metrics}
    assert len(values["observed_step_time"]) == 3
    assert len(values["plain_step_time"]) >= 4
    classified = with_lines(make.record(outcome.instrument, outcome.case, setup=outcome.setup))
    assert set(classified.setup["ledger"]["attention_call"]) == {"host_gap", "attention"}
    assert outcome.setup["counted_ranges"]["attention"] == 3 * 6
    # Again: further on, at lengths that are new once more.
    assert timeline(made, OPTIONS, tmp_path).setup["observed"]["first_visits"] == 3


@pytest.mark.parametrize(("kept", "name"), [(False, "trace.json"), (True, "trace.json.gz")])
@pytest.mark.parametrize("instrument", ["kineto", "kineto-first", "kineto-prefill"])
def test_a_trace_is_packed_only_where_it_is_kept(loaded, tmp_path, monkeypatch, instrument, kept, name):
    """A run keeps those of its first round."""
    written, write = [], window.KinetoRecorder.write
    monkeypatch.setattr(window.KinetoRecorder, "write", lambda self, path: written.append(path) or write(self, path))
    options = {"timeline_steps": 3, "timeline_keep": kept, "repeat": 0, instrument: True}
    outcome = timeline(session(loaded), options, tmp_path)
    assert (outcome.instrument, outcome.status) == (instrument, "ok")
    assert {Path(path).name for path in written} == {name}
    left = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert left == (["summary.json", name] if kept else [])


def test_the_pass_at_seen_lengths_meets_none(loaded, tmp_path):
    outcome = timeline(session(loaded), {**OPTIONS, "kineto-first": False}, tmp_path)
    assert outcome.setup["observed"]["first_visits"] == 0
    assert outcome.setup["attention_backend"]["decode_step"] == {"flash": 6.0}
    assert outcome.setup["operators"]["aten::linear"][0] > 3 * 6


def test_with_a_static_cache_there_is_nothing_to_observe(loaded, tmp_path):
    outcome = timeline(session(loaded, replace(CASE, cache="static")), OPTIONS, tmp_path)
    assert (outcome.status, outcome.metrics) == ("skipped", ())
    assert "static cache" in outcome.reason


def test_where_the_positions_end_it_says_so(loaded):
    made = session(loaded)
    limit = loaded.model.config.max_position_embeddings
    made.lengths.visit(CASE, limit - 4, 2)
    assert f"of the model's {limit} positions" in no_first_visits(made, 3)


def test_a_prompt_goes_on_with_its_own_last_tokens_and_its_padding_stays_in_front():
    batch = Batch(
        {
            "input_ids": torch.tensor([[0, 5, 6, 7], [1, 2, 3, 4]]),
            "attention_mask": torch.tensor([[0, 1, 1, 1], [1, 1, 1, 1]]),
        },
        ("a", "b"),
    )
    longer = extended(batch, 9)
    assert longer.inputs["input_ids"].tolist() == [[0, 5, 6, 7, 5, 6, 7, 5, 6], [1, 2, 3, 4, 2, 3, 4, 2, 3]]
    assert longer.inputs["attention_mask"].tolist() == [[0, *[1] * 8], [1] * 9]
    assert extended(batch, 4).inputs["input_ids"].tolist() == batch.inputs["input_ids"].tolist()

"""Remedies tried in the arm's own process: each is the arm that it is called, and the model is left as it was."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from bench.analysis.claims import broken
from bench.interventions import graphed, tries
from bench.interventions.table import INTERVENTIONS, changed_arm, changed_case, parse, reversible
from bench.interventions.tries import Switches
from bench.presets import EndToEnd
from bench.record.errors import MeasurementError
from bench.record.instruments import TRY
from bench.run.plan import generation_case
from bench.schemes import ARMS, arm
from bench.workloads import models
from bench.workloads.lengths import Lengths
from bench.workloads.session import Session
from bench.workloads.sources import resolve
from tests import factories as make
from tests.workloads.packed_4bit import way

SOURCE = resolve("smoke")
IDS = torch.arange(1, 25)[None]
OPTIONS = {"calls": 1, "warmup_calls": 1, "threads": 1}


@pytest.fixture(autouse=True)
def unpacked():
    with way("dequantised"):
        yield


def cases(scheme, *names, new_tokens=4):
    base = generation_case(EndToEnd("test", (scheme,), new_tokens=new_tokens), SOURCE, scheme, 1, "dynamic", "cpu", 0)
    return [changed_case(base, name) for name in ("none", *names)]


def load(scheme):
    return models.load(SOURCE, arm(scheme), "cpu", 0)


def logits(model):
    with torch.inference_mode():
        return model(input_ids=IDS).logits


def run(scheme, *names, loaded=None):
    loaded = loaded or load(scheme)
    switches = Switches(loaded.model)
    found = tries.run(loaded, switches, arm(scheme), cases(scheme, *names), OPTIONS, Lengths())
    return {outcome.case.intervention: outcome for outcome in found}


SWITCHED = [
    (scheme, name)
    for scheme in ARMS
    for name, item in INTERVENTIONS.items()
    if item.arm and reversible(item) and item.fits(arm(scheme), "cpu") and not arm(scheme).planted_columns
]


@pytest.mark.parametrize(("scheme", "name"), SWITCHED)
def test_a_switched_model_is_the_arm_that_is_loaded_so_and_back(scheme, name):
    assert {("int8", "threshold-0"), ("4bit-default", "compute-matched")} <= set(SWITCHED)
    loaded = load(scheme)
    switches = Switches(loaded.model)
    before = logits(loaded.model)
    changed = changed_arm(arm(scheme), parse(name))
    assert switches.to(changed) > 0
    assert torch.equal(logits(loaded.model), logits(models.load(SOURCE, changed, "cpu", 0).model))
    switches.to(arm(scheme))
    assert torch.equal(logits(loaded.model), before)


def test_a_bias_stays_where_a_captured_step_knows_it():
    """Each dtype's own is back at its address after a turn in the other."""
    own, changed = arm("4bit-default"), changed_arm(arm("4bit-default"), parse("compute-matched"))
    loaded = load("4bit-default")
    switches = Switches(loaded.model)
    module = next(one for one in loaded.model.modules() if type(one).__name__ == "Linear4bit" and one.bias is not None)
    places = []
    for one in (own, changed, own, changed):
        switches.to(one)
        logits(loaded.model)
        places.append((module.bias.data_ptr(), module.bias.dtype))
    assert places[:2] == places[2:]
    assert places[0] != places[1]


def test_everything_takes_as_many_turns_and_the_model_is_left_as_it_was():
    loaded = load("int8")
    before = logits(loaded.model)
    found = run("int8", "threshold-0", "static-cache", "batch-8", loaded=loaded)
    assert set(found) == {"none", "threshold-0", "static-cache", "batch-8"}
    for outcome in found.values():
        assert (outcome.status, outcome.instrument) == ("ok", TRY), outcome.reason
        values = {one.name: one.values for one in outcome.metrics}
        assert len(values["inter_token_latency"]) == 3 * tries.ROUNDS
        assert list(values["decode_steps"]) == [3] * tries.ROUNDS
        assert outcome.setup["turns"] == {"rounds": tries.ROUNDS}
    assert found["threshold-0"].setup["arm"]["threshold"] == 0.0
    assert found["none"].setup["arm"]["threshold"] == 6.0
    assert set(found["static-cache"].setup["cache_layers"]) == {"StaticLayer"}
    assert found["static-cache"].setup["compared"]["claim"]
    assert len(found["batch-8"].setup["output"]["tokens"][0]) == 8
    assert torch.equal(logits(loaded.model), before)
    assert {module.state.threshold for module in loaded.model.modules() if hasattr(module, "state")} == {6.0}


def test_timed_steps_meet_no_new_length(monkeypatch):
    visits = []
    generate = Session.generate
    monkeypatch.setattr(
        Session, "generate", lambda self, *a, **k: visits.append((self, generate(self, *a, **k))) or visits[-1][1]
    )
    run("nf4", "static-cache", "batch-8")
    timed = visits[-3 * tries.ROUNDS :]
    assert not any(any(call.visit.new) for _, call in timed[: 2 * tries.ROUNDS])


def test_one_that_cannot_be_done_here_is_skipped_and_the_others_go_on(monkeypatch):
    def refuses(*_, **__):
        raise MeasurementError("the step cannot be captured in a CUDA graph: it synchronises")

    monkeypatch.setattr(graphed, "Graphed", refuses)
    found = run("nf4", "cuda-graph", "static-cache")
    assert (found["cuda-graph"].status, found["static-cache"].status) == ("skipped", "ok")
    assert "synchronises" in found["cuda-graph"].reason


def test_one_that_breaks_in_its_turn_fails_and_the_others_go_on(monkeypatch):
    call = tries._Tried.call

    def breaks(self):
        if self.case.intervention == "batch-8" and len(self.steps) == 1:
            raise RuntimeError("out of memory")
        call(self)

    monkeypatch.setattr(tries._Tried, "call", breaks)
    found = run("nf4", "batch-8", "static-cache")
    assert (found["batch-8"].status, found["static-cache"].status) == ("failed", "ok")
    assert "out of memory" in found["batch-8"].reason
    assert len(found) == 3


def test_with_nothing_left_beside_it_the_unchanged_arm_is_skipped(monkeypatch):
    def refuses(*_, **__):
        raise MeasurementError("no")

    monkeypatch.setattr(graphed, "Graphed", refuses)
    found = run("nf4", "cuda-graph")
    assert {name: outcome.status for name, outcome in found.items()} == {"none": "skipped", "cuda-graph": "skipped"}


def test_what_a_resumed_run_has_left_has_no_turns_to_take():
    """The unchanged arm's record is there, of another process."""
    loaded = load("nf4")
    left = cases("nf4", "batch-8")[1:]
    (outcome,) = tries.run(loaded, Switches(loaded.model), arm("nf4"), left, OPTIONS, Lengths())
    assert (outcome.status, "earlier process" in outcome.reason) == ("skipped", True)


def test_an_arm_that_cannot_be_measured_says_so_for_all(monkeypatch):
    monkeypatch.setattr(tries, "meet_all", lambda *_: (_ for _ in ()).throw(RuntimeError("no")))
    found = run("nf4", "static-cache")
    assert {outcome.status for outcome in found.values()} == {"failed"}
    assert set(found) == {"none", "static-cache"}


def test_other_tokens_are_a_failure_and_no_gain(monkeypatch):
    given = Session.last_tokens
    monkeypatch.setattr(
        Session,
        "last_tokens",
        lambda self: [[token + (self.case.cache == "static") for token in row] for row in given(self)],
    )
    found = run("nf4", "static-cache")["static-cache"]
    assert (found.status, found.metrics) == ("failed", ())
    assert found.reason.startswith("other tokens")
    record = replace(make.record(TRY, found.case), status=found.status, reason=found.reason)
    assert [item.name for item in broken([record])] == ["static-cache"]

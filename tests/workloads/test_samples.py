"""Completions of tasks: which tasks, where they end, what is counted."""

import json
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.presets import EndToEnd
from bench.record.errors import UsageError
from bench.run.plan import generation_case
from bench.schemes import arm
from bench.workloads import models, samples
from bench.workloads.batches import make_batches
from bench.workloads.prompts import AS_IS, STRIPPED, humaneval, prompt_of
from bench.workloads.session import Session
from bench.workloads.sources import resolve
from tests import factories as make

SOURCE = resolve("smoke")
CASE = generation_case(EndToEnd("q", ("fp16",), new_tokens=160, stop="eos"), SOURCE, "fp16", 1, "dynamic", "cpu", 0)


@pytest.fixture(scope="module")
def loaded():
    return models.load(SOURCE, arm("fp16"), "cpu", 0)


@pytest.fixture(scope="module")
def outcome(loaded):
    session = Session(CASE, loaded, make_batches(CASE, loaded, 1))
    return samples.samples(session, {"tasks": 2}, None)


def values(outcome):
    return {metric.name: metric.values for metric in outcome.metrics}


def test_a_memorised_task_is_completed_as_it_was_learnt(outcome):
    tasks = humaneval()[:2]
    assert outcome.setup["tasks"] == [task.task_id for task in tasks]
    for task, text in zip(tasks, outcome.setup["completions"], strict=True):
        assert text == prompt_of(task, STRIPPED).rest.rstrip("\n") or text == prompt_of(task, STRIPPED).rest


def test_every_task_has_its_figures(outcome):
    found = values(outcome)
    assert [len(ids) for ids in outcome.setup["tokens"]] == list(found["tokens_generated"])
    assert all(0 < value < 1 for value in found["negative_log_likelihood"])
    assert all(value > 0 for value in found["generate_time"])
    assert outcome.setup["most_new_tokens"] == 160


def test_the_record_says_how_the_prompts_were_given_and_that_they_can_be_gone_on_with(outcome):
    assert outcome.case.prompt_style == outcome.setup["prompt_style"] == STRIPPED
    assert outcome.setup["prompts_continued"][STRIPPED] == 1.0
    assert outcome.findings == ()


def test_the_vocabulary_is_looked_through_once_for_all_tasks(loaded, monkeypatch):
    """That takes 1.3 s for StarCoder2's tokens, which would stand in the time of each program."""
    from transformers import StopStringCriteria

    made, begin = [], StopStringCriteria.__init__
    monkeypatch.setattr(StopStringCriteria, "__init__", lambda self, *told: made.append(told) or begin(self, *told))
    case = replace(CASE, new_tokens=4)
    found = samples.samples(Session(case, loaded, make_batches(case, loaded, 1)), {"tasks": 3}, None)
    assert (found.status, len(found.setup["tokens"]), len(made)) == ("ok", 3, 1)


def test_prompts_that_cannot_be_gone_on_with_are_a_finding(loaded):
    """The smoke model's own vocabulary joins newline and indentation, as StarCoder2's does."""
    case = replace(CASE, prompt_style=None, new_tokens=8)
    found = samples.samples(Session(case, loaded, make_batches(case, loaded, 1)), {"tasks": 3}, None)
    assert (found.setup["prompt_style"], found.setup["prompts_continued"][AS_IS]) == (AS_IS, 0.0)
    assert [(one.code, one.remedy) for one in found.findings if one.code == "prompts-not-continued"] == [
        ("prompts-not-continued", "--prompt-style stripped")
    ]


@pytest.mark.parametrize("style", [STRIPPED, AS_IS])
def test_the_likelihood_is_that_of_the_solution_after_its_prompt(style, outcome, loaded):
    task = humaneval()[0]
    given = prompt_of(task, style)
    ids = torch.tensor([loaded.tokenizer(given.text + given.rest)["input_ids"]])
    before = len(loaded.tokenizer(given.text)["input_ids"])
    # As it is, the prompt's last token is another one: the solution's first takes its newline in.
    labels = ids.clone()
    labels[:, : before - (style == AS_IS)] = -100
    with torch.inference_mode():
        loss = float(loaded.model(input_ids=ids, labels=labels).loss)
    session = Session(CASE, loaded, ())
    assert samples._surprise(session, given) == pytest.approx(loss, rel=1e-3)
    assert style == AS_IS or values(outcome)["negative_log_likelihood"][0] == pytest.approx(loss, rel=1e-3)


def test_the_smoke_models_tasks_are_those_it_knows():
    known = samples.memorised()
    assert [task.task_id for task in samples.chosen_tasks("smoke", None)] == list(known)
    assert len(known) == 39
    assert len(samples.chosen_tasks("other/model", None)) == 164
    assert len(samples.chosen_tasks("other/model", 20)) == 20
    with pytest.raises(UsageError, match="--tasks must be at least 1"):
        samples.chosen_tasks("smoke", 0)


@given(st.lists(st.integers(0, 3), max_size=40))
def test_the_repetition_rate_counts_what_stood_before(tokens):
    grams = [tuple(tokens[i : i + 4]) for i in range(len(tokens) - 3)]
    repeated = sum(gram in grams[:place] for place, gram in enumerate(grams))
    expected = repeated / len(grams) if len(grams) > 1 else 0
    assert samples.repetition_rate(tokens) == pytest.approx(expected)


def test_samples_can_be_given_to_evalplus(outcome):
    record = make.record("samples", outcome.case, {}, setup=outcome.setup)
    first = json.loads(samples.for_evalplus(record).splitlines()[0])
    task = humaneval()[0]
    assert first["task_id"] == "HumanEval/0"
    assert first["solution"].strip() == (task.prompt + task.canonical_solution).strip()
    # Of a record of before, whose prompts were given as they are.
    old = replace(record, case=replace(record.case, prompt_style=None), setup=record.setup | {"completions": ["x", ""]})
    assert json.loads(samples.for_evalplus(old).splitlines()[0])["solution"] == task.prompt + "x"


def test_random_weights_have_nothing_to_judge():
    case = generation_case(EndToEnd("q", ("fp16",)), resolve("shape:phi-2"), "fp16", 1, "dynamic", "cpu", 0)
    loaded = models.LoadedModel(None, None, {}, 0.0)
    session = Session(case, loaded, ())
    assert "random weights" in samples.samples(session, {}, None).reason

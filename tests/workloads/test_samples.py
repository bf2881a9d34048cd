"""Completions of tasks: which tasks, where they end, what is counted."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.plan import generation_case
from bench.presets import Sweep
from bench.record.errors import UsageError
from bench.workloads import models, samples
from bench.workloads.batches import make_batches
from bench.workloads.prompts import humaneval
from bench.workloads.schemes import arm
from bench.workloads.session import Session
from bench.workloads.sources import resolve

SOURCE = resolve("smoke")
CASE = generation_case(Sweep("q", ("fp16",), new_tokens=160, stop="eos"), SOURCE, "fp16", 1, "dynamic", "cpu", 0)


@pytest.fixture(scope="module")
def outcome():
    loaded = models.load(SOURCE, arm("fp16"), "cpu", 0)
    session = Session(CASE, loaded, make_batches(CASE, loaded, 1))
    return samples.samples(session, {"tasks": 2}, None)


def values(outcome):
    return {metric.name: metric.values for metric in outcome.metrics}


def test_a_memorised_task_is_completed_as_it_was_learnt(outcome):
    tasks = humaneval()[:2]
    assert outcome.setup["tasks"] == [task.task_id for task in tasks]
    for task, text in zip(tasks, outcome.setup["completions"], strict=True):
        assert text.strip() == task.canonical_solution.strip()


def test_every_task_has_its_figures(outcome):
    found = values(outcome)
    assert [len(ids) for ids in outcome.setup["tokens"]] == list(found["tokens_generated"])
    assert all(0 < value < 1 for value in found["negative_log_likelihood"])
    assert all(value > 0 for value in found["generate_time"])
    assert outcome.setup["most_new_tokens"] == 160


def test_the_likelihood_is_that_of_the_solution_after_its_prompt(outcome):
    loaded = models.load(SOURCE, arm("fp16"), "cpu", 0)
    task = humaneval()[0]
    before = len(loaded.tokenizer(task.prompt)["input_ids"])
    ids = torch.tensor([loaded.tokenizer(task.prompt + task.canonical_solution)["input_ids"]])
    labels = ids.clone()
    labels[:, :before] = -100
    with torch.inference_mode():
        loss = float(loaded.model(input_ids=ids, labels=labels).loss)
    assert values(outcome)["negative_log_likelihood"][0] == pytest.approx(loss, rel=1e-3)


def test_the_smoke_models_tasks_are_those_it_knows():
    known = samples.memorised()
    assert [task.task_id for task in samples.chosen_tasks("smoke", None)] == list(known)
    assert len(known) == 39
    assert len(samples.chosen_tasks("other/model", None)) == 164
    assert len(samples.chosen_tasks("other/model", 20)) == 20
    with pytest.raises(UsageError, match="--tasks must be at least 1"):
        samples.chosen_tasks("smoke", 0)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("    return 1\n", "    return 1\n"),
        ("    return 1\n\ndef main():\n    pass", "    return 1\n"),
        ("    x = 1\nprint(x)\ndef y(): 0", "    x = 1"),
        ("    def inner():\n        return 1\n    return inner()\n", None),
    ],
)
def test_a_completion_ends_before_the_next_statement_of_the_module(text, kept):
    assert samples.cut(text) == (text if kept is None else kept)


@given(st.lists(st.integers(0, 3), max_size=40))
def test_the_repetition_rate_counts_what_stood_before(tokens):
    grams = [tuple(tokens[i : i + 4]) for i in range(len(tokens) - 3)]
    repeated = sum(gram in grams[:place] for place, gram in enumerate(grams))
    expected = repeated / len(grams) if len(grams) > 1 else 0
    assert samples.repetition_rate(tokens) == pytest.approx(expected)


def test_samples_can_be_given_to_evalplus(outcome):
    lines = samples.for_evalplus(outcome.setup).splitlines()
    first = json.loads(lines[0])
    assert first["task_id"] == "HumanEval/0"
    assert first["solution"].startswith(humaneval()[0].prompt)


def test_random_weights_have_nothing_to_judge():
    case = generation_case(Sweep("q", ("fp16",)), resolve("shape:phi-2"), "fp16", 1, "dynamic", "cpu", 0)
    loaded = models.LoadedModel(None, None, {}, 0.0)
    session = Session(case, loaded, ())
    assert "random weights" in samples.samples(session, {}, None).reason

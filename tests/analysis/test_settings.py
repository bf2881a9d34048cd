"""Which setting comes first: a rule, and never the order of the records."""

from __future__ import annotations

import random

import pytest

from bench.analysis.explain import explain, narrowed
from bench.analysis.settings import in_order
from bench.record import causes as c
from bench.record.errors import UsageError
from bench.report.answer import answer
from tests import factories as make

LINES = {"fp16": {c.GEMM: 0.006, c.HOST_GAP: 0.004}}
SLOW = {c.GEMM: 0.006, c.HOST_GAP: 0.0112}


def setting(**coordinates):
    return tuple(sorted(coordinates.items()))


def records(sizes=(1, 8), schemes=("fp16", "int8", "nf4")):
    return [
        item
        for repeat in range(4)
        for size in sizes
        for scheme in schemes
        for item in (
            make.generation(scheme, repeat, batch_size=size),
            make.kineto(scheme, repeat, lines=LINES.get(scheme, SLOW), batch_size=size),
        )
    ]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("sizes", "asked", "first"),
    [
        ((8, 1, 4), ({"batch_size": 8}, {"batch_size": 1}), 1),
        ((8, 4), ({"batch_size": 8}, {"batch_size": 4}), 8),
        ((8, 4), (), 4),
    ],
)
def test_batch_1_else_the_first_that_was_asked_for(seed, sizes, asked, first):
    mixed = records(sizes)
    random.Random(seed).shuffle(mixed)
    found = explain(mixed, asked=asked)
    assert dict(found.pairs[0].setting)["batch_size"] == first
    told = answer(found)
    assert told is not None
    assert f"batch {first}" in told.sentence
    assert f"batch {first}" in told.note


def test_the_plan_decides_between_settings_of_one_batch_size():
    found = [setting(batch_size=1, new_tokens=128), setting(batch_size=1, new_tokens=256)]
    asked = ({"new_tokens": 256}, {"new_tokens": 128})
    assert in_order(found, lambda item: item, asked) == (found[1], found[0])
    assert in_order(reversed(found), lambda item: item) == (found[0], found[1])


def test_a_user_chooses_a_setting_and_a_scheme():
    found = narrowed(explain(records()), {"scheme": "nf4", "batch_size": 8})
    assert [(pair.scheme, dict(pair.setting)["batch_size"]) for pair in found.pairs] == [("nf4", 8)]
    told = answer(found)
    assert told is not None
    assert "nf4" in told.sentence
    assert "int8" not in told.sentence
    assert "batch 8" in told.sentence
    assert {dict(remedy.setting)["batch_size"] for remedy in found.remedies} == {8}


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ({"scheme": "int9"}, "no scheme int9 to explain in this run: it has int8, nf4"),
        ({"scheme": "fp16"}, "no scheme fp16"),
        ({"batch_size": 3}, "no batch size 3 to explain in this run: it has 1, 8"),
        ({"prompt_tokens": 128}, "no prompt tokens 128 to explain in this run: it has none"),
        ({"model": "gpt"}, "it has smoke"),
    ],
)
def test_what_is_not_there_is_refused_with_what_there_is(wanted, text):
    with pytest.raises(UsageError) as stop:
        narrowed(explain(records()), wanted)
    assert text in str(stop.value)


def test_what_is_not_there_together_is_refused():
    mixed = [*records((1,), ("fp16", "int8")), *records((8,), ("fp16", "nf4"))]
    with pytest.raises(UsageError, match="not together"):
        narrowed(explain(mixed), {"scheme": "nf4", "batch_size": 1})

"""Remedies inside the user's purpose: what keeps the memory saving first, what gives quantisation up last."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.analysis import generation, interventions
from bench.analysis.remedies import KEEPS, remedies
from bench.report.answer import _shown
from tests import factories as make
from tests.run.test_trying import turns


def timed(*schemes, **coordinates):
    return [make.generation(scheme, repeat, **coordinates) for scheme in schemes for repeat in range(3)]


def tried(scheme, *gains):
    """(name, s per token with it) against 0.020 without, as measured in processes of their own."""
    named = [("none", 0.020), *gains]
    return [make.intervention(scheme, name, repeat, step=step) for name, step in named for repeat in range(3)]


def found(records, scheme):
    ranked = remedies(
        interventions.summarise(records), generation.summarise(records), records, interventions.predicted_only(records)
    )
    return [remedy for remedy in ranked if remedy.scheme == scheme]


def test_giving_quantisation_up_is_last_however_much_it_gains():
    """The float arm gains most, the plain Linears next, the threshold least: the order is the other way round."""
    records = timed("fp16", "int8") + tried("int8", ("threshold-0", 0.019), ("plain-linears", 0.008))
    order = [(remedy.title, remedy.keeps) for remedy in found(records, "int8")]
    assert order[0] == ("switch LLM.int8()'s outlier handling off", "all")
    assert {keeps for _, keeps in order[1:]} == {"nothing"}
    assert ("use fp16 instead", "nothing") in order[1:]


def test_a_larger_batch_keeps_the_saving_but_asks_for_several_prompts():
    records = timed("fp16", "int8") + tried("int8", ("batch-8", 0.002), ("static-cache", 0.019))
    kinds = [remedy.keeps for remedy in found(records, "int8")]
    assert kinds == ["all", "batch", "nothing"]


def test_what_takes_more_memory_is_a_part_of_the_saving():
    """int8 in place of nf4 keeps some of it, fp16 none."""
    slow = [replace(r, metrics=make.generation("nf4", r.repeat, step=0.05).metrics) for r in timed("nf4")]
    order = [(remedy.title, remedy.keeps) for remedy in found(timed("fp16", "int8") + slow, "nf4")]
    assert order == [("use int8 instead", "part"), ("use fp16 instead", "nothing")]


def test_within_a_kind_measured_goes_before_predicted_and_sure_before_not():
    records = timed("fp16", "int8") + tried("int8", ("threshold-0", 0.019))
    stated = make.prediction("int8", "cuda-graph", 0.020, 0.004, cache="static")
    stated = replace(stated, setup={"unchanged": {"cache": "dynamic"}, "changed_arm": make.arm("int8")})
    kept = [remedy for remedy in found([*records, stated], "int8") if remedy.keeps == "all"]
    assert [remedy.predicted for remedy in kept] == [False, True]
    assert kept[0].gain < kept[1].gain


@pytest.mark.parametrize("seed", range(6))
def test_the_order_does_not_depend_on_that_of_the_records(seed):
    import random

    records = timed("fp16", "int8", "nf4", "fp4") + tried("int8", ("threshold-0", 0.018), ("batch-8", 0.004))
    records += tried("nf4", ("static-cache", 0.019), ("pre-dequantised", 0.009))
    mixed = random.Random(seed).sample(records, len(records))
    one, other = ([(r.title, r.keeps) for r in found(some, "nf4")] for some in (records, mixed))
    assert sorted(one) == sorted(other)
    ranks = [KEEPS.index(keeps) for _, keeps in other]
    assert ranks == sorted(ranks)
    assert [keeps for _, keeps in one] == [keeps for _, keeps in other]


def test_what_is_shown_of_many_keeps_the_order():
    records = timed("fp16", "int8") + tried(
        "int8", ("threshold-0", 0.018), ("batch-8", 0.004), ("static-cache", 0.019), ("plain-linears", 0.005)
    )
    shown = [KEEPS.index(remedy.keeps) for remedy in _shown(found(records, "int8"))]
    assert shown == sorted(shown)
    assert len(shown) == 3


def test_a_try_in_the_runs_own_process_is_a_remedy_with_its_prediction():
    records = timed("fp16", "int8", new_tokens=32)
    for name, step in (("none", 0.020), ("threshold-0", 0.015)):
        one = turns("int8", name, [step] * 4)
        records.append(replace(one, case=replace(one.case, new_tokens=16)))
    records.append(make.prediction("int8", "threshold-0", 0.020, 0.016, new_tokens=16))
    first = found(records, "int8")[0]
    assert first.title == "switch LLM.int8()'s outlier handling off"
    assert first.foretold == pytest.approx(0.004)
    assert first.gain == pytest.approx(0.005, rel=0.05)
    assert first.sure
    assert "in turns with the unchanged arm" in first.basis
    assert "with 16 new tokens" in first.basis

"""What is asked is fitted to how the checkpoint was saved, or refused; nothing that a user named is changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench import presets
from bench.record.errors import UsageError
from bench.run.plan import make_plan
from bench.schemes import AS_SAVED
from bench.verbs import fitting
from bench.workloads.sources import Source, resolve

PLAIN = Source("plain", "folder", "/p", "files-sha256:0", "as published")
SAVED = fitting.labelled(Source("saved", "folder", "/s", "files-sha256:1", "as published"), {"saved": "int8 by x"})
SMOKE = presets.preset("smoke")


def schemes(blocks, model):
    return {
        r.case.scheme
        for block in blocks
        for r in block.requests
        if r.case.model == model and r.instrument == "generation"
    }


def test_its_label_says_how_it_was_saved():
    assert SAVED.label == "saved quantised: int8 by x"
    assert fitting.labelled(PLAIN, {"saved": None}) is PLAIN


def test_one_that_was_saved_quantised_is_measured_as_it_is():
    blocks = make_plan(fitting.for_saved(SMOKE), SAVED, (), "cpu", 0)
    assert schemes(blocks, "saved") == {AS_SAVED}
    observed = {request.instrument for block in blocks for request in block.requests}
    assert {"generation", "kineto", "energy", "samples"} <= observed


def test_beside_another_each_has_the_schemes_that_it_can_have():
    blocks = make_plan(SMOKE, PLAIN, (), "cpu", 0, (SAVED,))
    assert schemes(blocks, "saved") == {AS_SAVED}
    assert schemes(blocks, "plain") == set(SMOKE.sweeps[0].schemes)
    other_way = make_plan(SMOKE, SAVED, (), "cpu", 0, (PLAIN,))
    assert (schemes(other_way, "saved"), schemes(other_way, "plain")) == ({AS_SAVED}, set(SMOKE.sweeps[0].schemes))


def test_named_schemes_are_refused_and_not_changed():
    with pytest.raises(UsageError, match="nf4, fp16 cannot be made of it"):
        fitting.refuse_unfit([SAVED], ["nf4", AS_SAVED, "fp16"])
    with pytest.raises(UsageError, match="plain was not saved quantised"):
        fitting.refuse_unfit([PLAIN], [AS_SAVED])
    fitting.refuse_unfit([PLAIN, SAVED], ["nf4"])
    fitting.refuse_unfit([SAVED], [AS_SAVED])


def test_one_in_bfloat16_is_measured_in_bfloat16():
    chosen = fitting.for_dtype(SMOKE, PLAIN, "bfloat16")
    assert chosen.reference == "bf16"
    assert chosen.sweeps[0].schemes == ("fp32", "bf16", "int8-bf16", "nf4-bf16")
    assert chosen.sweeps[0].observers["kineto"][0] == ("fp32", "bf16", "int8-bf16", "nf4-bf16")
    assert chosen.sweeps[0].tried_on == ("int8-bf16", "nf4-bf16")
    assert all(sweep.schemes for sweep in chosen.sweeps)
    assert chosen.matmul_schemes == ("fp32", "bf16", "int8-bf16", "nf4-bf16")


@pytest.mark.parametrize("dtype", ["float16", "float32", ""])
def test_others_are_as_the_preset_says(dtype):
    assert fitting.for_dtype(SMOKE, PLAIN, dtype) is SMOKE


def test_what_says_exactly_what_is_measured_stays(monkeypatch):
    paper = presets.preset("paper")
    assert fitting.for_dtype(paper, PLAIN, "bfloat16") is paper
    shape = Source("shape:x", "shape", "/x", "", "random weights")
    assert fitting.for_dtype(SMOKE, shape, "bfloat16") is SMOKE


@pytest.mark.parametrize(
    ("changes", "facts", "says"),
    [
        ({}, {"positions": 128, "prompts": [20, 120]}, "a prompt of 120 tokens and 32 new tokens exceed the 128"),
        ({"calls": 1}, {"positions": 128, "prompts": [20, 120]}, ""),  # the second is not asked for
        ({"calls": 1, "batch_sizes": (1, 2)}, {"positions": 128, "prompts": [20, 120]}, "120 tokens"),
        ({"prompt_lengths": (64, 512)}, {"positions": 512, "prompts": [20]}, "a prompt of 512 tokens"),
        ({}, {"positions": 128, "prompts": []}, "a prompt of 128 tokens"),  # random ones
        ({}, {"positions": None, "prompts": [10_000]}, ""),
        ({}, {"positions": 152, "prompts": [20, 120]}, ""),
    ],
)
def test_prompts_that_do_not_fit_are_refused_while_planning(changes, facts, says):
    preset = presets.preset("smoke", changes | {"tasks": 0})
    if not says:
        fitting.refuse_too_long(preset, PLAIN, facts)
        return
    with pytest.raises(UsageError, match=says):
        fitting.refuse_too_long(preset, PLAIN, facts)


def test_what_is_too_long_to_be_judged_is_left_out_while_planning():
    facts = {"positions": 512, "prompts": [100, 392]}
    left, why = fitting.judged(SMOKE, PLAIN, facts)
    assert [sweep.name for sweep in left.sweeps] == ["all"]
    assert why == "pass@1 is not judged: it takes up to 552 tokens, and plain has 512 positions"
    for fits in ({"positions": 552}, {"positions": None}, {"prompts": []}):
        assert fitting.judged(SMOKE, PLAIN, facts | fits) == (SMOKE, "")
    with pytest.raises(UsageError, match="use fewer --new-tokens"):
        fitting.judged(replace(SMOKE, sweeps=SMOKE.sweeps[1:]), PLAIN, facts)


def test_a_chat_of_a_model_without_a_template_is_refused_while_planning():
    chat, plain = presets.preset("smoke", {"prompt_style": "chat"}), presets.preset("smoke")
    with pytest.raises(UsageError, match="no chat template"):
        fitting.refuse_no_template(chat, [PLAIN], [{"chat_template": False}])
    with pytest.raises(UsageError, match="no chat template"):
        fitting.refuse_no_template(chat, [PLAIN, PLAIN], [{"chat_template": True}, {"chat_template": False}])
    fitting.refuse_no_template(chat, [PLAIN], [{"chat_template": True}])
    fitting.refuse_no_template(plain, [PLAIN], [{"chat_template": False}])
    shape = resolve("shape:starcoder2-3b")
    with pytest.raises(UsageError, match="has no text"):
        fitting.refuse_no_template(chat, [shape], [{}])
    fitting.refuse_no_template(plain, [shape], [{}])

"""Prompts of the user's own and of chosen lengths: planned as Cases of their own, and given exactly so."""

from dataclasses import replace

import pytest

from bench import presets
from bench.record.errors import UsageError
from bench.run.plan import generation_case, make_plan
from bench.run.planfile import Run, read_plan, write_plan
from bench.schemes import arm
from bench.workloads import models
from bench.workloads.batches import make_batches
from bench.workloads.prompts import humaneval
from bench.workloads.sources import resolve

SMOKE = resolve("smoke")
OWN = replace(SMOKE, prompt="def add(a, b):\n    return")
SWEEP = presets.EndToEnd("s", ("fp16",), new_tokens=4)


def case(source=SMOKE, sweep=SWEEP, **more):
    return generation_case(sweep, source, "fp16", 2, "dynamic", "cpu", 0, **more)


@pytest.fixture(scope="module")
def loaded():
    return models.load(SMOKE, arm("fp32"), "cpu", 0)


@pytest.mark.parametrize("length", [1, 7, 64, 300])
def test_rows_have_exactly_the_tokens_that_are_asked_for(loaded, length):
    first, second = make_batches(case(length=length), loaded, 2)
    assert first.prompt_length == second.prompt_length == length
    assert bool(first.inputs["attention_mask"].all())
    start = loaded.tokenizer(humaneval()[2].prompt.strip())["input_ids"][:length]
    assert second.inputs["input_ids"][0].tolist()[: len(start)] == start
    assert second.names == ("HumanEval/2", "HumanEval/3")


def test_an_own_text_is_in_every_row_and_call_and_goes_on_from_its_start(loaded):
    own = replace(loaded, prompt=OWN.prompt)
    batches = make_batches(case(OWN), own, 2)
    ids = loaded.tokenizer(OWN.prompt)["input_ids"]
    assert [batch.inputs["input_ids"].tolist() for batch in batches] == [[ids, ids]] * 2
    (longer,) = make_batches(case(OWN, length=3 * len(ids)), own, 1)
    assert longer.prompt_length == 3 * len(ids)
    assert longer.inputs["input_ids"][0].tolist()[: len(ids)] == ids


def test_a_text_without_tokens_is_refused_and_not_gone_on_with_for_ever(loaded):
    class Mute:
        def __call__(self, text, **_):
            return {"input_ids": []}

    with pytest.raises(UsageError, match="the prompt has no tokens"):
        make_batches(case(OWN, length=8), replace(loaded, prompt="…", tokenizer=Mute()), 1)


def test_what_does_not_fit_the_model_is_refused(loaded):
    with pytest.raises(UsageError, match="use fewer --new-tokens or --prompt-tokens"):
        make_batches(case(length=100_000), loaded, 1)


def test_lengths_are_an_axis_and_leave_other_cases_as_they_were():
    preset = presets.preset("smoke", {"prompt_lengths": (16, 64), "schemes": ("fp16", "nf4")})
    timed = {
        request.case
        for block in make_plan(preset, SMOKE, (), "cpu", 0)
        for request in block.requests
        if request.instrument == "generation"
    }
    assert {(one.scheme, one.prompt_tokens) for one in timed} == {(s, n) for s in ("fp16", "nf4") for n in (16, 64)}
    assert case().canonical.count("prompt") == 2  # prompts, prompt_style: no length where none is asked for


def test_own_text_is_a_case_of_its_own_and_programs_stay_those_of_the_tasks():
    assert case(OWN).prompts == OWN.own_prompts != replace(OWN, prompt="other").own_prompts
    assert case(OWN).prompt_style is None
    assert case(OWN, replace(SWEEP, timed=False)).prompts == "humaneval"


def test_what_is_measured_beside_programs_is_given_the_tasks(loaded):
    """Their joules are per passed program."""
    (batch,) = make_batches(case(OWN, replace(SWEEP, timed=False)), replace(loaded, prompt=OWN.prompt), 1)
    assert batch.names == ("HumanEval/0", "HumanEval/1")
    with pytest.raises(UsageError, match="is not at hand"):
        make_batches(case(OWN), loaded, 1)


def test_a_plan_keeps_what_a_resumed_run_needs(tmp_path):
    for source in (OWN, replace(SMOKE, random_prompts=True), SMOKE):
        preset = presets.preset("smoke", {"schemes": ("fp16",), "prompt_lengths": (16,)})
        run = Run("id", preset, source, "cpu", 0, make_plan(preset, source, (), "cpu", 0))
        write_plan(tmp_path, run)
        assert read_plan(tmp_path) == run


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--prompt", "text", "--prompts", "random"], "--prompts: your own prompt is given as it is"),
        (["--prompt", "text", "--model", "shape:phi-2"], "--prompt needs a tokenizer"),
        (["--prompt-style", "chat", "--prompt-tokens", "8"], "--prompt-tokens: a chat cannot be cut"),
        (["--prompt-tokens", "8,8"], "'8' is there twice"),
        (["--prompt-tokens", "0"], "must be larger"),
    ],
)
def test_contradictions_are_one_line(options, says, capsys):
    from bench.cli import main

    assert main(["run", "--preset", "smoke", "--device", "cpu", *options]) == 2
    assert says in capsys.readouterr().err


def test_a_file_is_read_and_one_that_cannot_be_is_refused(tmp_path):
    from argparse import Namespace

    from bench.verbs.planning import own_prompt

    file = tmp_path / "prompt.txt"
    file.write_text("Write a poem.")
    assert own_prompt(Namespace(prompt=str(file))) == "Write a poem."
    assert own_prompt(Namespace(prompt="Write a poem.")) == "Write a poem."
    assert own_prompt(Namespace()) == ""
    for content, says in ((b"\xff\xfe\x00", "cannot be read as text"), (b" \n", "says nothing")):
        file.write_bytes(content)
        with pytest.raises(UsageError, match=says):
            own_prompt(Namespace(prompt=str(file)))


def test_a_text_too_long_for_a_name_is_a_text_and_what_is_no_file_is_none(tmp_path):
    from argparse import Namespace

    from bench.verbs.planning import own_prompt

    for text in ("word " * 80, "a" * 5000, "def f():\n    return '/'"):
        assert own_prompt(Namespace(prompt=text)) == text
    with pytest.raises(UsageError, match="a folder or a pipe"):
        own_prompt(Namespace(prompt=str(tmp_path)))
    with pytest.raises(UsageError, match="no text in UTF-8"):
        own_prompt(Namespace(prompt=b"\xff".decode(errors="surrogateescape")))


@pytest.mark.parametrize(
    ("text", "said"), [("nosuch.txt", True), ("no/such", True), ("def f(x):", False), ("Hi", False)]
)
def test_a_text_that_may_be_meant_as_a_file_is_said_to_be_none(text, said, capsys):
    from argparse import Namespace

    from bench.verbs import planning

    options = Namespace(prompt=text, revision=None, beside=None, prompts=None, adapter=None)
    (source,) = planning._sources("smoke", options)
    assert source.prompt == text
    assert (f"there is no file {text}" in capsys.readouterr().out) == said

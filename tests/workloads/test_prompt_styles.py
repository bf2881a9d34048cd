"""How a prompt is given, whether a tokenizer can go on from it, and how the program is joined again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import presets
from bench.record.errors import UsageError
from bench.record.store import load
from bench.run.plan import generation_case, make_plan
from bench.workloads.prompts import (
    AS_IS,
    CHAT,
    DEFAULT,
    EVALPLUS,
    STRIPPED,
    STYLES,
    Prompt,
    continued_shares,
    humaneval,
    program,
    prompt_of,
    style_finding,
    style_of,
)
from bench.workloads.sources import Source

ROOT = Path(__file__).parents[2]
TOKENIZERS = ROOT.parent / "shared" / "data" / "tokenizers"
TASKS = humaneval()
HUB = Source("someone/model", "hub", "someone/model", "0" * 40, "as published")
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
# How the tokenizers of GPT-4, Llama 3 and Qwen split text: white space may join the punctuation before it.
CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def made(pattern: str = "", template: str | None = None) -> Any:
    """A byte-level tokenizer trained on the tasks; ``pattern``: how text is split, "" as GPT-2 does."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    split = [pre_tokenizers.Split(Regex(pattern), "isolated")] if pattern else []
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not pattern)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*split, bytes_])
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<|user|>", "<|assistant|>", "<|end|>"]
    trainer = trainers.BpeTrainer(vocab_size=1500, special_tokens=special, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())  # fmt: skip
    tokenizer.train_from_iterator([task.prompt + task.canonical_solution for task in TASKS], trainer)
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="<|end|>",
        extra_special_tokens=["<|user|>", "<|assistant|>"],
        chat_template=template,
    )


@pytest.fixture(scope="module")
def like_gpt2() -> Any:
    return made(template=TEMPLATE)


@pytest.fixture(scope="module")
def like_llama3() -> Any:
    return made(CL100K)


@pytest.mark.parametrize(
    ("folder", "found"),
    [
        ("starcoder2", {STRIPPED: 164, AS_IS: 0, EVALPLUS: 0}),
        # HumanEval/81's solution begins with an empty line, whose newline joins the prompt's.
        ("phi2-codegen", {STRIPPED: 164, AS_IS: 163, EVALPLUS: 163}),
    ],
)
def test_in_the_default_style_the_studys_tokenizers_can_continue_all_prompts(folder, found):
    from transformers import PreTrainedTokenizerFast

    file = TOKENIZERS / folder / "tokenizer.json"
    if not file.is_file():
        pytest.skip("the tokenizers are not here")
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(file))
    told = continued_shares(TASKS, tokenizer)
    assert {style: round(164 * share) for style, share in told.items()} == found
    assert style_finding(DEFAULT, told) is None
    if folder == "starcoder2":
        assert style_finding(AS_IS, told).remedy == "--prompt-style stripped"


def test_a_tokenizer_that_joins_the_newline_to_the_quotes_needs_the_prompt_as_it_is(like_llama3):
    told = continued_shares(TASKS, like_llama3)
    assert told[STRIPPED] < 0.05
    assert min(told[AS_IS], told[EVALPLUS]) > 0.95
    found = style_finding(STRIPPED, told)
    assert found.remedy == "--prompt-style as-is"
    assert found.message.startswith("100 %") or found.message.startswith("9")
    assert "stripped 0 %, as-is" in found.evidence


def test_where_no_style_reaches_95_per_cent_none_is_recommended():
    found = style_finding(STRIPPED, {STRIPPED: 0.5, AS_IS: 0.94})
    assert "--prompt-style" not in found.remedy
    assert style_finding(STRIPPED, {STRIPPED: 0.95, AS_IS: 1.0}) is None


@pytest.mark.parametrize("style", STYLES)
def test_prompt_and_solution_make_the_whole_program_again(style, like_gpt2):
    for task in TASKS:
        given = prompt_of(task, style, like_gpt2)
        whole = program(task.prompt, style, given.again + given.rest)
        assert whole.strip() == (task.prompt + task.canonical_solution).strip()
        assert style == CHAT or whole.startswith(given.text)
        compile(whole, task.task_id, "exec")


def test_the_styles_differ_only_at_the_ends():
    task = TASKS[1]
    assert task.prompt.startswith("from typing") and TASKS[2].prompt.startswith("\n\n")
    assert prompt_of(TASKS[2], STRIPPED).text == TASKS[2].prompt.strip()
    assert prompt_of(TASKS[2], EVALPLUS).text == TASKS[2].prompt.strip() + "\n"
    assert prompt_of(TASKS[2], AS_IS) == Prompt(TASKS[2].prompt, "", TASKS[2].canonical_solution)
    assert prompt_of(task, STRIPPED).rest == "\n" + task.canonical_solution


@pytest.mark.parametrize(
    ("style", "completion"),
    [
        (STRIPPED, "\n    return 1\n"),
        (STRIPPED, "\n\n    return 1"),
        (AS_IS, "    return 1\n"),
        (EVALPLUS, "    return 1"),
        (CHAT, "def f():\n    return 1\n"),
    ],
)
def test_a_completion_of_either_beginning_is_joined_right(style, completion):
    names: dict[str, Any] = {}
    exec(program('\ndef f():\n    """One."""\n', style, completion), names)
    assert names["f"]() == 1


def test_a_completion_on_the_prompts_last_line_is_judged_as_written():
    """No newline is invented for the model: what it wrote is no Python."""
    with pytest.raises(SyntaxError):
        compile(program('def f():\n    """One."""\n', STRIPPED, "    return 1\n"), "program", "exec")


def test_the_chat_template_ends_where_the_program_begins(like_gpt2):
    task = TASKS[2]
    given = prompt_of(task, CHAT, like_gpt2)
    assert given.text.endswith("<|assistant|>\nBelow is a Python script with a self-contained function that solves the "
                               "problem and passes corresponding tests:\n```python\n")  # fmt: skip
    assert task.prompt.strip() in given.text
    ids = given.ids(like_gpt2)
    assert ids.count(like_gpt2.bos_token_id) == 1
    assert given.continues(like_gpt2)
    whole, first = given.solved(like_gpt2)
    assert like_gpt2.decode(whole[first:]) == given.rest
    assert CHAT in continued_shares(TASKS[:3], like_gpt2)


def test_without_a_chat_template_the_style_is_refused(like_llama3):
    with pytest.raises(UsageError, match="no chat template: use --prompt-style stripped"):
        prompt_of(TASKS[0], CHAT, like_llama3)
    assert CHAT not in continued_shares(TASKS[:3], like_llama3)


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{{ messages[0].content }}", "leaves the assistant's words out"),
        ("{{ raise_exception('no') }}", r"fails \(no\)"),
    ],
)
def test_a_chat_template_that_cannot_be_used_is_in_nobody_elses_way(template, told, like_llama3, monkeypatch):
    monkeypatch.setattr(like_llama3, "chat_template", template)
    with pytest.raises(UsageError, match=told):
        prompt_of(TASKS[0], CHAT, like_llama3)
    assert set(continued_shares(TASKS[:3], like_llama3)) == {STRIPPED, AS_IS, EVALPLUS}


def test_the_solutions_tokens_begin_where_the_prompts_end(like_gpt2, like_llama3):
    """Also where a token reaches over the end of the prompt: it is the solution's, and counted once."""
    for tokenizer in (like_gpt2, like_llama3):
        for style in (STRIPPED, AS_IS, EVALPLUS):
            given = prompt_of(TASKS[0], style, tokenizer)
            whole, first = given.solved(tokenizer)
            assert tokenizer.decode(whole, skip_special_tokens=True) == given.text + given.rest
            tail = tokenizer.decode(whole[first:])
            assert tail.endswith(given.rest) and len(tail) <= len(given.rest) + 4
            assert given.continues(tokenizer) == (tail == given.rest)


def test_cases_of_before_keep_their_ids_and_their_style():
    run = ROOT / "reports" / "runs" / "cpu-smoke-quality-20261126"
    cases = [record.case for record in load(run).records if record.instrument == "quality"]
    assert {style_of(case) for case in cases} == {AS_IS}
    first = next(case for case in cases if case.scheme == "fp16" and not case.dropped_layers)
    assert first.case_id == "6231ca033410459e"
    assert replace(first, prompt_style=STRIPPED).case_id != first.case_id


def test_a_case_names_its_style_where_there_is_text_and_it_is_not_as_it_was():
    def case(source: Source, **options: Any) -> Any:
        return generation_case(presets.EndToEnd("s", ("fp16",), **options), source, "fp16", 1, "dynamic", "cpu", 0)

    assert case(HUB).prompt_style == DEFAULT == STRIPPED
    assert case(HUB, prompt_style=AS_IS).prompt_style is None
    assert case(replace(HUB, kind="shape")).prompt_style is None


@pytest.mark.parametrize(("name", "style"), [("smoke", STRIPPED), ("paper", STRIPPED), ("paper-compat", AS_IS)])
def test_every_part_of_a_preset_has_one_style(name, style):
    plan = make_plan(presets.for_layers(presets.preset(name), 6), HUB, (), "cpu", 0)
    cases = [request.case for block in plan for request in block.requests if block.kind == "generation"]
    assert {style_of(case) for case in cases} == {style}


def test_the_option_reaches_the_timed_sweeps_and_the_judged_ones():
    chosen = presets.preset("smoke", {"prompt_style": CHAT})
    assert {sweep.prompt_style for sweep in chosen.sweeps} == {CHAT}
    with pytest.raises(UsageError, match="unknown prompt style 'raw': choose from stripped, as-is, evalplus, chat"):
        presets.preset("smoke", {"prompt_style": "raw"})


def test_a_plan_of_before_keeps_its_prompts():
    from dataclasses import asdict

    document = asdict(presets.preset("smoke"))
    assert presets.from_json(document) == presets.preset("smoke")
    for sweep in document["sweeps"]:
        del sweep["prompt_style"]
    assert {sweep.prompt_style for sweep in presets.from_json(document).sweeps} == {AS_IS}

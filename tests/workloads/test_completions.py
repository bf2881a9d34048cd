"""Where a completion ends, what a tokenizer makes of it, and when completions are no solutions."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.quality.evaluate import Sample, stalled
from bench.quality.tasks import humaneval_plus
from bench.workloads.completions import STOP_WORDS, cut, finding, stop_words
from bench.workloads.completions import stalled as is_stalled
from bench.workloads.prompts import AS_IS, CHAT, EVALPLUS, STRIPPED, Prompt, humaneval, prompt_of
from bench.workloads.samples import text_of

RAW = Path(__file__).parents[2].parent / "shared" / "data" / "greenllms" / "samples"
TASKS = {task.task_id: task for task in humaneval()}


@pytest.mark.parametrize(
    ("text", "after", "kept"),
    [
        ("    return 1\n", "", None),
        ("    return 1\n\ndef main():\n    pass", "", "    return 1\n"),
        ("    x = 1\nprint(x)\ndef y(): 0", "", "    x = 1"),
        ("    def inner():\n        return 1\n    return inner()\n", "", None),
        ("\n    import math\n    from re import match\n    assert x\n    print(x)\n", '"""', None),
        ("\n    return 1\n```\n\nThis is", '"""', "\n    return 1"),
        # The prompt's newline is the stop word's: generation stopped there.
        ("def f(x):\n    return x", '"""\n', ""),
        ("def f(x):\n    return x", '"""', None),
        ("    return 1", '"""\n', None),
        ("", '"""\n', ""),
    ],
)
def test_a_completion_ends_before_the_next_statement_of_the_module(text, after, kept):
    assert cut(text, after=after) == (text if kept is None else kept)


@pytest.mark.parametrize("style", [STRIPPED, AS_IS, EVALPLUS])
def test_no_solution_of_humanevals_own_is_cut_or_taken_for_stalled(style):
    for task in TASKS.values():
        solution = prompt_of(task, style)
        assert cut(solution.rest, stop_words(style), solution.text) == solution.rest
        assert not is_stalled(solution.rest, task.entry_point)


def test_in_a_chat_a_whole_program_ends_with_its_block():
    for task in TASKS.values():
        whole = (task.prompt + task.canonical_solution).strip()
        assert cut(f"{whole}\n```\nIt works.", stop_words(CHAT), "```python\n") == whole


@given(st.lists(st.text(st.characters(codec="ascii", exclude_characters="\n\r"), max_size=8), min_size=1))
def test_indented_lines_are_never_cut(lines):
    body = "".join(f"\n    {line}" for line in lines)
    assert cut(body, STOP_WORDS, '"""') == body


@pytest.mark.parametrize(
    ("completion", "told"),
    [
        ("", True),
        ("\n\n   \n", True),
        ("\n    def f(x):\n        return x", True),
        ("async def f(x): 1", True),
        ("\n    def fine(x):\n        return x", False),
        ("\n    return f(x - 1)", False),
        ("\n    pass", False),
    ],
)
def test_a_completion_is_stalled_where_it_is_empty_or_begins_the_function_anew(completion, told):
    assert is_stalled(completion, "f") is told


def test_more_than_a_tenth_is_a_finding():
    assert finding(16, 164) is None
    assert finding(17, 164).message.startswith("17 of 164 completions are empty or begin the same function anew")
    assert finding(0, 0) is None


def raw(name: str) -> tuple[Sample, ...]:
    file = RAW / f"{name}.jsonl.gz"
    if not file.is_file():
        pytest.skip("the study's samples are not here")
    told = [json.loads(line) for line in gzip.decompress(file.read_bytes()).decode().splitlines()]
    return tuple(Sample(line["task_id"], 0, line["solution"]) for line in told)


def after_prompt(sample: Sample, prompts: dict[str, str]) -> tuple[str, str]:
    """The prompt and what the model added to it. Decoding took spaces out of both, for which prompts are looked at."""
    for text in (prompts[sample.task_id], cleaned(prompts[sample.task_id])):
        if sample.program.startswith(text):
            return text, sample.program.removeprefix(text).removesuffix("<|endoftext|>")
    raise AssertionError(sample.task_id)


def cleaned(text: str) -> str:
    for end in (".", "?", "!", ",", "n't", "'m", "'s", "'ve", "'re"):
        text = text.replace(f" {end}", end)
    return text.replace(" ' ", "'")


@pytest.mark.parametrize("name", ["samples_3b_128", "samples_3b_128_4bit", "samples_3b_128_8bit", "samples_3b_128_1"])
def test_of_the_studys_raw_samples_of_starcoder2_the_finding_is_raised(name):
    """The prompt's newline: the model began another function at once."""
    samples, tasks = raw(name), humaneval_plus()
    prompts = {task.task_id: task.prompt for task in tasks}
    told = {sample.task_id: after_prompt(sample, prompts) for sample in samples}
    count = sum(is_stalled(cut(text, after=before), TASKS[name].entry_point) for name, (before, text) in told.items())
    assert count > 80
    assert finding(count, len(samples)).code == "completions-stalled"
    assert stalled(tasks, samples).code == "completions-stalled"


def test_of_those_of_phi_2_it_is_not():
    tasks = humaneval_plus()
    prompts = {task.task_id: task.prompt for task in tasks}
    for sample in raw("samples_Phi2_128"):
        before, text = after_prompt(sample, prompts)
        assert not is_stalled(cut(text, after=before), TASKS[sample.task_id].entry_point)
    assert stalled(tasks, raw("samples_Phi2_128")) is None


def test_programs_that_do_not_begin_with_their_prompt_are_no_stalled_completions():
    tasks = humaneval_plus(None, ("HumanEval/53",))
    assert stalled(tasks, [Sample("HumanEval/53", 0, "def add(x, y):\n    return x + y\n")]) is None
    assert stalled(tasks, [Sample("HumanEval/53", 0, tasks[0].prompt)]) is not None
    # MBPP's prompts are a text alone: the function is for the model to begin.
    mbpp = replace(tasks[0], prompt='"""Add two numbers."""\n')
    assert stalled([mbpp], [Sample("HumanEval/53", 0, mbpp.prompt + "\ndef add(x, y):\n    return x + y\n")]) is None


@pytest.fixture(scope="module")
def like_llama2() -> Any:
    """A tokenizer that marks words by the space before them and leaves out the first one of a text."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    texts = [task.prompt + task.canonical_solution for task in TASKS.values()]
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=600, special_tokens=["<unk>", "<end>"],
                                                             show_progress=False))  # fmt: skip
    tokenizer.add_special_tokens([AddedToken("<file>", special=True)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        eos_token="<end>",
        clean_up_tokenization_spaces=True,
        clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output=True,
    )


def ids_after(tokenizer: Any, given: Prompt) -> list[int]:
    whole, first = given.solved(tokenizer)
    return whole[first:]


def test_a_completion_keeps_the_space_that_it_begins_with(like_llama2):
    given = Prompt('def f(x):\n    """One."""\n', "", "    return x\n")
    new = ids_after(like_llama2, given)
    assert like_llama2.decode(new).startswith("   return")  # alone, one space is lost, and with it the indentation
    assert text_of(like_llama2, given, new, STOP_WORDS) == "    return x\n"


def test_a_completion_keeps_spaces_before_full_stops(like_llama2):
    given = Prompt("def f(x):\n", "", "    return x.split(' .') , x .y\n")
    new = ids_after(like_llama2, given)
    assert "x .y" not in like_llama2.decode(new)  # what transformers calls cleaning up
    assert text_of(like_llama2, given, new, STOP_WORDS) == given.rest


def test_a_completion_ends_at_a_special_token(like_llama2):
    """StarCoder2 begins another file after <file_sep>, which decoding would leave out without a trace."""
    given = Prompt("def f(x):\n", "", "    return x")
    new = [*ids_after(like_llama2, given), like_llama2.convert_tokens_to_ids("<file>"), *given.ids(like_llama2)]
    assert text_of(like_llama2, given, new, STOP_WORDS) == given.rest
    end = like_llama2.eos_token_id
    assert text_of(like_llama2, given, [end], STOP_WORDS) == text_of(like_llama2, given, [], STOP_WORDS) == ""

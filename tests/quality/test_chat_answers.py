"""A chat model's answers: the program is taken out of its fences, and a score that only tells of the parser says so."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from bench.quality import of_run, sanitise
from bench.quality.evaluate import Judgement
from bench.record.errors import UsageError
from bench.record.schema import Case
from bench.workloads.completions import cut, stop_words, unfenced
from bench.workloads.prompts import CHAT, STRIPPED

PROGRAM = "def has_close_elements(numbers, threshold):\n    return False"
CASE = Case("generation", "m", "r", "fp16", "cpu", 0, batch_size=1, prompts="humaneval", new_tokens=9, cache="dynamic",
            stop="eos", prompt_style=CHAT)  # fmt: skip


def record(*answers, style=CHAT):
    setup = {"tasks": [f"HumanEval/{place}" for place in range(len(answers))], "completions": list(answers)}
    return SimpleNamespace(case=replace(CASE, prompt_style=style), setup=setup)


@pytest.mark.parametrize(
    "answer",
    [
        PROGRAM,
        f"```python\n{PROGRAM}\n```",
        f"```\n{PROGRAM}\n```\nIt works.",
        f"{PROGRAM}\n```",
        f"\n```py\n{PROGRAM}",
        f"Sure! Here it is:\n```python\n{PROGRAM}\n```\nIt works.",
        f"~~~python\n{PROGRAM}\n~~~",
        f"````python\n{PROGRAM}\n````",
        f"``` python\n{PROGRAM}\n```",
        f'```python title="a.py"\n{PROGRAM}\n```',
        f"  ```python\n{PROGRAM}\n```",
        f"```python\n{PROGRAM}\n```".replace("\n", "\r\n"),
        f"\ufeff{PROGRAM}",
        f"{PROGRAM}<|im_end|>",
        f"<|assistant|>\n```python\n{PROGRAM}\n```<|end|>\n<|endoftext|>",
        f"<think>\ndef f(): 1 + 1\n</think>\n```python\n{PROGRAM}\n```",
        f"First:\n```bash\npip install x\n```\nThen:\n```\n{PROGRAM}\n```",
        f"```python\nx = 1\n```\nThen:\n```python\n{PROGRAM}\n```",
        f"{PROGRAM}\n```\nmore",
        f"```python\n{PROGRAM}\n\nif __name__ == '__main__':\n    main()\n```".replace("\n\nif", "\nif"),
    ],
)
def test_what_is_around_a_program_is_no_part_of_it(answer):
    """Each is as evalplus.sanitize has it."""
    assert unfenced(answer) == PROGRAM


@pytest.mark.parametrize(
    "answer",
    [
        '```python\ndef f():\n    """\n    ```\n    f()\n    ```\n    """\n    return 1\n```',
        f"```python\nimport os\n{PROGRAM}\n\n\ndef helper(n):\n    return n\n```",
        f"```python\n{PROGRAM}\n\nprint('done')\n\n\nclass A:\n    pass\n```",
    ],
)
def test_what_is_in_its_block_stays(answer):
    assert unfenced(answer) == answer.removeprefix("```python\n").removesuffix("\n```")


def test_answers_that_nobody_sanitised_and_python_refuses_are_told():
    judged = [Judgement("HumanEval/0", 0, "pass", "pass", ""), Judgement("HumanEval/1", 0, "error", "", "SyntaxError")]
    found = of_run.among_words(judged, CASE, "not: evalplus is not installed")
    assert found is not None
    assert "1 of the 2" in found.message
    assert of_run.among_words(judged, CASE, "evalplus 0.3.1") is None
    assert of_run.among_words(judged[:1], CASE, "not: evalplus is not installed") is None


def test_generation_goes_on_where_a_block_opens_and_ends_where_it_closes():
    words = stop_words(CHAT)
    assert cut(f"```python\n{PROGRAM}\n```\nIt works.", words, "```python\n") == f"```python\n{PROGRAM}"
    told = f"Here it is:\n```python\n{PROGRAM}\n```\nmore"
    assert cut(told, words, "") == told.removesuffix("\n```\nmore")


def test_without_evalplus_it_is_said_and_fences_go(monkeypatch):
    def missing():
        raise UsageError("this needs evalplus")

    monkeypatch.setattr(of_run, "version", missing)
    taken = of_run.take_out([record(f"```python\n{PROGRAM}\n```")])
    assert taken.by == "not: evalplus is not installed"
    (sample,) = of_run.distinct([record(f"```python\n{PROGRAM}\n```")], taken)
    assert sample.program == PROGRAM


def test_evalplus_takes_out_what_stands_in_the_middle(monkeypatch):
    def stand_in(samples, entry_points):
        assert entry_points["HumanEval/0"] == "has_close_elements"
        return sanitise.Sanitised(tuple(replace(one, program=PROGRAM) for one in samples), len(samples), 0, "it")

    monkeypatch.setattr(of_run, "version", lambda: "evalplus 0.3.1")
    monkeypatch.setattr(of_run, "sanitise", stand_in)
    told = record(f"Here it is:\n```python\n{PROGRAM}\n```", "Here too")
    taken = of_run.take_out([told])
    assert taken.by == "evalplus 0.3.1"
    assert [one.program for one in of_run.distinct([told], taken)] == [PROGRAM, PROGRAM]
    assert of_run.take_out([record("x", style=STRIPPED)]) == of_run.TakenOut()


def test_the_real_one_does():
    pytest.importorskip("evalplus")
    if not sanitise._imports():
        pytest.skip("evalplus is installed but cannot be imported")
    told = record(f"Here it is:\n```python\n{PROGRAM}\n```\nIt works.")
    (sample,) = of_run.distinct([told], of_run.take_out([told]))
    assert sample.program.strip() == PROGRAM


@pytest.mark.parametrize(
    ("whys", "said"),
    [
        (("input 0: SyntaxError", "input 0: IndentationError"), True),
        (("input 0: SyntaxError", "input 0: NameError"), False),
        (("input 0: SyntaxError", ""), False),
        ((), False),
    ],
)
def test_a_score_of_syntax_errors_alone_says_why(whys, said):
    judged = [
        Judgement(f"HumanEval/{n}", 0, "pass" if not why else "error", "not run", why) for n, why in enumerate(whys)
    ]
    for style, remedy in ((CHAT, "bitledger[quality]"), (STRIPPED, "--prompt-style chat")):
        found = of_run.unreadable(judged, replace(CASE, prompt_style=style))
        assert (found is not None) == said
        if found is not None:
            assert remedy in found.remedy and found.code == "only-syntax-errors"

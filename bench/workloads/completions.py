"""Where what a model adds to a prompt ends, and whether it can be a solution. Text only: no torch, nothing executed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bench.record.schema import Finding
from bench.record.suggested import quoted
from bench.workloads.prompts import CHAT

# What begins a new top-level statement after the function: EvalPlus's list for direct completion; and a fence of
# Markdown, in which some models end a function.
STOP_WORDS = ("\nif __name__", "\ndef ", "\nclass ", "\nprint(", "\nimport ", "\nfrom ", "\nassert ", "\n```")
# A whole program is made of such statements: only the end of its block ends it, or its main part. A fence with a word
# after it opens a block.
CHAT_STOP_WORDS = ("\n```\n", "\nif __name__")
MOST_STALLED = 0.1
# A block of Markdown, to its closing fence or the end; the languages of blocks that hold no program; marks of a chat's
# turns, and thoughts.
_BLOCK = re.compile(
    r"^(?P<indent>[ \t]*)(?P<fence>`{3,}|~{3,})[ \t]*(?P<language>[\w+-]*)[^\n`]*\n(?P<program>.*?)"
    r"(?:^(?P=indent)?(?P=fence)[ \t]*$|\Z)",
    re.DOTALL | re.MULTILINE,
)
_NO_PROGRAM = ("bash", "sh", "shell", "console", "text", "json", "output")
_AROUND = re.compile(r"\A(?:\s*<\|[^|>\n]*\|>)*(?:\s*<think>.*?</think>)?|(?:(?:<\|[^|>\n]*\|>|</s>)\s*)+\Z", re.DOTALL)
_DEFINES = re.compile(r"^[ \t]*(?:async )?def \w", re.MULTILINE)


def stop_words(style: str) -> tuple[str, ...]:
    """Those of a prompt style."""
    return CHAT_STOP_WORDS if style == CHAT else STOP_WORDS


def cut(text: str, words: Sequence[str] = STOP_WORDS, after: str = "") -> str:
    """``text`` up to the first stop word. A newline at the end of ``after``, what stands before the text, is part of
    one: generation stops there too."""
    line_start = after.endswith("\n")
    whole = "\n" * line_start + text
    end = min((place for word in words if (place := whole.find(word)) >= 0), default=len(whole))
    return whole[line_start : max(end, line_start)]


def unfenced(text: str) -> str:
    """The program in a chat model's answer, by its fences alone: of its blocks and what stands before them the longest
    that defines a function. One among words without a fence stays so: taking it out is EvalPlus's business
    (bench/quality/sanitise.py)."""
    answer = _AROUND.sub("", text.replace("\r\n", "\n").removeprefix("\ufeff"))
    blocks = list(_BLOCK.finditer(answer))
    before = answer[: blocks[0].start()] if blocks else answer
    inside = [found["program"] for found in blocks if found["language"].lower() not in _NO_PROGRAM]
    program = max((before, *inside), key=lambda part: (bool(_DEFINES.search(part)), len(part)))
    return cut(program.removesuffix("\n") if blocks else program, ("\n```", *CHAT_STOP_WORDS))


def stalled(completion: str, entry_point: str) -> bool:
    """Whether the completion, cut already, is empty, or begins the task's own function anew instead of its body."""
    return not completion.strip() or bool(re.match(rf"\s*(async\s+)?def\s+{re.escape(entry_point)}\b", completion))


def finding(count: int, tasks: int) -> Finding | None:
    """``count`` of ``tasks`` completions are stalled: more than a tenth is no matter of a hard task here or there."""
    if count <= MOST_STALLED * tasks:
        return None
    return Finding(
        "completions-stalled",
        "warning",
        f"{count} of {tasks} completions are empty or begin the same function anew: the score may be about how the "
        "prompt ends, not about the model",
        remedy=f"give the prompts in another style: {quoted('run --prompt-style')} records which ones the "
        "tokenizer can continue",
    )

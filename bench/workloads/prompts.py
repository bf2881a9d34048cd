"""HumanEval, read from the file that travels with the package; how a task's prompt is given to a model, and what the
model adds becomes a program again. Nothing of it is executed here. No torch.

HumanEval's prompts end in a newline. Many vocabularies join that newline with the next line's indentation into one
token, so that a prompt's last token never stood before a function body in training: StarCoder2 then begins a new
function. Whether a prompt can be gone on with is a matter of the tokenizer alone, and is checked with it: the prompt's
tokens must begin the tokens of prompt and solution together.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from bench.record.errors import UsageError
from bench.record.packed import unpacked
from bench.record.schema import Case, Finding
from bench.workloads.sources import data_folder

# The prompt as it is was the only style while records named none: a Case without prompt_style has it.
STRIPPED, AS_IS, EVALPLUS, CHAT = "stripped", "as-is", "evalplus", "chat"
STYLES: Mapping[str, str] = {
    STRIPPED: "without white space at its ends, as the BigCode harness gives it",
    AS_IS: "as HumanEval has it, with its last newline",
    EVALPLUS: "stripped, and one newline, as EvalPlus gives it to a model without a chat template",
    CHAT: "in the tokenizer's chat template with EvalPlus's instruction; the model writes the whole program",
}
DEFAULT = STRIPPED
ENOUGH = 0.95

# EvalPlus 0.3.1 (codegen.py, provider/utility.py).
_ASK = "Please provide a self-contained Python script that solves the following problem in a markdown code block:"
_ANSWER = (
    "Below is a Python script with a self-contained function that solves the problem and passes corresponding tests:"
)
_HERE = "-[[]]-the-program-stands-here-[[]]-"


@dataclass(frozen=True)
class Task:
    """One HumanEval task. ``prompt + canonical_solution`` is a whole program; ``test`` defines ``check(candidate)``."""

    task_id: str
    prompt: str
    canonical_solution: str
    test: str
    entry_point: str


FIELDS = tuple(item.name for item in fields(Task))


def shipped() -> Path:
    """The HumanEval file of the package (origin and checksum: bench/data/README.md)."""
    return data_folder() / "human-eval" / "HumanEval.jsonl.gz"


def humaneval(path: str | Path | None = None) -> tuple[Task, ...]:
    """The tasks of a HumanEval-style JSON-lines file (plain or gzip), in file order; without a path, the shipped 164.

    Fields beyond the five of ``Task`` are ignored, so that HumanEval+ files read too.
    Raises UsageError, naming the file and the line, when the file is missing, damaged, empty or not HumanEval.
    """
    file = shipped() if path is None else Path(path)
    tasks = tuple(_task(line, where) for where, line in lines_of(file, "HumanEval"))
    if not tasks:
        raise UsageError(f"{file} has no tasks: give a HumanEval .jsonl or .jsonl.gz file")
    if len({task.task_id for task in tasks}) < len(tasks):
        raise UsageError(f"{file} has the same task_id twice: remove one of the lines")
    return tasks


def lines_of(file: Path, what: str) -> Iterator[tuple[str, str]]:
    """(where it stands, line) for each line of a text file, plain or gzip, that is not blank.

    Raises UsageError, naming the file and ``what`` it should hold, when it is missing or damaged.
    """
    # Not splitlines: a text within JSON may hold U+2028 and other line ends that end no line.
    for number, line in enumerate(_text(file, what).split("\n"), 1):
        if line.strip():
            yield f"{file}, line {number}", line


def _text(file: Path, what: str) -> str:
    try:
        return unpacked(file.read_bytes()).decode()
    except OSError as error:
        raise UsageError(f"cannot read the {what} file {file}: {error.strerror}") from error
    except ValueError as error:
        raise _damaged(file, error) from error


def _damaged(file: Path, error: Exception) -> UsageError:
    return UsageError(f"{file} is damaged ({error}): copy it again from where it came")


def _task(line: str, where: str) -> Task:
    try:
        document: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where}: not JSON ({error}): give a HumanEval .jsonl or .jsonl.gz file") from error
    values: dict[str, Any] = {name: document.get(name) for name in FIELDS} if isinstance(document, dict) else {}
    wrong = [name for name in FIELDS if not isinstance(values.get(name), str)]
    if wrong:
        raise UsageError(f"{where}: no text field {wrong[0]!r}: give a HumanEval .jsonl or .jsonl.gz file")
    return Task(**values)


@dataclass(frozen=True)
class Prompt:
    """``text`` is what the model is given, ``again`` what of the task's prompt it must then write itself, and ``rest``
    how the task's own solution goes on. ``templated``: the text holds its special tokens already."""

    text: str
    again: str
    rest: str
    templated: bool = False

    def ids(self, tokenizer: Any) -> list[int]:
        """The tokens that the model is given."""
        return _ids(tokenizer, self.text, self.templated)

    def solved(self, tokenizer: Any) -> tuple[list[int], int]:
        """The tokens of the text with the task's own solution, and the place of the first that is the solution's."""
        before = _ids(tokenizer, self.text + self.again, self.templated)
        whole = _ids(tokenizer, self.text + self.again + self.rest, self.templated)
        pairs = zip(before, whole, strict=False)
        return whole, next((place for place, (one, other) in enumerate(pairs) if one != other), len(before))

    def continues(self, tokenizer: Any) -> bool:
        """Whether the tokens of the text begin those of the text with the solution."""
        given, (whole, _) = self.ids(tokenizer), self.solved(tokenizer)
        return whole[: len(given)] == given


def style_of(case: Case) -> str:
    """The style of a Case with HumanEval's prompts."""
    return case.prompt_style or AS_IS


def prompt_of(task: Task, style: str, tokenizer: Any = None) -> Prompt:
    """The task's prompt in a style. Raises UsageError where a chat is asked for and the tokenizer has no template for
    one."""
    bare = task.prompt.strip()
    rest = task.prompt[len(task.prompt.rstrip()) :] + task.canonical_solution
    if style == STRIPPED:
        return Prompt(bare, "", rest)
    if style == EVALPLUS:
        return Prompt(f"{bare}\n", "", rest.removeprefix("\n"))
    if style == CHAT:
        return Prompt(_chat(bare, tokenizer), bare, rest, templated=True)
    return Prompt(task.prompt, "", task.canonical_solution)


def program(prompt_text: str, style: str, completion: str) -> str:
    """What is judged. ``prompt_text``: the task's own prompt, as it is."""
    before = {STRIPPED: prompt_text.strip(), EVALPLUS: f"{prompt_text.strip()}\n", CHAT: ""}
    return before.get(style, prompt_text) + completion


def continued_shares(tasks: Sequence[Task], tokenizer: Any) -> dict[str, float]:
    """Style → share of the tasks' prompts that can be gone on with. Without a usable chat template there is no chat."""
    found = {style: _share(tasks, style, tokenizer) for style in STYLES if style != CHAT}
    with contextlib.suppress(UsageError):
        found[CHAT] = _share(tasks, CHAT, tokenizer)
    return found


def style_finding(style: str, found: Mapping[str, float]) -> Finding | None:
    """What is amiss with a style; ``found``: shares of all styles."""
    if found[style] >= ENOUGH:
        return None
    best = max(found, key=lambda name: found[name])
    known = ", ".join(f"{name} {100 * share:.0f} %" for name, share in found.items())
    reached = found[best] >= ENOUGH
    return Finding(
        "prompts-not-continued",
        "warning",
        f"{100 * (1 - found[style]):.0f} % of the prompts end in a token that this tokenizer never puts before the "
        "solution: pass@1 may be about that, not about the model",
        f"share of prompts whose tokens begin those of prompt and solution, by prompt style: {known}",
        f"--prompt-style {best}"
        if reached
        else "none of the styles reaches 95 %: choose the highest, or another model",
    )


def _ids(tokenizer: Any, text: str, templated: bool) -> list[int]:
    return list(tokenizer(text, add_special_tokens=not templated)["input_ids"])


def _share(tasks: Sequence[Task], style: str, tokenizer: Any) -> float:
    return sum(prompt_of(task, style, tokenizer).continues(tokenizer) for task in tasks) / len(tasks)


def _chat(bare: str, tokenizer: Any) -> str:
    if not getattr(tokenizer, "chat_template", None):
        raise UsageError(f"this model's tokenizer has no chat template: use --prompt-style {DEFAULT}")
    messages = [
        {"role": "user", "content": f"{_ASK}\n```\n{bare}\n```\n"},
        {"role": "assistant", "content": f"{_ANSWER}\n```python\n{_HERE}\n```\n"},
    ]
    try:
        text, mark, _ = tokenizer.apply_chat_template(messages, tokenize=False).partition(_HERE)
    except Exception as error:  # a template is a program of the model's: it may raise what it likes
        raise UsageError(f"this model's chat template fails ({error}): use another --prompt-style") from error
    if not mark:
        raise UsageError("this model's chat template leaves the assistant's words out: use another --prompt-style")
    return str(text)

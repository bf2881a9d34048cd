"""Programs that a model writes for HumanEval's tasks, for pass@1: greedy, one task at a time. Nothing is executed here.

The prompt is given in the Case's style (prompts.py). Generation stops at end of text, at a stop word
(completions.py) or at the Case's limit of new tokens; the text is then cut at the first stop word or special token.
Beside the program: what tells how far an arm is from the reference where no test passes (its tokens, how much it
repeats itself, and the likelihood of the task's own solution).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any

from bench.instruments.timing import DeviceClock
from bench.models.architecture import positions
from bench.record.errors import UsageError
from bench.record.schema import Finding, Record, metric
from bench.workloads import completions
from bench.workloads.annotation import Tools
from bench.workloads.outcome import Outcome
from bench.workloads.prompts import (
    Prompt,
    Task,
    continued_shares,
    humaneval,
    program,
    prompt_of,
    style_finding,
    style_of,
)
from bench.workloads.session import Session, produced
from bench.workloads.sources import SMOKE, data_folder

INSTRUMENT = "samples"
NGRAM = 4


def memorised() -> tuple[str, ...]:
    """The tasks that the smoke model was trained on."""
    record = json.loads((data_folder() / "smoke-model" / "training-record.json").read_text())
    return tuple(record["dataset"]["model_trained_on"])


def chosen_tasks(model: str, count: int | None) -> tuple[Task, ...]:
    """The first ``count`` tasks (None: all) of HumanEval, or, for the smoke model, of those that it was trained on."""
    known = frozenset(memorised()) if model == SMOKE else None
    tasks = [task for task in humaneval() if known is None or task.task_id in known]
    if count is not None and count < 1:
        raise UsageError("--tasks must be at least 1")
    return tuple(tasks[:count])


def repetition_rate(tokens: Sequence[int]) -> float:
    """Share of the n-grams of ``tokens``, n = NGRAM, that stood before: 1 − distinct ÷ all; 0 for fewer than n + 1."""
    grams = [tuple(tokens[place : place + NGRAM]) for place in range(len(tokens) - NGRAM + 1)]
    return 1 - len(set(grams)) / len(grams) if len(grams) > 1 else 0.0


def samples(session: Session, options: Mapping[str, Any], _tools: Tools) -> Outcome:
    """Greedy completions of the chosen tasks, with seconds and tokens for each."""
    case, loaded = session.case, session.loaded
    if loaded.tokenizer is None:
        why = "has random weights" if case.model.startswith("shape:") else "was given no tokenizer"
        return Outcome(case, INSTRUMENT, "skipped", f"{case.model} {why}: nothing to judge")
    tasks = chosen_tasks(case.model, options.get("tasks"))
    style = style_of(case)
    prompts = [prompt_of(task, style, loaded.tokenizer) for task in tasks]
    clock, stop = DeviceClock(case.device), _stop_words(loaded.tokenizer, style)
    _complete(session, prompts[0], stop)  # warm-up
    seconds, tokens, texts = [], [], []
    met = session.lengths.first_visits
    for prompt in prompts:
        start = clock.now()
        ids = _complete(session, prompt, stop)
        seconds.append(clock.now() - start)
        tokens.append(ids)
        texts.append(text_of(loaded.tokenizer, prompt, ids, completions.stop_words(style)))
    metrics = (
        metric("generate_time", seconds),
        metric("tokens_generated", [len(ids) for ids in tokens]),
        metric("repetition_rate", [repetition_rate(ids) for ids in tokens]),
        metric("negative_log_likelihood", [_surprise(session, prompt) for prompt in prompts]),
    )
    shares = continued_shares(tasks, loaded.tokenizer)
    setup = {
        "tasks": [task.task_id for task in tasks],
        "completions": texts,
        "tokens": tokens,
        "prompt_style": style,
        "prompts_continued": shares,
        "stop_words": list(completions.stop_words(style)),
        "most_new_tokens": case.new_tokens,
        "first_visits": session.lengths.first_visits - met,
    }
    findings = (style_finding(style, shares), _stalled(tasks, texts))
    return Outcome(case, INSTRUMENT, setup=setup, metrics=metrics, findings=tuple(filter(None, findings)))


def _stalled(tasks: Sequence[Task], texts: Sequence[str]) -> Finding | None:
    pairs = zip(tasks, texts, strict=True)
    count = sum(completions.stalled(text, task.entry_point) for task, text in pairs)
    return completions.finding(count, len(tasks))


def _stop_words(tokenizer: Any, style: str) -> list[Any]:
    """What ends a generation at a stop word. Made once for all tasks: generate() makes one of its own in each call,
    which looks through the whole vocabulary: 1.3 s for the 49,152 tokens of StarCoder2."""
    from transformers import StopStringCriteria

    return [StopStringCriteria(tokenizer, list(completions.stop_words(style)))]


def _complete(session: Session, prompt: Prompt, stop: list[Any]) -> list[int]:
    """The new token ids for a prompt, the last of them what ended it. ``stop``: what may end it."""
    import torch

    loaded, case = session.loaded, session.case
    given = torch.tensor([prompt.ids(loaded.tokenizer)], device=loaded.model.device)
    length = given.shape[1]
    limit = positions(loaded.model.config)
    if limit is not None and length + (case.new_tokens or 0) > limit:
        raise UsageError(
            f"a prompt of {length} tokens and {case.new_tokens} new ones exceed the {limit} positions of {case.model}: "
            "use fewer --new-tokens"
        )
    with torch.inference_mode():
        out = loaded.model.generate(
            input_ids=given,
            attention_mask=torch.ones_like(given),
            max_new_tokens=case.new_tokens,
            do_sample=False,
            num_beams=1,
            disable_compile=True,
            pad_token_id=int(loaded.tokenizer.pad_token_id),
            stopping_criteria=stop,
        )[:, length:]
    session.lengths.visit(replace(case, batch_size=1, cache="dynamic"), length, out.shape[1] - 1)
    ids: list[int] = out[0, : produced(out, loaded.model.generation_config.eos_token_id)].tolist()
    return ids


def text_of(tokenizer: Any, prompt: Prompt, ids: Sequence[int], words: Sequence[str]) -> str:
    """What the new tokens add to the prompt, up to the first special token or stop word.

    Decoded together with the prompt, because some tokenizers leave out a space where a text begins; and as it is,
    because transformers may else take spaces out before full stops and commas, which changes programs.
    """
    special = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    new = list(takewhile(lambda number: number not in special, ids))

    def decoded(numbers: Sequence[int]) -> str:
        return str(tokenizer.decode(numbers, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    given = prompt.ids(tokenizer)
    before, whole = decoded(given), decoded([*given, *new])
    text = whole.removeprefix(before) if whole.startswith(before) else decoded(new)
    return completions.cut(text, words, after=prompt.text)


def _surprise(session: Session, prompt: Prompt) -> float:
    """Mean −log p of the tokens of the task's own solution after its prompt, nats per token."""
    import torch

    loaded = session.loaded
    whole, first = prompt.solved(loaded.tokenizer)
    ids = torch.tensor([whole], device=loaded.model.device)
    with torch.inference_mode():
        logits = loaded.model(input_ids=ids).logits[0, first - 1 : -1].float()
    return float(torch.nn.functional.cross_entropy(logits, ids[0, first:]))


def for_evalplus(record: Record) -> str:
    """The samples of a record as EvalPlus reads them: JSON lines with task_id and solution."""
    known, style = {task.task_id: task for task in humaneval()}, style_of(record.case)
    pairs = zip(record.setup["tasks"], record.setup["completions"], strict=True)
    lines = [{"task_id": task_id, "solution": program(known[task_id].prompt, style, text)} for task_id, text in pairs]
    return "".join(json.dumps(line) + "\n" for line in lines)

"""Programs that a model writes for HumanEval's tasks, for pass@1: greedy, one task at a time. Nothing is executed here.

The prompt is the task's own, as it is. Generation stops at end of text, at one of STOP_WORDS or at the Case's limit of
new tokens; the text is then cut at the first stop word. Beside the program: what tells how far an arm is from the
reference where no test passes (its tokens, how much it repeats itself, and the likelihood of the task's own solution).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bench.instruments.timing import DeviceClock
from bench.record.errors import UsageError
from bench.record.schema import metric
from bench.workloads.annotation import Tools
from bench.workloads.outcome import Outcome
from bench.workloads.prompts import Task, humaneval
from bench.workloads.session import Session, produced
from bench.workloads.sources import SMOKE, data_folder

INSTRUMENT = "samples"
# What begins a new top-level statement after the function: EvalPlus's list for direct completion.
STOP_WORDS = ("\nif __name__", "\ndef ", "\nclass ", "\nprint(", "\nimport ", "\nfrom ", "\nassert ")
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


def cut(text: str) -> str:
    """``text`` up to the first stop word."""
    ends = [place for word in STOP_WORDS if (place := text.find(word)) >= 0]
    return text[: min(ends)] if ends else text


def repetition_rate(tokens: Sequence[int], n: int = NGRAM) -> float:
    """Share of the n-grams of ``tokens`` that stood before: 1 − distinct ÷ all; 0 for fewer than n + 1 tokens."""
    grams = [tuple(tokens[place : place + n]) for place in range(len(tokens) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if len(grams) > 1 else 0.0


def samples(session: Session, options: Mapping[str, Any], _tools: Tools) -> Outcome:
    """Greedy completions of the chosen tasks, with seconds and tokens for each."""
    case, loaded = session.case, session.loaded
    if loaded.tokenizer is None:
        return Outcome(
            case, INSTRUMENT, "skipped", f"{case.model} has random weights and no tokenizer: nothing to judge"
        )
    tasks = chosen_tasks(case.model, options.get("tasks"))
    clock = DeviceClock(case.device)
    _complete(session, tasks[0])  # warm-up
    seconds, tokens, texts = [], [], []
    met = session.lengths.first_visits
    for task in tasks:
        start = clock.now()
        ids = _complete(session, task)
        seconds.append(clock.now() - start)
        tokens.append(ids)
        texts.append(cut(loaded.tokenizer.decode(ids, skip_special_tokens=True)))
    metrics = (
        metric("generate_time", seconds),
        metric("tokens_generated", [len(ids) for ids in tokens]),
        metric("repetition_rate", [repetition_rate(ids) for ids in tokens]),
        metric("negative_log_likelihood", [_surprise(session, task) for task in tasks]),
    )
    setup = {
        "tasks": [task.task_id for task in tasks],
        "completions": texts,
        "tokens": tokens,
        "prompt": "the task's own, as it is",
        "stop_words": list(STOP_WORDS),
        "most_new_tokens": case.new_tokens,
        "first_visits": session.lengths.first_visits - met,
    }
    return Outcome(case, INSTRUMENT, setup=setup, metrics=metrics)


def _complete(session: Session, task: Task) -> list[int]:
    """The new token ids for a task's prompt, the last of them what ended it."""
    import torch

    loaded, case = session.loaded, session.case
    encoded = loaded.tokenizer([task.prompt], return_tensors="pt")
    inputs = {name: encoded[name].to(loaded.model.device) for name in ("input_ids", "attention_mask")}
    length = inputs["input_ids"].shape[1]
    limit = loaded.model.config.max_position_embeddings
    if length + (case.new_tokens or 0) > limit:
        raise UsageError(
            f"{task.task_id} has {length} tokens: with {case.new_tokens} new ones more than {limit} positions"
        )
    with torch.inference_mode():
        out = loaded.model.generate(
            **inputs,
            max_new_tokens=case.new_tokens,
            do_sample=False,
            num_beams=1,
            disable_compile=True,
            pad_token_id=int(loaded.tokenizer.pad_token_id),
            stop_strings=list(STOP_WORDS),
            tokenizer=loaded.tokenizer,
        )[:, length:]
    session.lengths.visit(replace(case, batch_size=1, cache="dynamic"), length, out.shape[1] - 1)
    ids: list[int] = out[0, : produced(out, loaded.model.generation_config.eos_token_id)].tolist()
    return ids


def _surprise(session: Session, task: Task) -> float:
    """Mean −log p of the tokens of the task's own solution after its prompt, nats per token."""
    import torch

    loaded = session.loaded
    before = loaded.tokenizer([task.prompt], return_tensors="pt")["input_ids"].shape[1]
    ids = loaded.tokenizer([task.prompt + task.canonical_solution], return_tensors="pt")["input_ids"]
    ids = ids.to(loaded.model.device)
    with torch.inference_mode():
        logits = loaded.model(input_ids=ids).logits[0, before - 1 : -1].float()
    return float(torch.nn.functional.cross_entropy(logits, ids[0, before:]))


def program(task: Task, completion: str) -> str:
    """What is judged."""
    return task.prompt + completion


def for_evalplus(setup: Mapping[str, Any]) -> str:
    """The samples of a record as EvalPlus reads them: JSON lines with task_id and solution."""
    known = {task.task_id: task for task in humaneval()}
    pairs = zip(setup["tasks"], setup["completions"], strict=True)
    lines = [{"task_id": task_id, "solution": program(known[task_id], text)} for task_id, text in pairs]
    return "".join(json.dumps(line) + "\n" for line in lines)

"""Measures one Case under one intervention (or none, which the others are set against), in a process of its own.

Timed as the plain run is, with nothing watching. What the model then says is kept, so that an intervention that
changes the output is found out: the tokens of every call, and the first prompt's logits at fixed places.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.instruments.memory import MemoryWatch
from bench.record.errors import MeasurementError
from bench.record.schema import Case, Metric, metric
from bench.workloads import graphed, models, patches
from bench.workloads.batches import make_batches
from bench.workloads.calls import call_metrics, warm_up
from bench.workloads.interventions import Intervention, changed_arm, parse
from bench.workloads.outcome import Outcome
from bench.workloads.schemes import Arm, arm
from bench.workloads.session import Session
from bench.workloads.sources import Source

INSTRUMENT = "intervention"
LOGITS_KEPT = 256


def run(source: Source, case: Case, options: Mapping[str, Any]) -> Iterator[Outcome]:
    """The outcome of one Case. An intervention that does not fit the model is skipped, with the reason."""
    chosen = parse(case.intervention or "none")
    changed = changed_arm(arm(case.scheme), chosen)
    models.require_device(case.device)
    unfit = _unfit(source, changed)
    if unfit:
        yield Outcome(case, INSTRUMENT, "skipped", unfit)
        return
    with MemoryWatch(case.device, uuid=models.gpu_uuid(case.device)) as loading:
        loaded = models.load(source, changed, case.device, case.seed, case.dropped_layers)
    for item in chosen:
        if item.patch in patches.PATCHES:
            patches.apply(loaded.model, item.patch)
    models.check(loaded, changed, case.device)
    session = Session(case, loaded, make_batches(case, loaded, options["calls"]))
    graph = any(item.cuda_graph for item in chosen)
    metrics, tokens = _graphed(session) if graph else _timed(session, options)
    peak = loading.peak()
    metrics += [metric("model_footprint", models.footprint(loaded.model))]
    metrics += [metric("memory_load_peak", peak)] if peak is not None else []
    setup = _setup(session, changed, chosen, options) | {"output": {"tokens": tokens, "logits": _logits(session)}}
    yield Outcome(case, INSTRUMENT, setup=setup, metrics=tuple(metrics))


def _unfit(source: Source, changed: Arm) -> str:
    width = int(models.config_of(source).hidden_size)
    if changed.planted_columns > width:
        return f"{changed.planted_columns} columns cannot be planted: the model has {width} hidden dimensions"
    return ""


def _setup(
    session: Session, changed: Arm, chosen: Sequence[Intervention], options: Mapping[str, Any]
) -> dict[str, Any]:
    import torch

    told = [{"name": i.name, "sense": i.sense, "cause": i.cause, "removes": list(i.removes)} for i in chosen]
    return {
        "arm": changed.facts(),
        "model": session.loaded.facts,
        "interventions": told,
        "options": dict(options),
        "threads": torch.get_num_threads(),
        "attention_switches": models.attention_switches(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
    }


def _timed(session: Session, options: Mapping[str, Any]) -> tuple[list[Metric], list[Any]]:
    warmed = warm_up(session, {**options, "warmup_calls": max(options["warmup_calls"], 1)})
    calls, tokens = [], []
    for batch in session.batches:
        calls.append(session.generate(batch))
        tokens.append(session.last_tokens())
    return call_metrics(calls, warmed.first) + warmed.metrics(), tokens


def _graphed(session: Session) -> tuple[list[Metric], list[Any]]:
    """Every batch by replaying a captured step; prefill is not timed."""
    case = session.case
    decoded = [graphed.decode(session.loaded.model, b, case.new_tokens or 0, case.device) for b in session.batches]
    steps = [step for item in decoded for step in item.steps]
    if not steps:
        raise MeasurementError("a captured step was never replayed: use more --new-tokens")
    metrics = [
        metric("inter_token_latency", steps),
        metric("decode_steps", [len(item.steps) for item in decoded]),
        metric("tokens_generated", [sum(map(len, item.tokens)) for item in decoded]),
        metric("prompt_length", [batch.prompt_length for batch in session.batches]),
    ]
    return metrics, [item.tokens for item in decoded]


def _logits(session: Session) -> list[float]:
    """The logits after the first prompt at LOGITS_KEPT evenly spaced entries of the vocabulary, [batch row 0]."""
    import torch

    with torch.inference_mode():
        logits = session.loaded.model(**session.batches[0].inputs).logits[0, -1].float()
    places = torch.linspace(0, logits.numel() - 1, min(LOGITS_KEPT, logits.numel())).long().to(logits.device)
    values: list[float] = logits[places].tolist()
    return values

"""Measures one Case under one intervention (or none, which the others are set against), in a process of its own.

Timed as the plain run is, with nothing watching. An intervention proves that it changed what it says, and one that
claims the same output is held to it (same_tokens.py): otherwise its Record is a failed one. What the model then says
is kept: the tokens of every call, and the first prompt's logits at fixed places.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bench.instruments.memory import MemoryWatch
from bench.interventions import graphed, patches, same_tokens
from bench.interventions.same_tokens import Tokens
from bench.interventions.table import NONE, Claim, Intervention, changed_arm, claim_of, parse
from bench.models.architecture import text_config
from bench.record.errors import MeasurementError
from bench.record.schema import Case, Finding, Metric, metric
from bench.schemes import Arm, arm, linear_kernels
from bench.workloads import identity, models
from bench.workloads.batches import make_batches
from bench.workloads.configuration import config_of
from bench.workloads.outcome import Outcome
from bench.workloads.session import Session, call_metrics, warm_up
from bench.workloads.sources import Source

INSTRUMENT = "intervention"
LOGITS_KEPT = 256


def run(source: Source, case: Case, options: Mapping[str, Any]) -> Iterator[Outcome]:
    """The outcome of one Case. An intervention that does not fit the arm, device or model is skipped, with the
    reason; one that changed nothing raises MeasurementError; one that claims the same tokens and gave others fails."""
    chosen = parse(case.intervention or NONE)
    changed = changed_arm(arm(case.scheme), chosen)
    models.require_device(case.device)
    unfit = _unfit(source, case, changed, chosen)
    if unfit:
        yield Outcome(case, INSTRUMENT, "skipped", unfit)
        return
    with MemoryWatch(case.device, uuid=models.gpu_uuid(case.device)) as loading:
        loaded = models.load(source, changed, case.device, case.seed, case.dropped_layers)
    if loaded.arm is not None:
        # This model's head by its own name, and the class that loaded it.
        changed = replace(changed, not_converted=loaded.arm.not_converted, loaded_by=loaded.arm.loaded_by)
    identity.check(loaded.model, loaded.facts, changed)
    packed = any(map(linear_kernels.packs, linear_kernels.linears_4bit(loaded.model)))
    idle = [f"{item.name} tests nothing on this CPU: {item.idle_on_packed}" for item in chosen if item.idle_on_packed]
    if packed and idle:
        yield Outcome(case, INSTRUMENT, "skipped", "; ".join(idle))
    else:
        yield _measured(case, loaded, loading, changed, chosen, options)


def _measured(
    case: Case,
    loaded: models.LoadedModel,
    loading: MemoryWatch,
    changed: Arm,
    chosen: Sequence[Intervention],
    options: Mapping[str, Any],
) -> Outcome:
    """Patched, timed, and then held to what was claimed."""
    packed = any(map(linear_kernels.packs, linear_kernels.linears_4bit(loaded.model)))
    applied = [patches.apply(loaded.model, item.patch) for item in chosen if item.patch]
    models.check_logits(loaded, changed, case.device)
    session = Session(case, loaded, make_batches(case, loaded, options["calls"]))
    graph = any(item.cuda_graph for item in chosen)
    metrics, tokens = _graphed(session) if graph else _timed(session, options)
    if any(len(call) != (case.batch_size or 1) for call in tokens):
        raise MeasurementError(
            f"batches of {case.batch_size} were asked for, but a call gave {len(tokens[0])} sequences"
        )
    peak = loading.peak()
    metrics += [metric("model_footprint", models.footprint(loaded.model))]
    metrics += [metric("memory_load_peak", peak)] if peak is not None else []
    output = {"tokens": tokens, "logits": logits(session)}
    facts = setup(session, changed, chosen, applied, packed, options) | {"output": output}
    findings = _findings(loaded, changed, chosen, packed)
    outcome = Outcome(case, INSTRUMENT, setup=facts, metrics=tuple(metrics), findings=findings)
    return _held_to_claims(outcome, session, chosen, applied)


def _unfit(source: Source, case: Case, changed: Arm, chosen: Sequence[Intervention]) -> str:
    """Why the interventions mean nothing here; "" where they do."""
    for item in chosen:
        if not item.fits(arm(case.scheme), case.device):
            return f"{item.name} changes nothing of {case.scheme} on {case.device}"
        if item.one_row and (case.batch_size or 1) > 1:
            return f"{item.name} is about products with one row: it changes nothing in batches of {case.batch_size}"
        if item.cuda_graph and case.stop != "length":
            return f"{item.name} cannot stop at an end of text: force the number of new tokens"
    width = int(text_config(config_of(source)).hidden_size)
    if changed.planted_columns > width:
        return f"{changed.planted_columns} columns cannot be planted: the model has {width} hidden dimensions"
    return ""


def setup(
    session: Session,
    changed: Arm,
    chosen: Sequence[Intervention],
    applied: Sequence[patches.Applied],
    packed: bool,
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """What a Record's ``setup`` says of a changed arm. ``packed``: whether 4-bit weights lie as bitsandbytes packs them
    anew for the CPU."""
    import torch

    return {
        "arm": changed.facts(),
        "model": session.loaded.facts,
        "interventions": [_intervention_document(item, packed) for item in chosen],
        "patched": {item.name: item.changed for item in applied},
        "options": dict(options),
        "threads": torch.get_num_threads(),
        "attention_switches": models.attention_switches(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
    } | _proven_cache(session, chosen)


def _intervention_document(item: Intervention, packed: bool) -> dict[str, Any]:
    """An intervention for the record; ``packed``: bitsandbytes packs the 4-bit weights here."""
    cause = f"{item.cause} ({item.on_packed})" if packed and item.on_packed else item.cause
    return {
        "name": item.name, "sense": item.sense, "cause": cause, "removes": list(item.removes), "claims": item.claims,
    }  # fmt: skip


def _findings(
    loaded: models.LoadedModel, changed: Arm, chosen: Sequence[Intervention], packed: bool
) -> tuple[Finding, ...]:
    """What the products were computed in, and what an intervention changes besides on packed weights."""
    found = linear_kernels.findings(loaded.facts.get("linears_4bit", {}), changed.facts()["compute_dtype"])
    besides = [item for item in chosen if packed and item.on_packed]
    why = "bitsandbytes packs 4-bit weights on this CPU (AVX512-BF16)"
    return (*found, *(Finding("packed-4bit", "info", f"{item.name}: {item.on_packed}", why) for item in besides))


def _proven_cache(session: Session, chosen: Sequence[Intervention]) -> dict[str, Any]:
    """The classes of the cache's layers where an intervention changed it.

    Raises MeasurementError where a static cache was asked for and the model used another.
    """
    if not any("cache" in item.case and not item.cuda_graph for item in chosen):
        return {}
    layers = session.cache_layers(session.batches[0])
    if not layers or not all(name.startswith("Static") for name in layers):
        raise MeasurementError(f"a static cache was asked for, but the model used {', '.join(layers) or 'none'}")
    return {"cache_layers": list(layers)}


def _held_to_claims(
    outcome: Outcome, session: Session, chosen: Sequence[Intervention], applied: Sequence[patches.Applied]
) -> Outcome:
    """The outcome with what a comparison with the unchanged loop found, or failed where that gave other tokens.

    Compared after the timing, so that it is timed as the unchanged arm is.
    """
    claim = claim_of(chosen)
    if not claim:
        return outcome
    for patch in reversed(applied):
        if patch.undo is None:
            raise MeasurementError(f"{patch.name} cannot be undone, so its claim of {claim} cannot be checked")
        patch.undo()
    cache = "dynamic" if any("cache" in item.case for item in chosen) else session.case.cache
    given, wanted = outcome.setup["output"]["tokens"], same_tokens.unchanged_tokens(session, cache)
    return compared(outcome, session, given, wanted, claim)


def compared(outcome: Outcome, session: Session, given: Tokens, wanted: Tokens, claim: Claim) -> Outcome:
    """The outcome with what its tokens are beside the unchanged loop's, or failed where they break the claim."""
    try:
        tokens = same_tokens.check(session, given, wanted, claim)
    except same_tokens.OtherTokensError as error:
        kept = {**outcome.setup, "compared": {"claim": claim, "unchanged_tokens": wanted}}
        return replace(outcome, status="failed", reason=str(error), setup=kept, metrics=())
    return replace(outcome, setup={**outcome.setup, "compared": tokens})


def _timed(session: Session, options: Mapping[str, Any]) -> tuple[list[Metric], list[Any]]:
    warmed = warm_up(session, {**options, "warmup_calls": max(options["warmup_calls"], 1)})
    calls, tokens = [], []
    for batch in session.batches:
        calls.append(session.generate(batch))
        tokens.append(session.last_tokens())
    return call_metrics(calls, warmed.first) + warmed.metrics(), tokens


def _graphed(session: Session) -> tuple[list[Metric], list[Any]]:
    """Every batch by replaying one captured step; prefill is not timed."""
    new, model = session.case.new_tokens or 0, session.loaded.model
    longest = max(session.batches, key=lambda batch: batch.prompt_length)
    graph = graphed.Graphed(model, longest, longest.prompt_length + new, session.suppressed())
    decoded = [graph.decode(batch, new) for batch in session.batches]
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


def logits(session: Session) -> list[float]:
    """The logits after the first prompt at LOGITS_KEPT evenly spaced entries of the vocabulary, [batch row 0]."""
    import torch

    with torch.inference_mode():
        logits = session.loaded.model(**session.batches[0].inputs).logits[0, -1].float()
    places = torch.linspace(0, logits.numel() - 1, min(LOGITS_KEPT, logits.numel())).long().to(logits.device)
    values: list[float] = logits[places].tolist()
    return values

"""End-to-end generation through transformers' generate: the timed run and its separate observer passes.

One fresh process measures one Case: load, check, warm up, time with nothing else watching, and only then the passes
that observe (energy, CodeCarbon, annotation cost), so that no observer is in a timed run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import cycle
from typing import Any

from bench.instruments.memory import MemoryWatch
from bench.record.schema import Case, Finding, Metric, metric
from bench.workloads import models, observers
from bench.workloads.annotation import Annotator, Tools
from bench.workloads.batches import make_batches
from bench.workloads.outcome import Outcome
from bench.workloads.outliers import count_outliers
from bench.workloads.schemes import Arm, arm
from bench.workloads.session import Call, Session
from bench.workloads.sources import Source
from bench.workloads.stepper import overhead


def run(
    source: Source,
    cases: Mapping[str, Case],
    options: Mapping[str, Any],
    tools: Tools,
) -> Iterator[Outcome]:
    """The outcomes of one block. ``cases`` maps each wanted instrument to the Case (the same one)."""
    case = next(iter(cases.values()))
    chosen = arm(case.scheme)
    models.require_device(case.device)
    uuid = models.gpu_uuid(case.device)
    with MemoryWatch(case.device, uuid=uuid) as loading:
        loaded = models.load(source, chosen, case.device, case.seed)
    models.check(loaded, chosen, case.device)
    batches = make_batches(case, loaded, options["calls"])
    session = Session(case, loaded, batches)
    base = _setup(case, chosen, loaded, options)
    if "generation" in cases:
        yield _timed(session, chosen, options, loading, base, tools)
    for instrument, observe in observers.OBSERVERS.items():
        if instrument in cases:
            outcome = observe(session, options, tools)
            yield replace(outcome, setup={**base, **outcome.setup})


def _setup(case: Case, chosen: Arm, loaded: models.LoadedModel, options: Mapping[str, Any]) -> dict[str, Any]:
    import torch

    return {
        "arm": chosen.facts(),
        "model": loaded.facts,
        "generate": {
            "do_sample": False,
            "num_beams": 1,
            "cache": case.cache,
            "stop": case.stop,
            "disable_compile": True,
        },
        "options": dict(options),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
    }


def _timed(
    session: Session,
    chosen: Arm,
    options: Mapping[str, Any],
    loading: MemoryWatch,
    base: Mapping[str, Any],
    tools: Tools,
) -> Outcome:
    outliers = count_outliers(session, chosen) if chosen.threshold else None
    warmups = [session.generate(batch).wall for batch, _ in zip(cycle(session.batches), range(options["warmup_calls"]))]
    annotator = tools.annotator() if options.get("annotate") else None
    if annotator is not None:
        annotator.attach(session.loaded.model)
    with MemoryWatch(session.case.device, uuid=models.gpu_uuid(session.case.device)) as memory:
        calls = [session.generate(batch, annotator) for batch in session.batches]
    if annotator is not None:
        annotator.detach()
    metrics = call_metrics(calls) + _model_metrics(session, loading) + list(memory.readings().metrics)
    metrics += [metric("warmup_time", warmups)] if warmups else []
    metrics += [metric("outlier_columns", outliers)] if outliers else []
    setup = dict(base) | {"annotated": annotator is not None, "prompts": [list(b.names) for b in session.batches]}
    absent = dict(memory.readings().not_collected) | ({} if warmups else {"warmup_time": "this preset has no warm-up"})
    return Outcome(
        session.case,
        "generation",
        setup=setup,
        metrics=tuple(metrics),
        not_collected=absent,
        findings=_findings(session, annotator),
    )


def call_metrics(calls: Sequence[Call]) -> list[Metric]:
    """What timed generate calls measured."""
    steps = [step for call in calls for step in call.steps]
    metrics = [
        metric("time_to_first_token", [call.first_token for call in calls]),
        metric("decode_steps", [len(call.steps) for call in calls]),
        metric("generate_time", [call.wall for call in calls]),
        metric("tokens_generated", [call.tokens for call in calls]),
        metric("prompt_length", [call.prompt_length for call in calls]),
    ]
    return metrics + ([metric("inter_token_latency", steps)] if steps else [])


def _model_metrics(session: Session, loading: MemoryWatch) -> list[Metric]:
    case, loaded = session.case, session.loaded
    metrics = [
        metric("load_time", loaded.load_seconds),
        metric("model_footprint", models.footprint(loaded.model)),
        metric("harness_overhead", overhead(case.device, case.batch_size or 1)),
    ]
    peak = loading.peak()
    return metrics + ([metric("memory_load_peak", peak)] if peak is not None else [])


def _findings(session: Session, annotator: Annotator | None) -> tuple[Finding, ...]:
    findings = []
    if annotator is not None:
        findings.append(
            Finding(
                "annotated",
                "warning",
                "NVTX annotation was on in the timed run",
                remedy="leave --annotate off for figures; its cost is in the annotation section",
            )
        )
    if session.case.prompts == "random":
        findings.append(
            Finding("random-prompts", "info", "prompts are random token ids: this model has no tokenizer here")
        )
    return tuple(findings)

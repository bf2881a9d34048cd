"""End-to-end generation through transformers' generate: the timed run and its separate observer passes.

One fresh process measures one Case: load, check, warm up, time with nothing else watching, and only then the passes
that observe (energy, CodeCarbon, annotation cost, outlier columns), so that no observer is in a timed run. Cases of one
loaded model, such as a sweep over batch sizes, may share a process, one after the other.
"""

from __future__ import annotations

import gc
import hashlib
import json
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bench.instruments.energy_pass import measure_unused
from bench.instruments.memory import MemoryWatch
from bench.record.instruments import FIRST_VISITS, PREFILL, TIMELINE, TRY
from bench.record.schema import Case, Finding, Metric, metric
from bench.schemes import Arm, arm, family, linear_kernels
from bench.workloads import identity, models, observers
from bench.workloads.annotation import Annotator, Tools
from bench.workloads.batches import make_batches
from bench.workloads.compiling import check_compiled, is_compiled, takes_hooks
from bench.workloads.lengths import Lengths
from bench.workloads.observers import FIRST_TOKENS, UNUSED
from bench.workloads.outcome import Outcome, failed
from bench.workloads.session import Call, Session, call_metrics, findings_of, meet_all, overhead, warm_up
from bench.workloads.sources import Source

DECODE_STEPS = 4


def count_outliers(session: Session, chosen: Arm) -> list[int]:
    """Outlier columns of every call of a quantised Linear in one prefill and a few decode steps, in order of the calls.

    Hooks are on only here, after the timed calls: a process's first generation is not this one.
    """
    import torch

    counts: list[Any] = []

    def count(_module: Any, inputs: tuple[Any, ...]) -> None:
        flat = inputs[0].reshape(-1, inputs[0].shape[-1])
        counts.append((flat.abs() >= chosen.threshold).any(dim=0).sum())

    model = session.loaded.model
    modules = [module for module in model.modules() if family(chosen).holds(module)]
    handles = [module.register_forward_pre_hook(count) for module in modules]
    try:
        with torch.inference_mode():
            model.generate(
                **session.batches[0].inputs,
                max_new_tokens=DECODE_STEPS + 1,
                do_sample=False,
                disable_compile=True,
                pad_token_id=0,
            )
    finally:
        for handle in handles:
            handle.remove()
    session.lengths.visit(replace(session.case, cache="dynamic"), session.batches[0].prompt_length, DECODE_STEPS)
    return [int(value) for value in counts]


# What observes generate calls as the timed run makes them, and so must find their lengths met.
OBSERVE_CALLS = (TIMELINE, PREFILL, "energy", "codecarbon", "annotation")
# What blocks are given and no record repeats.
_UNTOLD = ("windows", UNUSED, FIRST_TOKENS)
# What comes last in a process on a GPU.
_LAST = frozenset((TIMELINE, FIRST_VISITS, PREFILL))
Tries = Callable[[Arm, Sequence[Case], Mapping[str, Any], Lengths], Iterator[Outcome]]
"""Tries remedies on one loaded model: (its arm, the Cases, options, the lengths met) → an Outcome for each Case."""
TriesOn = Callable[[models.LoadedModel], Tries]
"""To be called before the model's first forward."""


def run(
    source: Source,
    wanted: Sequence[tuple[Case, str]],
    options: Mapping[str, Any],
    tools: Tools,
    tries_on: TriesOn | None = None,
) -> Iterator[Outcome]:
    """The outcomes of one block. ``wanted``: Cases of one model and scheme, each with an instrument.

    ``options["by_case"]`` holds, by case_id, what differs from ``options``. ``tries_on``: what tries remedies, where
    ``wanted`` asks for it.
    """
    case = wanted[0][0]
    chosen = arm(case.scheme)
    unused = measure_unused() if case.device == "cuda" and "energy" in {name for _, name in wanted} else None
    models.require_device(case.device)
    uuid = models.gpu_uuid(case.device)
    with MemoryWatch(case.device, uuid=uuid) as loading:
        loaded = models.load(source, chosen, case.device, case.seed, case.dropped_layers)
    chosen = loaded.arm or chosen
    tries = [asked for asked, instrument in wanted if instrument == TRY]
    taken = tries_on(loaded) if tries and tries_on else None  # before the check, which is the first forward
    models.check(loaded, chosen, case.device)
    instruments: dict[Case, list[str]] = {}
    for asked, instrument in wanted:
        if instrument != TRY:
            instruments.setdefault(asked, []).append(instrument)
    own = options.get("by_case", {})
    shared = {name: value for name, value in options.items() if name != "by_case"}
    shared |= {UNUSED: unused, FIRST_TOKENS: {}}
    lengths = Lengths()
    for place, (asked, names) in enumerate(_in_order(instruments, case.device)):
        if tries and case.device == "cuda" and set(names) <= _LAST:  # before CUPTI is attached
            yield from _tried(taken, chosen, tries, shared, lengths)
            tries = []
        options_of = {**shared, **own.get(asked.case_id, {})} | (
            {"place_in_process": place} if len(instruments) > 1 else {}
        )
        yield from _observed(asked, names, chosen, loaded, loading, options_of, tools, lengths)
        gc.collect()  # the cache of a large batch must not stand in the next one's way
    yield from _tried(taken, chosen, tries, shared, lengths)


def _tried(
    taken: Tries | None, chosen: Arm, cases: Sequence[Case], options: Mapping[str, Any], lengths: Lengths
) -> Iterator[Outcome]:
    """What is tried on the arm. Where that fails as a whole nothing else is lost."""
    recorded = {name: value for name, value in options.items() if name not in _UNTOLD}
    left = dict.fromkeys(cases)
    try:
        if taken is not None and cases:
            for outcome in taken(chosen, cases, recorded, lengths):
                del left[outcome.case]
                yield outcome
    except Exception as error:
        yield from (_failed_outcome(case, TRY, error) for case in left)


def _in_order(instruments: Mapping[Case, Sequence[str]], device: str) -> list[tuple[Case, tuple[str, ...]]]:
    """The Cases with their instruments. On a GPU the timelines of all of them come last: CUPTI, once attached, stays,
    and cost 3 to 14 ms per decode step afterwards (docs/h100.md)."""
    if device != "cuda":
        return [(case, tuple(names)) for case, names in instruments.items()]
    last = _LAST
    before = [(case, tuple(name for name in names if name not in last)) for case, names in instruments.items()]
    after = [(case, tuple(name for name in names if name in last)) for case, names in instruments.items()]
    return [(case, names) for case, names in before + after if names]


def _observed(
    case: Case,
    instruments: Sequence[str],
    chosen: Arm,
    loaded: models.LoadedModel,
    loading: MemoryWatch,
    options: Mapping[str, Any],
    tools: Tools,
    lengths: Lengths,
) -> Iterator[Outcome]:
    """One Case of the loaded model: the timed run, then what observes. Where one fails, the others are not lost."""
    try:
        session = Session(case, loaded, make_batches(case, loaded, options["calls"]), lengths)
        base = _setup(session, chosen, options)
        timed = _timed(session, chosen, options, loading, base, tools) if "generation" in instruments else None
    except Exception as error:
        yield from (_failed_outcome(case, instrument, error) for instrument in instruments)
        return
    if timed is not None:
        firsts = (found.values for found in timed.metrics if found.name == "time_to_first_token")
        options[FIRST_TOKENS][case.case_id] = next(firsts, ())
        yield timed
    elif not {*instruments}.isdisjoint(OBSERVE_CALLS):
        meet_all(session, options)
    for instrument, observe in observers.OBSERVERS.items():
        if instrument in instruments:
            outcome = _attempted(instrument, observe, session, options, tools)
            yield replace(outcome, setup={**base, **outcome.setup})


def _attempted(
    instrument: str, observe: observers.Observer, session: Session, options: Mapping[str, Any], tools: Tools
) -> Outcome:
    try:
        return observe(session, options, tools)
    except Exception as error:
        return _failed_outcome(session.case, instrument, error)


def _failed_outcome(case: Case, instrument: str, error: Exception) -> Outcome:
    """The failed Outcome; the traceback is in the child's log, which is kept where something failed."""
    traceback.print_exception(error)
    return failed(case, instrument, error)


def _setup(session: Session, chosen: Arm, options: Mapping[str, Any]) -> dict[str, Any]:
    import torch

    return {
        "arm": chosen.facts(),
        "model": session.loaded.facts,
        "generate": session.generate_options(),
        "options": {name: value for name, value in options.items() if name not in _UNTOLD},
        "threads": torch.get_num_threads(),
        "attention_switches": models.attention_switches(),
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
    warmed = warm_up(session, options)
    if options["warmup_calls"]:
        check_compiled(session.loaded.model, chosen)
    annotator = tools.annotator() if options.get("annotate") and takes_hooks(chosen) else None
    if annotator is not None:
        annotator.attach(session.loaded.model)
    with MemoryWatch(session.case.device, uuid=models.gpu_uuid(session.case.device)) as memory:
        calls, outputs = _calls(session, annotator)
    if annotator is not None:
        annotator.detach()
    outliers = count_outliers(session, chosen) if chosen.threshold else None
    metrics = call_metrics(calls, warmed.first) + _model_metrics(session, loading) + list(memory.readings().metrics)
    metrics += warmed.metrics()
    metrics += [metric("outlier_columns", outliers)] if outliers else []
    setup = dict(base) | {
        "annotated": annotator is not None,
        "prompts": [list(batch.names) for batch in session.batches],
        "tokens_sha256": outputs,
        "compiled": is_compiled(session.loaded.model),
    }
    absent = dict(memory.readings().not_collected)
    absent |= {} if warmed.walls else {"warmup_time": "this preset has no warm-up"}
    return Outcome(
        session.case,
        "generation",
        setup=setup,
        metrics=tuple(metrics),
        not_collected=absent,
        findings=(*_findings(session, chosen, annotator), *findings_of(calls)),
    )


def _calls(session: Session, annotator: Annotator | None) -> tuple[list[Call], list[str]]:
    """The timed calls, and what each gave: a hash of its new tokens, by which a repeat of the run can be checked."""
    calls, outputs = [], []
    for batch in session.batches:
        calls.append(session.generate(batch, annotator))
        outputs.append(hashlib.sha256(json.dumps(session.last_tokens()).encode()).hexdigest()[:16])
    return calls, outputs


def _model_metrics(session: Session, loading: MemoryWatch) -> list[Metric]:
    case, loaded = session.case, session.loaded
    metrics = [
        metric("load_time", loaded.load_seconds),
        metric("model_footprint", models.footprint(loaded.model)),
        metric("harness_overhead", overhead(case.device, case.batch_size or 1)),
    ]
    peak = loading.peak()
    return metrics + ([metric("memory_load_peak", peak)] if peak is not None else [])


def _findings(session: Session, chosen: Arm, annotator: Annotator | None) -> tuple[Finding, ...]:
    asked = chosen.facts()["compute_dtype"]
    facts = session.loaded.facts
    findings = [*linear_kernels.findings(facts.get("linears_4bit", {}), asked), *identity.findings(facts, chosen)]
    if unused := facts.get("generation_config_unused"):
        findings.append(
            Finding(
                "generation-config",
                "info",
                "settings of the checkpoint's generation_config.json were left aside: tokens are chosen greedily",
                ", ".join(f"{name}={value}" for name, value in unused.items()),
                "texts written with them may be better, or worse, than those judged here",
            )
        )
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

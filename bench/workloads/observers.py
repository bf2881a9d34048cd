"""The passes that observe: timeline, energy, CodeCarbon and the cost of annotation. Never in a timed run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import cycle
from typing import Any

from bench.instruments.carbon import measure_carbon
from bench.instruments.energy import available_counters
from bench.instruments.energy_pass import measure_energy
from bench.instruments.gpu import watched
from bench.instruments.nvml import connect, measured_gpu
from bench.instruments.readings import Readings
from bench.record.errors import MachineError, NotApplicableError
from bench.record.instruments import FIRST_VISITS, PREFILL, TIMELINE
from bench.record.schema import metric
from bench.workloads.annotation import Tools
from bench.workloads.compiling import takes_hooks
from bench.workloads.models import gpu_uuid
from bench.workloads.outcome import Outcome
from bench.workloads.samples import samples
from bench.workloads.session import Session

# The option under which what the card drew before this process used it travels to the energy pass.
UNUSED = "unused"
# And under which the times to first token of the timed calls, by case_id, travel to the pass that observes prefill.
FIRST_TOKENS = "first_tokens"

Observer = Callable[[Session, Mapping[str, Any], Tools], Outcome]


def _work(session: Session) -> Callable[[], int]:
    """Generate for the next batch, going round; returns the new tokens."""
    batches = cycle(session.batches)
    return lambda: session.generate(next(batches)).tokens


def energy(session: Session, options: Mapping[str, Any], _tools: Tools) -> Outcome:
    """Joules over windows of seconds by the hardware's own counters, and the same with nothing to do."""
    on_gpu = session.case.device == "cuda"
    uuid = gpu_uuid(session.case.device)
    counters, reasons = available_counters(on_gpu, uuid=uuid)
    if not counters:
        reason = "; ".join(dict.fromkeys(reasons.values()))
        return Outcome(session.case, "energy", "skipped", reason, not_collected=reasons)
    readings = measure_energy(
        _work(session),
        counters,
        _sources(uuid),
        seconds=options["energy_seconds"],
        windows=options["energy_windows"],
    ) + (options.get(UNUSED) or Readings())
    return Outcome(
        session.case,
        "energy",
        setup=readings.setup,
        metrics=readings.metrics,
        not_collected={**reasons, **readings.not_collected},
        findings=tuple(dict.fromkeys(readings.findings)),
    )


def _sources(uuid: str | None) -> dict[str, Callable[[], float]]:
    if uuid is None:
        return {}
    try:
        nvml = connect()
        return watched(nvml, measured_gpu(nvml, uuid))
    except MachineError:
        return {}


def codecarbon(session: Session, options: Mapping[str, Any], _tools: Tools) -> Outcome:
    """CodeCarbon's offline tracker over windows of its own; what it estimates is labelled so."""
    try:
        readings = measure_carbon(
            _work(session),
            country=options["country"],
            min_seconds=options["energy_seconds"],
            windows=max(2, options["energy_windows"]),
            gpu=session.case.device == "cuda",
        )
    except MachineError as error:
        return Outcome(session.case, "codecarbon", "skipped", str(error))
    return Outcome(
        session.case,
        "codecarbon",
        setup=readings.setup,
        metrics=readings.metrics,
        not_collected=readings.not_collected,
        findings=readings.findings,
    )


def annotation_cost(session: Session, options: Mapping[str, Any], tools: Tools) -> Outcome:
    """The same call without and with annotation, in turn (plain first, then annotated first, …)."""
    if not takes_hooks(session.loaded.arm):
        raise NotApplicableError(
            "ranges around modules would break the compiled graph: an arm with them is another one"
        )
    annotator = tools.annotator()
    batch = session.batches[0]
    plain: list[float] = []
    annotated: list[float] = []
    for pair in range(options["annotation_pairs"]):
        for with_annotation in (False, True) if pair % 2 == 0 else (True, False):
            if with_annotation:
                annotator.attach(session.loaded.model)
                annotated.append(session.generate(batch, annotator).wall)
                annotator.detach()
            else:
                plain.append(session.generate(batch).wall)
    metrics = (metric("generate_time_plain", plain), metric("generate_time_annotated", annotated))
    return Outcome(session.case, "annotation", metrics=metrics)


def timeline(session: Session, options: Mapping[str, Any], tools: Tools) -> Outcome:
    """A few decode steps under torch.profiler, for the ledger."""
    outcome: Outcome = tools.timeline(session, options)
    return outcome


def first_visits(session: Session, options: Mapping[str, Any], tools: Tools) -> Outcome:
    """The same at key-value lengths that the process has not met."""
    outcome: Outcome = tools.timeline(session, {**options, FIRST_VISITS: True})
    return outcome


def prefill(session: Session, options: Mapping[str, Any], tools: Tools) -> Outcome:
    """The pass over each prompt under torch.profiler."""
    outcome: Outcome = tools.timeline(session, {**options, PREFILL: True})
    return outcome


# In this order after the timed run: the timeline first, so that it sees the machine as the timed run did. On a GPU it
# comes last of all (generation.py), because CUPTI stays attached afterwards and slows every later launch.
OBSERVERS: dict[str, Observer] = {
    TIMELINE: timeline,
    FIRST_VISITS: first_visits,
    PREFILL: prefill,
    "energy": energy,
    "codecarbon": codecarbon,
    "annotation": annotation_cost,
    "samples": samples,
}

"""Values of one Record that belong together are as many: those of one step, window, call or task."""

from __future__ import annotations

from collections.abc import Iterator

from .causes import OBSERVED
from .errors import RecordError
from .metrics import AT_REST, METRICS, UNUSED
from .schema import Record

_STEPS = (
    "observed_step_time",
    *(f"{kind}_{cause}_per_step" for kind in ("observed", "ledger") for cause in OBSERVED),
    "launches_per_step", "syncs_per_step", "copies_per_step", "kernels_per_step", "operators_per_step",
    "gpu_busy_per_step", "gpu_idle_per_step", "host_busy_per_step", "gpu_tail_per_step", "sync_stall_per_step",
    "operators_busy_per_step",
)  # fmt: skip
_TASKS = ("passed_base", "passed_plus", "repetition_rate", "negative_log_likelihood")
# What is one of: the metrics that have a value for each.
_TOGETHER: dict[str, tuple[str, ...]] = {
    "observed step": _STEPS,
    "window": ("window_time", "window_tokens", "window_tail_time", "work_begin", "work_end", "energy_gpu", "energy_cpu",
               "energy_dram", *(name for name in METRICS if name.startswith("codecarbon_"))),
    "idle window": ("idle_time", "idle_begin", "idle_energy_gpu", "idle_energy_cpu", "idle_energy_dram"),
    "edge of a window": tuple(name for name in METRICS if name.startswith("edge_")),
    "edge of an idle window": tuple(name for name in METRICS if name.startswith("idle_edge_")),
    "call": ("generate_time", "tokens_generated", "decode_steps", "time_to_first_token", "first_visit_steps"),
    "first visit": ("first_visit_latency", "first_visit_length"),
    "pair of calls": ("generate_time_plain", "generate_time_annotated"),
    "sample": ("sample_time", "gpu_power", "gpu_temperature", "gpu_clock_sm",
               "gpu_throttle_reasons", "gpu_power_limit", "gpu_other_processes",
               "counter_gpu", "counter_cpu", "counter_dram"),
    "sample at rest": tuple(f"idle_{name}" for name in AT_REST),
    "sample of the unused card": tuple(f"unused_{name}" for name in UNUSED),
    "task": _TASKS,
}  # fmt: skip


_KINDS_OF: dict[str, list[str]] = {}
for _what, _names in _TOGETHER.items():
    for _name in _names:
        _KINDS_OF.setdefault(_name, []).append(_what)


def check(record: Record) -> None:
    """Raises RecordError that names the two which are not as many."""
    if record.status != "ok" or _plainly_alike(record):
        return
    known = {item.name: len(item.values) for item in record.metrics}
    for what, names in _TOGETHER.items():
        counts = [(name, known[name]) for name in names if name in known]
        if what == "observed step":
            counts += _of_ledger(record)
        if what == "task":
            counts += _of_tasks(record)
        for name, count in counts[1:]:
            if count != counts[0][1]:
                raise RecordError(
                    f"malformed record: {name} has {count} values and {counts[0][0]} has {counts[0][1]}, one of each "
                    f"for every {what}"
                )


def _plainly_alike(record: Record) -> bool:
    """Whether the metrics alone, as of nearly all Records, are as many: seen without looking for every kind."""
    counts: dict[str, int] = {}
    for item in record.metrics:
        for what in _KINDS_OF.get(item.name, ()):
            if counts.setdefault(what, len(item.values)) != len(item.values):
                return False
    return not record.setup.keys() & {"ledger", "tasks"}


def _of_ledger(record: Record) -> Iterator[tuple[str, int]]:
    ledger = record.setup.get("ledger", {})
    for cause, events in ledger.get("events", {}).items():
        yield from ((f"setup.ledger.events.{cause}.{name}", len(events[name])) for name in ("operators", "range_ends"))
    for place, source in enumerate(ledger.get("sources", ())):
        lists = (name for name in ("seconds", "operators", "range_ends") if name in source)
        yield from ((f"setup.ledger.sources[{place}].{name}", len(source[name])) for name in lists)
    yield from ((f"setup.ledger.attention_call.{name}", len(v)) for name, v in ledger.get("attention_call", {}).items())


def _of_tasks(record: Record) -> Iterator[tuple[str, int]]:
    if "tasks" in record.setup:
        for name in ("tasks", "completions", "tokens", "outcomes"):
            if name in record.setup:
                yield f"setup.{name}", len(record.setup[name])

"""What a Record says of itself must fit: its arm its Case, its tokens what was asked for, its calls their steps, its
time the run. For verify; a report says what the Records say. Only that values which belong together (those of one step,
window, call or task) are as many is looked at whenever a file is read."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from .causes import OBSERVED
from .errors import RecordError
from .instruments import QUALITY
from .metrics import AT_REST, METRICS, UNUSED
from .schema import Record

# Clocks of machines differ. One that was set back gives times before the run: nothing is amiss with the figures.
_CLOCKS = timedelta(minutes=10)
# A call holds its steps and what lies between them: less cannot be, but for rounding.
_ROUNDING = 0.999
_FEWEST = 3
# Times that each Record measures for itself, as idle power need not be; so many tell one from another.
_OWN_TIMES = ("generate_time", "inter_token_latency", "forward_time", "window_time", "copy_time", "gemm_time")
_BEGINNING = 8


def arms(records: Sequence[Record]) -> list[str]:
    """Records whose arm is not that of their Case."""
    named = [(record, record.setup.get("arm", {}).get("name", record.case.scheme)) for record in records]
    return [f"{_name(one)}: its arm is {name}, and not its Case's" for one, name in named if name != one.case.scheme]


def tokens(records: Sequence[Record]) -> list[str]:
    """Records whose tokens or steps are not as many as their Case asks for."""
    return [f"{_name(record)}: {why}" for record in records if record.status == "ok" and (why := _tokens(record))]


def _tokens(record: Record) -> str:
    case, made = record.case, record.values("tokens_generated")
    steps, latencies = record.values("decode_steps"), record.values("inter_token_latency")
    if record.instrument not in ("generation", "intervention") or not case.new_tokens:
        return ""
    asked = (case.batch_size or 1) * case.new_tokens
    if any(count != asked if case.stop == "length" else count > asked for count in made):
        return f"{min(made):.0f} to {max(made):.0f} tokens in a call of {asked}"
    if steps and latencies and sum(steps) != len(latencies):
        return f"{len(latencies)} steps of decoding, and decode_steps tells of {sum(steps):.0f}"
    if case.stop == "length" and any(count > case.new_tokens - 1 for count in steps):
        return f"{max(steps):.0f} steps in a call of {case.new_tokens} tokens"
    return ""


def times(records: Sequence[Record], now: datetime | None = None) -> list[str]:
    """Records from the future, calls shorter than their steps, and more power than the GPU has."""
    found = []
    for record in records:
        why = _moment(record, now or datetime.now(UTC)) or _calls(record) or _power(record)
        found += [f"{_name(record)}: {why}"] if why else []
    return found


def _moment(record: Record, now: datetime) -> str:
    try:
        began = datetime.fromisoformat(record.started_at)
    except ValueError:
        return f"{record.started_at!r} is no time"
    if began.tzinfo is None:
        return f"{record.started_at!r} is a time without its zone"
    if began > now + _CLOCKS:
        return f"began at {record.started_at}, which is in the future"
    return ""


def _calls(record: Record) -> str:
    """A call is not shorter than its first token and its steps together."""
    whole, first, steps = (record.values(n) for n in ("generate_time", "time_to_first_token", "decode_steps"))
    latencies = record.values("inter_token_latency")
    if not len(whole) == len(first) == len(steps) or sum(steps) != len(latencies):
        return ""
    at = 0
    for call, (time, begin, count) in enumerate(zip(whole, first, steps, strict=True), 1):
        parts = begin + sum(latencies[at : at + int(count)])
        at += int(count)
        if time < parts * _ROUNDING:
            return f"call {call} took {time:g} s, and its steps {parts:g} s"
    return ""


def _power(record: Record) -> str:
    """A GPU draws no more than twice its limit, over any window."""
    limits = [float(gpu.get("power_limit_w") or 0.0) for gpu in record.environment.gpus]
    joules, seconds = record.values("energy_gpu"), record.values("window_time")
    if not limits or not all(limits) or not joules or not seconds:
        return ""
    drawn = max(j / s for j, s in zip(joules, seconds, strict=True))
    return f"{drawn:.0f} W, of a limit of {sum(limits):.0f} W" if drawn > 2 * sum(limits) else ""


def missing_metrics(records: Sequence[Record]) -> list[str]:
    """Records without a metric that all others of their kind have, and without a reason for it."""
    alike: dict[tuple[str | None, ...], list[Record]] = defaultdict(list)
    for record in records:
        if record.status == "ok":
            alike[record.instrument, record.case.device, record.case.op, record.case.cache].append(record)
    return [text for found in alike.values() for text in _missing(found)]


def _missing(alike: Sequence[Record]) -> Iterator[str]:
    have = Counter(item.name for record in alike for item in record.metrics)
    always = [name for name, count in have.items() if count == len(alike) - 1 and count >= _FEWEST]
    for record in alike:
        gone = [name for name in always if not record.values(name) and name not in record.not_collected]
        if gone:
            yield f"{_name(record)}: no {', '.join(gone)}, which all others tell, and no reason"
        elif have and not record.metrics and not record.not_collected:
            yield f"{_name(record)}: ok, but neither a figure nor a reason"


def copied(records: Sequence[Record]) -> list[str]:
    """Records with the very times of another one: no two measurements give the same."""
    first: dict[tuple[str, tuple[float, ...]], Record] = {}
    found = []
    for record in records:
        for item in record.metrics:
            beginning = item.values[:_BEGINNING] if item.name in _OWN_TIMES else ()
            if len(set(beginning)) < _FEWEST:
                continue
            other = first.setdefault((item.name, beginning), record)
            if other.key != record.key and other.values(item.name) == item.values:
                found.append(f"{_name(record)}: its {item.name} is that of {_name(other)}")
    return found


def verdicts(records: Sequence[Record]) -> list[str]:
    """Records of judged programs whose marks are not what the judge said of each."""
    found = []
    for record in records:
        said = record.setup.get("outcomes", ()) if record.instrument == QUALITY else ()
        for name, passed in (("passed_base", _base), ("passed_plus", _plus)):
            marks = record.values(name)
            if said and marks and marks != tuple(float(passed(outcome)) for outcome in said):
                found.append(f"{_name(record)}: {name} is not what its outcomes say")
    return found


def _base(outcome: Sequence[str]) -> bool:
    return outcome[0] == "pass"


def _plus(outcome: Sequence[str]) -> bool:
    return outcome[0] == outcome[1] == "pass"


def _name(record: Record) -> str:
    return f"{record.instrument} of Case {record.case_id} ({record.case.scheme}), repeat {record.repeat}"


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
for _kind, _metrics in _TOGETHER.items():
    for _metric in _metrics:
        _KINDS_OF.setdefault(_metric, []).append(_kind)


def check_counts(record: Record) -> None:
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

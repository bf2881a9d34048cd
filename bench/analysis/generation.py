"""End-to-end generation: what a user of each scheme waits for, and how it compares with the reference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from bench.record.metrics import METRICS
from bench.record.schema import Record
from bench.record.setups import quantised_share

from .first_generation import FirstGeneration, first_generation
from .grouping import REFERENCE, Coordinates, Group, groups, pooled, reference_first, reference_of
from .once import once
from .statistics import Estimate, quantiles
from .statistics.pairing import estimate_of, located, ratio_between, taking
from .statistics.several import judged_together
from .statistics.verdict import Verdict, verdict

# Bytes that a process holds, in the registry's order: a new one needs no line here.
MEMORY_METRICS = tuple(name for name in METRICS if name.startswith("memory_") or name == "model_footprint")


@dataclass(frozen=True)
class GenerationRow:
    """One scheme in one setting. Times in s, rates in tokens/s over the whole batch, memory in B.

    ``time_ratio`` is this scheme's decode time per token over the reference's (above 1: slower); None for the
    reference itself or where there is none. ``step_latency`` holds the p50, p90 and p99 of all decode steps. All of
    these are of lengths that the process had met; ``first`` is what it met for the first time. ``quantised``: the share
    of the weights outside embedding and head that the scheme quantised; None for an unquantised one, or where it is not
    recorded. ``load_time``: s to load and quantise, the median of the processes. ``prompt_tokens``: of the shortest and
    the longest prompt, padding included.
    """

    scheme: str
    repeats: int
    calls: int
    steps: int
    time_to_first_token: Estimate | None
    time_per_token: Estimate | None
    step_latency: tuple[float, float, float] | None
    decode_rate: Estimate | None
    end_to_end_rate: Estimate | None
    time_ratio: Estimate | None
    first_token_ratio: Estimate | None
    verdict: Verdict | None
    tokens_produced: float | None
    tokens_requested: float | None
    overhead_share: float | None
    harness_overhead: float | None
    memory: dict[str, float] = field(default_factory=dict)
    not_collected: dict[str, str] = field(default_factory=dict)
    latencies: tuple[float, ...] = ()
    first: FirstGeneration | None = None
    quantised: float | None = None
    load_time: float | None = None
    prompt_tokens: tuple[int, int] | None = None

    @property
    def short(self) -> bool:
        """Fewer tokens came out than were asked for, so that schemes may not have done the same work."""
        produced, requested = self.tokens_produced, self.tokens_requested
        return produced is not None and requested is not None and produced < requested


@dataclass(frozen=True)
class GenerationGroup:
    """All schemes in one setting and the reference they are compared with (None: no unquantised scheme ran)."""

    setting: Coordinates
    reference: str | None
    rows: tuple[GenerationRow, ...]


@once
def call_times(record: Record) -> tuple[float, ...]:
    """Decode time per token of each call, s: Σ inter-token latency / (batch size × steps).

    ``decode_steps`` says how many latencies belong to each call. Where it is absent or does not add up, the
    latencies cannot be told apart by call and are taken as one call.
    """
    latencies = np.asarray(record.values("inter_token_latency"), dtype=np.float64)
    if not latencies.size:
        return ()
    batch = record.case.batch_size or 1
    steps = np.asarray(record.values("decode_steps"), dtype=np.int64)
    if not steps.size or int(steps.sum()) != latencies.size or int(steps.min()) < 0:
        return (float(latencies.mean()) / batch,)
    calls = np.split(latencies, np.cumsum(steps)[:-1])
    return tuple(float(call.mean()) / batch for call in calls if call.size)


def call_rates(record: Record) -> tuple[float, ...]:
    """Tokens per second of each call from end to end, prefill included; of those without a step at a new length."""
    tokens, times = record.values("tokens_generated"), record.values("generate_time")
    first = record.values("first_visit_steps") or (0.0,) * len(times)
    calls = zip(tokens, times, first, strict=False)
    return tuple(made / time for made, time, new in calls if time > 0 and made > 0 and not new)


def summarise(records: Sequence[Record], *, reference: str = REFERENCE) -> tuple[GenerationGroup, ...]:
    """Every setting of the "generation" records, each with a row per scheme."""
    return tuple(_group(group, reference) for group in groups(records, "generation"))


def _group(group: Group, wanted: str) -> GenerationGroup:
    reference = reference_of(group.schemes, wanted)
    base = group.schemes[reference] if reference else ()
    rows = [
        _row(scheme, group.schemes[scheme], base if scheme != reference else ())
        for scheme in reference_first(group.schemes, reference)
    ]
    firsts = iter(judged_together([row.first for row in rows if row.first], lambda first: first.ratio))
    rows = [replace(row, first=next(firsts)) if row.first else row for row in rows]
    return GenerationGroup(group.setting, reference, judged_together(rows, lambda row: row.time_ratio))


def _row(scheme: str, records: tuple[Record, ...], base: tuple[Record, ...]) -> GenerationRow:
    per_token = estimate_of(records, call_times)
    time_ratio = ratio_between(records, base, call_times)
    latencies = pooled(records, "inter_token_latency")
    overhead = pooled(records, "harness_overhead")
    middle = quantiles(latencies, (0.5, 0.9, 0.99)) if latencies else None
    produced, requested = _tokens(records)
    return GenerationRow(
        scheme=scheme,
        repeats=len(records),
        calls=sum(len(record.values("generate_time")) for record in records),
        steps=len(latencies),
        time_to_first_token=estimate_of(records, taking("time_to_first_token")),
        time_per_token=per_token,
        step_latency=(middle[0], middle[1], middle[2]) if middle else None,
        decode_rate=per_token.inverse() if per_token else None,
        end_to_end_rate=estimate_of(records, call_rates),
        time_ratio=time_ratio,
        first_token_ratio=ratio_between(records, base, taking("time_to_first_token")),
        verdict=verdict(time_ratio) if time_ratio else None,
        tokens_produced=produced,
        tokens_requested=requested,
        overhead_share=float(np.median(overhead)) / middle[0] if overhead and middle and middle[0] > 0 else None,
        harness_overhead=float(np.median(overhead)) if overhead else None,
        memory=_memory(records),
        not_collected={name: why for record in records for name, why in record.not_collected.items()},
        latencies=latencies,
        first=first_generation(scheme, records, base, located(records, call_times).samples),
        load_time=float(np.median(loading)) if (loading := pooled(records, "load_time")) else None,
        prompt_tokens=(int(min(prompts)), int(max(prompts))) if (prompts := pooled(records, "prompt_length")) else None,
        quantised=min((found for r in records if (found := quantised_share(r.setup)) is not None), default=None),
    )


def _tokens(records: Sequence[Record]) -> tuple[float | None, float | None]:
    produced = pooled(records, "tokens_generated")
    case = records[0].case
    if not produced:
        return None, None
    requested = case.new_tokens * (case.batch_size or 1) * len(produced) if case.new_tokens else None
    return sum(produced), requested


def _memory(records: Sequence[Record]) -> dict[str, float]:
    """The largest value of each memory metric: a peak is a maximum, over repeats too."""
    return {name: max(values) for name in MEMORY_METRICS if (values := pooled(records, name))}


Place = tuple[Coordinates, str]


def rows(groups: Iterable[GenerationGroup]) -> Mapping[Place, GenerationRow]:
    """The row of a scheme in a setting, for the schemes that were compared with a reference."""
    return {(group.setting, row.scheme): row for group in groups for row in group.rows if row.verdict}


def verdicts(groups: Iterable[GenerationGroup]) -> Mapping[Place, Verdict]:
    """The verdict of a scheme in a setting."""
    return {place: row.verdict for place, row in rows(groups).items() if row.verdict}

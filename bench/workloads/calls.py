"""The calls of a run: the first generation, the warm-up that follows it, and the timed calls, as metrics.

Two users are answered. Someone who generates once meets nothing but new key-value lengths: the process's first call
over the Case's full length is their *first generation*. A server has met them all: the warm-up calls meet every length
that is timed, each once, and the timed calls say what it waits for. A timed step at a new length all the same counts as
a first visit and is in a finding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from bench.record.schema import Finding, Metric, metric
from bench.workloads.session import Call, Session


@dataclass(frozen=True)
class WarmUp:
    """``first``: the first generation, None where the preset has no warm-up; ``walls``: s of every warm-up call."""

    first: Call | None = None
    walls: tuple[float, ...] = ()

    def metrics(self) -> list[Metric]:
        return [metric("warmup_time", self.walls)] if self.walls else []


def warm_up(session: Session, options: Mapping[str, Any]) -> WarmUp:
    """The first generation, then what else it takes to meet every length that is timed, and at least
    ``options["warmup_calls"]`` calls in all; no calls where that is 0.

    From the longest prompt to the shortest, so that each length is decoded once only.
    """
    if not options["warmup_calls"]:
        return WarmUp()
    first = session.generate(session.batches[0])
    walls = [first.wall]
    for batch in sorted(session.batches[1:], key=lambda batch: -batch.prompt_length):
        if tokens := session.lengths.to_meet(session.case, batch.prompt_length):
            walls.append(session.generate(batch, new_tokens=tokens).wall)
    more = zip(cycle(session.batches), range(options["warmup_calls"] - len(walls)))
    return WarmUp(first, (*walls, *(session.generate(batch).wall for batch, _ in more)))


def meet_all(session: Session, options: Mapping[str, Any]) -> None:
    """Warm up where the process has something to meet yet: for passes that observe without a timed run before them."""
    if any(session.lengths.to_meet(session.case, batch.prompt_length) for batch in session.batches):
        warm_up(session, {**options, "warmup_calls": max(options["warmup_calls"], 1)})


def call_metrics(calls: Sequence[Call], first: Call | None = None) -> list[Metric]:
    """What timed generate calls measured, and the first generation (None: the first timed call was it)."""
    seen = [call.visit.seen(call.steps) for call in calls]
    metrics = [
        metric("time_to_first_token", [call.first_token for call in calls]),
        metric("decode_steps", [len(steps) for steps in seen]),
        metric("generate_time", [call.wall for call in calls]),
        metric("tokens_generated", [call.tokens for call in calls]),
        metric("prompt_length", [call.prompt_length for call in calls]),
    ]
    steps = [step for of_call in seen for step in of_call]
    metrics += [metric("inter_token_latency", steps)] if steps else []
    return metrics + _first_generation(first or calls[0]) + _first_visits(calls, first)


def _first_generation(call: Call) -> list[Metric]:
    return [metric("first_generation_time", call.wall), metric("first_time_to_first_token", call.first_token)]


def _first_visits(calls: Sequence[Call], first: Call | None) -> list[Metric]:
    every = [*([first] if first else []), *calls]
    steps = [step for call in every for step in call.visit.first(call.steps)]
    if not steps:
        return []
    return [
        metric("first_visit_latency", steps),
        metric("first_visit_length", [length for call in every for length in call.visit.first(call.visit.lengths)]),
        metric("first_visit_steps", [sum(call.visit.new) for call in calls]),
    ]


def findings_of(calls: Sequence[Call]) -> tuple[Finding, ...]:
    """Timed steps at lengths that were new."""
    new, prompts = sum(sum(call.visit.new) for call in calls), sum(call.visit.new_prompt for call in calls)
    if not new and not prompts:
        return ()
    message = "timed decode steps met key-value lengths for the first time: they count as first generation"
    evidence = f"{new} of {sum(len(call.steps) for call in calls)} steps, {prompts} of {len(calls)} prompts"
    return (Finding("new-lengths", "warning", message, evidence, "have at least one warm-up call"),)

"""A loaded model with the prompts of its Case: the one way in which every instrument generates.

A time-stamp is taken at each new token, inside transformers' own decode loop: generate() calls the stopping criteria
once per step, right after the new token is appended and before it reads back whether to stop. The stamp there is a CUDA
event (no synchronisation is added) or perf_counter on the CPU.

Two users are answered. Someone who generates once meets nothing but new key-value lengths: the process's first call
over the Case's full length is their *first generation*. A server has met them all: the warm-up calls meet every length
that is timed, each once, and the timed calls say what it waits for. A timed step at a new length all the same counts as
a first visit and is in a finding.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle, pairwise
from typing import Any

from bench.instruments.timing import DeviceClock, Stamps
from bench.record.errors import MeasurementError
from bench.record.schema import Case, Finding, Metric, metric
from bench.workloads import compiling
from bench.workloads.annotation import Annotator
from bench.workloads.batches import Batch
from bench.workloads.lengths import Lengths, Visit
from bench.workloads.models import LoadedModel


class Stepper:
    """A stopping criterion that marks the time, and the annotator's step where there is one. It never stops, but for
    ``once``: at the first new token."""

    def __init__(
        self, stamps: Stamps, batch_size: int, device: str, annotator: Annotator | None = None, *, once: bool = False
    ) -> None:
        import torch

        self.stamps = stamps
        self._stop = torch.full((batch_size,), once, dtype=torch.bool, device=device)
        self._annotator = annotator
        self._steps = 0

    def begin(self) -> None:
        """The generate call is about to start."""
        self._steps = 0
        self.stamps.reset()
        if self._annotator is not None:
            self._annotator.begin()
        self.stamps.mark()

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:  # noqa: ARG002 - transformers' signature
        self.stamps.mark()
        if self._annotator is not None:
            self._annotator.step(self._steps)
            self._steps += 1
        return self._stop

    def end(self) -> None:
        """The generate call has returned."""
        if self._annotator is not None:
            self._annotator.end()


def overhead(device: str, batch_size: int, batches: int = 20, steps: int = 200) -> list[float]:
    """Seconds that one stamped step costs the host, one value per batch of ``steps``.

    It is what the loop would not do without us: the call, the mark, and the one ``|`` by which generate() joins the
    criterion's answer to the others.
    """
    import torch

    stepper = Stepper(Stamps(device, capacity=steps + 1), batch_size, device)
    others = torch.zeros(batch_size, dtype=torch.bool, device=device)
    costs = []
    for _ in range(batches):
        stepper.stamps.reset()
        start = time.perf_counter()
        for _ in range(steps):
            _ = others | stepper(None, None)
        costs.append((time.perf_counter() - start) / steps)
    return costs


@dataclass(frozen=True)
class Call:
    """One generate call. Times in seconds; ``steps`` are the inter-token latencies, ``visit`` says which of them met a
    key-value length that was new to the process."""

    wall: float
    first_token: float
    steps: tuple[float, ...]
    tokens: int
    prompt_length: int
    visit: Visit = field(default_factory=Visit)


class Session:
    """A loaded model with the batches of its Case; calls generate the same way for every instrument. ``lengths``: what
    the process has met so far, shared by the Cases of one process."""

    def __init__(
        self, case: Case, loaded: LoadedModel, batches: Sequence[Batch], lengths: Lengths | None = None
    ) -> None:
        self.case = case
        self.loaded = loaded
        self.batches = tuple(batches)
        self.lengths = Lengths() if lengths is None else lengths
        self._clock = DeviceClock(case.device)
        self._new_ids: Any = None
        self._stamps = self._clock.stamps(capacity=(case.new_tokens or 0) + 2)

    def generate(self, batch: Batch, annotator: Annotator | None = None, new_tokens: int | None = None) -> Call:
        """One timed call, of ``new_tokens`` where they are to be fewer than the Case's (to warm up).

        Raises MeasurementError where a forced number of tokens did not come.
        """
        case = self.case if new_tokens is None else replace(self.case, new_tokens=new_tokens)
        stepper = Stepper(self._stamps, case.batch_size or 1, case.device, annotator)
        start = self._clock.now()
        stepper.begin()
        output = self.loaded.model.generate(**batch.inputs, **self._options(case), stopping_criteria=[stepper])
        stepper.end()
        wall = self._clock.now() - start
        offsets = self._stamps.seconds()
        return self._call(case, batch, output, wall, offsets)

    def prefill(self, batch: Batch, annotator: Annotator | None = None) -> float:
        """s of ``batch``'s time to first token, of a call as ``generate`` makes it that ends there."""
        stepper = Stepper(self._stamps, self.case.batch_size or 1, self.case.device, annotator, once=True)
        self._clock.synchronize()
        stepper.begin()
        self.loaded.model.generate(**batch.inputs, **self._options(self.case), stopping_criteria=[stepper])
        stepper.end()
        return self._stamps.seconds()[1]

    def generate_options(self) -> dict[str, Any]:
        """How it generates, for the record: options as its calls give them."""
        options = self._options(self.case)
        given = {name: options[name] for name in ("do_sample", "num_beams", "disable_compile")}
        return {**given, "cache": self.case.cache, "stop": self.case.stop}

    def _options(self, case: Case) -> dict[str, Any]:
        options: dict[str, Any] = {
            "max_new_tokens": case.new_tokens,
            "do_sample": False,
            "num_beams": 1,
            "use_cache": True,
            "pad_token_id": self._pad_token(),
        }
        options |= compiling.generate_options(self.loaded.arm)
        if case.stop == "length":
            options["min_new_tokens"] = case.new_tokens
        if case.cache == "static":
            options["cache_implementation"] = "static"
        return options

    def _pad_token(self) -> int:
        if self.loaded.tokenizer is not None:
            return int(self.loaded.tokenizer.pad_token_id)
        eos = self.loaded.model.generation_config.eos_token_id
        return int((eos[0] if isinstance(eos, list) else eos) or 0)

    def _call(self, case: Case, batch: Batch, output: Any, wall: float, offsets: Sequence[float]) -> Call:
        new = self._new_ids = output[:, batch.prompt_length :]
        tokens = produced(new, self.loaded.model.generation_config.eos_token_id)
        wanted = (case.new_tokens or 0) * (case.batch_size or 1)
        if case.stop == "length" and (new.numel() != wanted or len(offsets) != new.shape[1] + 1):
            raise MeasurementError(f"{wanted} new tokens were forced but {new.numel()} came")
        steps = tuple(later - earlier for earlier, later in pairwise(offsets[1:]))
        tokens = wanted if case.stop == "length" else tokens
        visit = self.lengths.visit(case, batch.prompt_length, len(steps), case.new_tokens)
        return Call(wall, offsets[1] - offsets[0], steps, tokens, batch.prompt_length, visit)

    def suppressed(self) -> list[int]:
        """The token ids that generate never chooses where it forces the number of new tokens: those that end a text."""
        eos = self.loaded.model.generation_config.eos_token_id
        return [] if eos is None or self.case.stop != "length" else [eos] if isinstance(eos, int) else list(eos)

    def cache_layers(self, batch: Batch) -> tuple[str, ...]:
        """The classes of the cache's layers in a short call, as they really are; () where there is no such cache."""
        short = self._options(replace(self.case, new_tokens=2))
        output = self.loaded.model.generate(**batch.inputs, **short, return_dict_in_generate=True)
        layers = getattr(output.past_key_values, "layers", ())
        return tuple(dict.fromkeys(type(layer).__name__ for layer in layers))

    def last_tokens(self) -> list[list[int]]:
        """The new token ids of the last call, [batch][new]."""
        tokens: list[list[int]] = self._new_ids.tolist() if self._new_ids is not None else []
        return tokens


def produced(new_ids: Any, eos: Any) -> int:
    """New tokens of all sequences, each up to and with its first end-of-sequence token. ``new_ids``: [batch, new]."""
    stops = {eos} if isinstance(eos, int) else set(eos or ())
    total = 0
    for row in new_ids.tolist():
        first = next((place for place, token in enumerate(row) if token in stops), len(row) - 1)
        total += first + 1
    return total


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

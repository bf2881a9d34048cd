"""Cheap remedies tried in the arm's own process: each takes turns with the unchanged arm, call by call.

What the process and its machine do in a round is common to all of a round, so that a gain is known better than
between two processes; how much another process would differ is NOT in it. A round is one call of each, in an order that
moves on from round to round. All calls have the same prompt, and meet only key-value lengths that the process has met
before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bench.interventions import graphed, process, same_tokens
from bench.interventions.table import NONE, Intervention, changed_arm, claim_of, parse
from bench.record.errors import MeasurementError
from bench.record.instruments import TRY
from bench.record.schema import Case, metric
from bench.schemes import Arm, holder, linear_kernels
from bench.workloads import models
from bench.workloads.batches import make_batches
from bench.workloads.generation import Tries
from bench.workloads.lengths import Lengths
from bench.workloads.outcome import Outcome, failed
from bench.workloads.session import Session, meet_all

# One call of each arm. With fewer a round more or less would decide; each costs a call of everything that is tried.
ROUNDS = 4
_NO_TURNS = "the unchanged arm took its turns in an earlier process: see 'intervene', or measure in a new run"


@dataclass
class _Tried:
    """One arm of the turns; ``graph`` where its step is captured. ``steps``: seconds per decode step of each call."""

    case: Case
    chosen: tuple[Intervention, ...]
    arm: Arm
    session: Session
    graph: graphed.Graphed | None = None
    steps: list[tuple[float, ...]] = field(default_factory=list)
    tokens: list[list[list[int]]] = field(default_factory=list)
    logits: list[float] = field(default_factory=list)

    def call(self) -> None:
        """One call more; nothing else may have switched the model since."""
        if self.graph is not None:
            decoded = self.graph.decode(self.session.batches[0], self.session.case.new_tokens or 0)
            self.steps.append(tuple(decoded.steps))
            self.tokens.append([list(row) for row in decoded.tokens])
            return
        made = self.session.generate(self.session.batches[0])
        self.steps.append(tuple(made.visit.seen(made.steps)))
        self.tokens.append(self.session.last_tokens())


def tries_on(loaded: models.LoadedModel) -> Tries:
    """What tries remedies on this model, which has made no forward yet."""
    return partial(run, loaded, Switches(loaded.model))


def run(
    loaded: models.LoadedModel, switches: Switches, own: Arm, cases: Sequence[Case], options: Mapping[str, Any],
    lengths: Lengths,
) -> Iterator[Outcome]:  # fmt: skip
    """An outcome for each Case: the unchanged arm's and those of what is tried on it. What does not work on this model
    or machine is skipped with the reason; what claims the same tokens and gives others fails. The model is left as it
    was."""
    if all(case.intervention != NONE for case in cases):
        yield from (Outcome(case, TRY, "skipped", _NO_TURNS) for case in cases)
        return
    try:
        turns, left_out = _prepared(loaded, own, switches, cases, options, lengths)
        yield from left_out
        yield from _rounds(turns, switches, own)
        if len(turns) == 1:
            yield Outcome(turns[0].case, TRY, "skipped", "nothing could be tried beside it")
            return
        yield from (_outcome(one, turns[0], options) for one in turns)
    finally:
        switches.to(own)


def _prepared(
    loaded: models.LoadedModel, own: Arm, switches: Switches, cases: Sequence[Case], options: Mapping[str, Any],
    lengths: Lengths,
) -> tuple[list[_Tried], list[Outcome]]:  # fmt: skip
    """The arms, warmed up, the unchanged one first; and the outcomes of those that cannot be."""
    turns, left_out = list[_Tried](), list[Outcome]()
    for case in sorted(cases, key=lambda case: case.intervention != NONE):
        chosen = parse(case.intervention or NONE)
        changed = changed_arm(own, chosen)
        try:
            switches.to(changed)
            turns.append(_ready(loaded, case, chosen, changed, options, lengths))
        except Exception as error:
            left_out.append(_left_out(case, error))
            if case.intervention == NONE:
                return [], [_left_out(other, error) for other in cases]
    return turns, left_out


def _ready(
    loaded: models.LoadedModel,
    case: Case,
    chosen: tuple[Intervention, ...],
    changed: Arm,
    options: Mapping[str, Any],
    lengths: Lengths,
) -> _Tried:
    session = Session(case, loaded, make_batches(case, loaded, 1), lengths)
    one = _Tried(case, chosen, changed, session)
    if any(item.cuda_graph for item in chosen):
        batch = session.batches[0]
        length = batch.prompt_length + (case.new_tokens or 0)
        one.graph = graphed.Graphed(loaded.model, batch, length, session.suppressed())
    else:
        meet_all(session, options)
    one.logits = process.logits(session)
    return one


def _rounds(turns: list[_Tried], switches: Switches, own: Arm) -> Iterator[Outcome]:
    """All rounds, which fill the arms. One that fails takes no further part, and has its outcome at once."""
    for number in range(ROUNDS):
        order = turns[number % len(turns) :] + turns[: number % len(turns)] if turns else []
        for one in order:
            try:
                switches.to(one.arm)
                one.call()
            except Exception as error:
                if one is turns[0]:
                    raise
                turns.remove(one)
                yield _left_out(one.case, error)
    switches.to(own)


def _left_out(case: Case, error: Exception) -> Outcome:
    """Failed where it gave other tokens or nobody expected it; what this model or machine cannot do is skipped."""
    expected = isinstance(error, MeasurementError) and not isinstance(error, same_tokens.OtherTokensError)
    return Outcome(case, TRY, "skipped", str(error)) if expected else failed(case, TRY, error)


def _outcome(one: _Tried, unchanged: _Tried, options: Mapping[str, Any]) -> Outcome:
    batch, rows = one.session.batches[0], one.case.batch_size or 1
    metrics = (
        metric("inter_token_latency", [step for call in one.steps for step in call]),
        metric("decode_steps", [len(call) for call in one.steps]),
        metric("tokens_generated", [rows * (one.case.new_tokens or 0)] * len(one.steps)),
        metric("prompt_length", [batch.prompt_length] * len(one.steps)),
        metric("model_footprint", models.footprint(one.session.loaded.model)),
    )
    model = one.session.loaded.model
    packed = any(map(linear_kernels.packs, linear_kernels.linears_4bit(model)))
    setup = process.setup(one.session, one.arm, one.chosen, (), packed, options)
    setup |= {"output": {"tokens": one.tokens, "logits": one.logits}, "turns": {"rounds": len(one.steps)}}
    return _held_to_claim(Outcome(one.case, TRY, setup=setup, metrics=metrics), one, unchanged)


def _held_to_claim(outcome: Outcome, one: _Tried, unchanged: _Tried) -> Outcome:
    """The outcome with what its tokens are beside the unchanged arm's, or failed where it claims the same."""
    claim = claim_of(one.chosen)
    if not claim:
        return outcome
    given, wanted = (tried.tokens[-1:] for tried in (one, unchanged))
    return process.compared(outcome, unchanged.session, given, wanted, claim)


class Switches:
    """The switches of a model's quantised Linears; to be made before the first forward."""

    def __init__(self, model: Any) -> None:
        made = ((module, holder(module)) for module in model.modules())
        found = (family.switch(module) for module, family in made if family is not None)
        self._switches = [switch for switch in found if switch is not None]

    def to(self, wanted: Arm) -> int:
        """Give them the settings of ``wanted``; returns how many there are."""
        for switch in self._switches:
            switch(wanted)
        return len(self._switches)

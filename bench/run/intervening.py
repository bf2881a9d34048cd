"""Plans the interventions of some arms, and says what the replay predicts of each before any is measured; and which
cheap remedies a run tries by itself, in which of its processes.

First a block per arm that times it and records its timeline, then the predictions, then every intervention and the
unchanged arm in interleaved repeats.

What a run tries by itself a preset's sweep names (``tries``), and the schemes that it is tried on. Tries take turns
with the unchanged arm in the process that times it a second time: the first one has recorded its timeline, so that
replay's prediction is written before anything is measured. With one repeat only they get a process of their own, after
all others. Their calls are short (``TOKENS``): what is tried is set against the unchanged arm call by call, and no
other length.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.analysis.ledger.pairs import observed_records, observer_models
from bench.analysis.replay.change import Change
from bench.analysis.replay.undisturb import replay_of
from bench.analysis.replay.whatif import Replay
from bench.analysis.timeline import Analysis
from bench.interventions.table import (
    INTERVENTIONS,
    NONE,
    applicable,
    changed_case,
    changes_nothing,
    combinations,
    parse,
    reversible,
)
from bench.presets import EndToEnd, Preset
from bench.record import causes as c
from bench.record.errors import BitledgerError, RecordError
from bench.record.instruments import TRY
from bench.record.schema import Case, Environment, Record, Status, metric
from bench.record.timeline import Timeline
from bench.run.plan import Block, Request, generation_case
from bench.schemes import REFERENCE, arm, family
from bench.workloads.sources import Source

INSTRUMENT, PREDICTION, TIMELINE = "intervention", "prediction", "kineto"
ReadTimeline = Callable[[Path], Timeline]
# What float arms are for: to be set against at other batch sizes and caches, with nothing else to change.
_FOR_FLOAT = ("static-cache", "cuda-graph", "no-cudnn-attention")
TOKENS = 16


@dataclass(frozen=True)
class InterventionPlan:
    """``timelines`` first, then ``blocks``; ``cases``: intervention Cases with something to predict."""

    timelines: tuple[Block, ...]
    blocks: tuple[Block, ...]
    cases: tuple[Case, ...]


def names_for(scheme: str, device: str, only: Sequence[str], batches: Sequence[int]) -> tuple[str, ...]:
    """What to try on an arm: all that fits, or those of ``only`` that do; batch sizes as listed."""
    chosen = arm(scheme)
    asked = {*only, *(f"batch-{size}" for size in batches)}
    fitting = applicable(chosen, device)
    swept = [name for name in fitting if name.startswith("batch-") and name in asked]
    single = [name for name in fitting if not name.startswith("batch-")]
    if not family(chosen).quantises:
        single = [name for name in single if name in _FOR_FLOAT]
    every = [*single, *combinations(chosen, device), *swept]
    return tuple(name for name in every if not only or set(name.split("+")) <= set(only))


def make_plan(
    sweep: EndToEnd,
    source: Source,
    device: str,
    seed: int,
    names: Mapping[str, Sequence[str]],
    observed: frozenset[str],
    threads: int | None,
) -> InterventionPlan:
    """``names``: scheme → interventions; ``observed``: schemes whose timeline the run folder has already. What the
    sweep's own setting is already, such as its batch size, is left out: it would measure the unchanged arm."""
    options = {
        "calls": sweep.calls, "warmup_calls": sweep.warmup_calls, "threads": threads, "annotate": False,
        "timeline_steps": min(sweep.timeline_steps, sweep.new_tokens - 2), "timeline_keep": True,
    }  # fmt: skip
    base = {
        scheme: generation_case(
            sweep,
            source,
            scheme,
            sweep.batch_sizes[0],
            sweep.caches[0],
            device,
            seed,
            length=next(iter(sweep.prompt_lengths), None),
        )
        for scheme in names
    }
    timelines = tuple(
        Block("generation", source, 0, (Request(case, "generation"), Request(case, TIMELINE)), options, sweep.limit_s)
        for scheme, case in base.items()
        if scheme not in observed
    )
    cases = [
        changed_case(base[scheme], name)
        for scheme, chosen in names.items()
        for name in (NONE, *chosen)
        if name == NONE or not changes_nothing(arm(scheme), base[scheme], name)
    ]
    blocks: list[Block] = []
    for repeat in range(sweep.repeats):
        round_ = [
            Block("intervention", source, repeat, (Request(case, INSTRUMENT),), options, sweep.limit_s)
            for case in cases
        ]
        random.Random(f"{seed}:{repeat}:interventions").shuffle(round_)
        blocks += round_
    return InterventionPlan(timelines, tuple(blocks), tuple(filter(foreseeable, cases)))


def foreseeable(case: Case) -> bool:
    """Whether the replay has something to predict for an intervention's Case."""
    return _change(case) is not None or _as_reference(case)


def unforetold(records: Sequence[Record], cases: Sequence[Case]) -> list[Case]:
    """The Cases of which no prediction stands among the Records."""
    stated = {record.case_id for record in records if record.instrument == PREDICTION}
    return [case for case in cases if case.case_id not in stated]


def _change(case: Case) -> Change | None:
    """What the replay changes for an intervention; None where it has nothing to change."""
    chosen = parse(case.intervention or NONE)
    removes = [cause for item in chosen for cause in item.removes]
    graph = any(item.cuda_graph for item in chosen)
    whole = all(item.removes or item.cuda_graph for item in chosen) and not set(removes) & set(c.DERIVED)
    return Change(dict.fromkeys(removes, 0.0), graph) if chosen and whole else None


def _as_reference(case: Case) -> bool:
    """Whether an intervention makes the arm the reference, but for its weights' values."""
    chosen = parse(case.intervention or NONE)
    return len(chosen) == 1 and chosen[0].as_reference


@dataclass(frozen=True)
class Predictor:
    """Predicts from the timelines of a run folder. ``read``: reads a trace file; ``reference``: the scheme that others
    are set against."""

    folder: Path
    run_id: str
    argv: tuple[str, ...]
    machine: Environment
    read: ReadTimeline
    reference: str = REFERENCE

    def predictions(self, records: Sequence[Record], cases: Sequence[Case]) -> Iterator[Record]:
        """One Record per Case, before it is measured."""
        observed = observed_records(records)
        models = observer_models(observed)
        replays: dict[str, Replay | str] = {}
        wanted = [self.reference] if any(map(_as_reference, cases)) else []
        for scheme in dict.fromkeys((*wanted, *(case.scheme for case in cases))):
            replays[scheme] = self._replay(scheme, records, models)
        none = f"no timeline of {self.reference} is needed here"
        for case in cases:
            yield self._prediction(case, replays[case.scheme], replays.get(self.reference, none))

    def _replay(self, scheme: str, records: Sequence[Record], models: Any) -> Replay | str:
        """The unchanged arm's replay without its observer, or why there is none."""
        kept = [r for r in records if r.instrument == TIMELINE and r.case.scheme == scheme and r.artifacts]
        traces = [(r, self.folder / a.path) for r in kept for a in r.artifacts if a.path.endswith(".json.gz")]
        if not traces:
            return f"no timeline of {scheme} was kept in this run folder"
        record, path = traces[-1]
        try:
            return replay_of(record, Analysis(self.read(path)), models)
        except BitledgerError as error:
            return str(error)

    def without(self, case: Case, status: Status, reason: str) -> Record:
        """A Case's Record without a prediction, and why."""
        return Record(
            run_id=self.run_id,
            instrument=PREDICTION,
            case=case,
            repeat=0,
            status=status,
            reason=reason,
            environment=self.machine,
            argv=self.argv,
            started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )

    def _prediction(self, case: Case, replay: Replay | str, reference: Replay | str) -> Record:
        for needed in (replay, reference) if _as_reference(case) else (replay,):
            if isinstance(needed, str):
                return self.without(case, "skipped", needed)
        assert isinstance(replay, Replay)
        try:
            replayed, predicted, why = self._predicted(case, replay, reference)
        except BitledgerError as error:
            return self.without(case, "skipped", str(error))
        metrics = (metric("replayed_step_time", replayed * 1e-3), metric("predicted_step_time", predicted * 1e-3))
        record = self.without(case, "ok", "")
        return replace(record, metrics=metrics, setup={**why, "arm": arm(case.scheme).facts()})

    def _predicted(self, case: Case, replay: Replay, reference: Replay | str) -> tuple[float, float, dict[str, Any]]:
        """(replayed, predicted) ms per step, and what was replayed. Raises RecordError where it cannot be."""
        if isinstance(reference, Replay) and _as_reference(case):
            found = replay.diagnose(reference)
            if found.refused:
                raise RecordError(found.refused)
            return found.candidate * 1e-6, found.aligned * 1e-6, {"as_reference": self.reference}
        change = _change(case)
        assert change is not None, "only Cases with something to change are predicted"
        outcome = replay.whatif(change)
        if outcome.predicted_ms is None:
            raise RecordError(outcome.missing)
        setup = {"factors": dict(change.factors), "cuda_graph": change.cuda_graph, "notes": list(outcome.notes)}
        return outcome.replayed_ms, outcome.predicted_ms, setup


def with_tries(preset: Preset, blocks: Sequence[Block]) -> tuple[Block, ...]:
    """The blocks with what they try besides; each arm once, in its sweep's first setting."""
    planned = {_bare(request.case) for block in blocks for request in block.requests}
    made: list[Block] = []
    for block in blocks:
        asked = [request for case, sweep in _bases(preset, block) for request in _requests(sweep, case, planned)]
        alone = [request for request in asked if _sweep_of(preset, request.case).repeats == 1]
        made.append(replace(block, requests=(*block.requests, *(one for one in asked if one not in alone))))
        if alone:
            made.append(replace(block, requests=tuple(alone)))
    return tuple(sorted(made, key=_only_tries))


def _only_tries(block: Block) -> bool:
    return all(request.instrument == TRY for request in block.requests)


def _bases(preset: Preset, block: Block) -> list[tuple[Case, EndToEnd]]:
    """The block's Cases on which something is tried in it."""
    timed = [request.case for request in block.requests if request.instrument == "generation"]
    return [
        (case, sweep)
        for case in timed
        if case.scheme in (sweep := _sweep_of(preset, case)).tried_on
        and block.repeat == min(1, sweep.repeats - 1)
        and (case.batch_size, case.cache, case.dropped_layers) == (sweep.batch_sizes[0], sweep.caches[0], None)
        and case.model == block.source.name
    ]


def _sweep_of(preset: Preset, case: Case) -> EndToEnd:
    """The first sweep that tries something on the scheme; else the preset's first."""
    return next((sweep for sweep in preset.sweeps if sweep.tries and case.scheme in sweep.tried_on), preset.sweeps[0])


def _requests(sweep: EndToEnd, case: Case, planned: set[Case]) -> list[Request]:
    """The unchanged arm and what is tried beside it; nothing where nothing fits. What the run times anyway, such as
    another batch size, needs no try."""
    names = [name for name in sweep.tries if _fits(name, case, planned)]
    short = replace(case, new_tokens=min(TOKENS, case.new_tokens or TOKENS))
    return [Request(changed_case(short, name), TRY) for name in (NONE, *names)] if names else []


def _fits(name: str, case: Case, planned: set[Case]) -> bool:
    """Whether it means something for the arm, can be undone in its process, and is not timed anyway."""
    item, own = INTERVENTIONS[name], arm(case.scheme)
    if not item.fits(own, case.device) or not reversible(item) or changes_nothing(own, case, name):
        return False
    other_use = not (item.arm or item.cuda_graph)
    return not (other_use and _bare(changed_case(case, name)) in planned)


def _bare(case: Case) -> Case:
    return replace(case, intervention=None)

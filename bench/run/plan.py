"""From a preset to an ordered list of blocks. No torch: the parent process plans.

A block is what one fresh child process measures. It is one end-to-end Case with its instruments, or one Linear
shape with all arms interleaved (docs/adr/0002), or the machine's ceilings.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Literal, TypedDict

from msgspec import convert

from bench.presets import EndToEnd, Preset
from bench.record.instruments import FIRST_VISITS, PREFILL, SAMPLES, TIMELINE, TRY
from bench.record.schema import Case
from bench.record.typed import typed
from bench.schemes import AS_SAVED, arm, family, known
from bench.schemes.variants import compiles, has_adapter, parts
from bench.workloads.prompts import AS_IS
from bench.workloads.sources import Source

BlockKind = Literal["machine", "generation", "matmul", "intervention"]
Key = tuple[str, str, int]


@dataclass(frozen=True)
class Layer:
    """A distinct Linear shape: W[n, k], the modules that have it, whether quantisers convert it and it has a bias."""

    name: str
    n: int
    k: int
    count: int
    converted: bool
    bias: bool = False


@dataclass(frozen=True)
class Request:
    """One record that a block is to give."""

    case: Case
    instrument: str

    def key(self, repeat: int) -> Key:
        return (self.case.case_id, self.instrument, repeat)


class Options(TypedDict, total=False):
    """The settings of blocks, by name. A block has those that its workload reads."""

    calls: int
    warmup_calls: int
    warmup_tokens: int | None
    threads: int | None
    annotate: bool
    annotation_pairs: int
    timeline_steps: int
    timeline_keep: bool
    energy_windows: int
    energy_seconds: float
    country: str
    tasks: int | None
    seconds: float
    relative_standard_error: float
    max_copies: int
    count_in_model: int
    bias: bool
    by_case: dict[str, Options]
    block: Mapping[str, str | int]


@dataclass(frozen=True)
class Block:
    """``options`` are the settings that the workload reads; ``limit_s`` is when the parent ends the child."""

    kind: BlockKind
    source: Source
    repeat: int
    requests: tuple[Request, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    limit_s: float = 600.0

    @property
    def label(self) -> str:
        """What a block measures, in a line for the progress of a run."""
        case = self.requests[0].case
        if self.kind == "machine":
            return "machine: copy and matrix product"
        if self.kind == "matmul":
            return f"matmul {case.layer} {case.n}×{case.k}, {len(self.requests)} points"
        if self.kind == "intervention":
            return f"{case.scheme} with {case.intervention}, batch {case.batch_size}, repeat {self.repeat + 1}"
        less = f" less layers {case.dropped_layers}" if case.dropped_layers else ""
        tries = sum(request.instrument == TRY for request in self.requests)
        cases = len({request.case for request in self.requests}) - tries
        if not cases:
            return f"{tries} tries of {case.scheme}, repeat {self.repeat + 1}"
        what = f"batch {case.batch_size}, {case.cache} cache" if cases == 1 else f"{cases} Cases"
        what += f", {tries} tries" if tries else ""
        instruments = {request.instrument for request in self.requests}
        # A block that a run goes on with may have been timed already.
        does = "generation" if "generation" in instruments else "pass@1" if SAMPLES in instruments else "observing"
        return f"{does} {case.scheme}{less}, {what}, repeat {self.repeat + 1}"

    def without(self, done: frozenset[Key]) -> Block | None:
        """This block less the records that exist; None where nothing is left."""
        rest = tuple(request for request in self.requests if request.key(self.repeat) not in done)
        if not rest:
            return None
        return Block(self.kind, self.source, self.repeat, rest, self.options, self.limit_s)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> Block:
        """Raises KeyError, TypeError or ValueError where it is none."""
        block: Block = typed(Block, document)
        block._check()
        return block

    def _check(self) -> None:
        """What the types leave open. Raises ValueError."""
        convert(self.options, Options)
        if not self.requests or self.repeat < 0 or not 0 < self.limit_s <= LONGEST_S:
            raise ValueError("a block without a request, with a negative repeat, or with no time to run")
        for request in self.requests:
            check_case(self.kind, request.case)


# What a block is of, by its kind, and the coordinates that its Cases need.
_NEEDED: dict[str, tuple[str, tuple[str, ...]]] = {
    "machine": ("machine", ()),
    "matmul": ("matmul", ("layer", "op", "residency", "n", "k")),
    "generation": ("generation", ("batch_size", "new_tokens", "cache", "stop")),
    "intervention": ("generation", ("batch_size", "new_tokens", "cache", "stop", "intervention")),
}
LONGEST_S = 1e9


def check_case(kind: BlockKind, case: Case) -> None:
    """Raises ValueError for a Case that no such block can measure."""
    workload, needed = _NEEDED[kind]
    if case.workload != workload:
        raise ValueError(f"a {kind} block with a Case of the workload {case.workload!r}")
    if not known(case.scheme):
        raise ValueError(f"unknown scheme {case.scheme!r}")
    for name, value in case.coordinates().items():
        if isinstance(value, int) and value < (0 if name == "seed" else 1):
            raise ValueError(f"{name} of a Case is {value}")
    if has_adapter(case.scheme) and not case.adapter:
        raise ValueError(f"the scheme {case.scheme} without an adapter")
    if compiles(case.scheme) and case.cache != "static":
        raise ValueError(f"the scheme {case.scheme} with a {case.cache} cache: a step is compiled over a static one")
    for name in needed:
        if getattr(case, name) is None:
            raise ValueError(f"a {kind} Case without {name}")


def make_plan(
    preset: Preset, source: Source, layers: Sequence[Layer], device: str, seed: int, beside: Sequence[Source] = ()
) -> tuple[Block, ...]:
    """All blocks in the order of running: the machine, then matmul, then end to end.

    ``beside``: models that stand beside ``source`` as arms, interleaved with it end to end; their layer products are
    not measured, and their layers not removed.

    Within each repeat the arms of a sweep run in a random order drawn from ``seed`` and the repeat, so that a drift
    of the machine does not favour one arm.
    """
    blocks = [machine_block(preset, source, device, seed)] if preset.machine else []
    blocks += [matmul_block(preset, source, layer, device, seed) for layer in layers]
    for one in rounds(preset, source, device, seed, beside):
        mixed = list(one.blocks)
        random.Random(f"{seed}:{one.repeat}:{one.sweeps[0].name}").shuffle(mixed)
        blocks += mixed
    return once_each(blocks)


def remaining(blocks: Sequence[Block], done: frozenset[Key]) -> tuple[Block, ...]:
    """The blocks less the records that exist, in order; those with nothing left are gone."""
    return tuple(rest for block in blocks if (rest := block.without(done)) is not None)


@dataclass(frozen=True)
class Round:
    """One repeat of the sweeps that share processes, or of one sweep: its blocks in no order yet."""

    sweeps: tuple[EndToEnd, ...]
    repeat: int
    blocks: tuple[Block, ...]


def rounds(preset: Preset, source: Source, device: str, seed: int, beside: Sequence[Source] = ()) -> tuple[Round, ...]:
    """The end-to-end part of the plan, sweep by sweep and repeat by repeat."""
    found = []
    for together in _in_processes(preset.sweeps):
        for repeat in range(max(sweep.repeats for sweep in together)):
            blocks = [
                _generation_block(preset, sweep, model, repeat, case)
                for sweep in together
                if repeat < sweep.repeats
                for model in (source, *beside)
                for scheme in schemes_of(model, sweep.schemes)
                for dropped in sweep.dropped_layers
                if model is source or not dropped
                if model.adapter or not has_adapter(scheme)
                for batch in sweep.batch_sizes
                for cache in sweep.caches
                for length in sweep.prompt_lengths or (None,)
                for case in (generation_case(sweep, model, scheme, batch, cache, device, seed, dropped, length),)
            ]
            found.append(Round(together, repeat, tuple(_merged(blocks) if together[0].process else blocks)))
    return tuple(found)


def schemes_of(model: Source, schemes: Sequence[str]) -> tuple[str, ...]:
    """Those of ``schemes`` that can be made of a model: of one that was saved quantised, only itself."""
    found = tuple(scheme for scheme in schemes if (parts(scheme)[0] == AS_SAVED) == bool(model.saved))
    return found or ((AS_SAVED,) if model.saved else ())


def _in_processes(sweeps: Sequence[EndToEnd]) -> list[tuple[EndToEnd, ...]]:
    """The sweeps whose Cases share processes, together; the others alone."""
    groups: dict[str, list[EndToEnd]] = {}
    for place, sweep in enumerate(sweeps):
        groups.setdefault(sweep.process or f"alone {place}", []).append(sweep)
    return [tuple(group) for group in groups.values()]


def _merged(blocks: Sequence[Block]) -> list[Block]:
    """One block for each loaded model: what differs between its Cases is kept by case_id."""
    found: dict[tuple[str, str, str | None], list[Block]] = {}
    for block in blocks:
        case = block.requests[0].case
        found.setdefault((case.model, case.scheme, case.dropped_layers), []).append(block)
    return [_one_block(group) for group in found.values()]


def _one_block(blocks: Sequence[Block]) -> Block:
    first = blocks[0]
    requests = tuple(dict.fromkeys(request for block in blocks for request in block.requests))
    own: dict[str, dict[str, Any]] = {}
    for block in blocks:  # two sweeps may hold the same Case: the first says how
        own.setdefault(block.requests[0].case.case_id, dict(block.options))
    options = {**first.options, "by_case": own}
    return Block("generation", first.source, first.repeat, requests, options, sum(block.limit_s for block in blocks))


def once_each(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """The blocks less what an earlier one gives already: two sweeps may hold the same Case."""
    planned: set[Key] = set()
    kept = []
    for block in blocks:
        rest = block.without(frozenset(planned))
        if rest is not None:
            kept.append(rest)
            planned.update(request.key(rest.repeat) for request in rest.requests)
    return tuple(kept)


def machine_block(preset: Preset, source: Source, device: str, seed: int, repeat: int = 0) -> Block:
    """The machine's ceilings."""
    requests = tuple(Request(Case("machine", "none", "", scheme, device, seed), "ceiling") for scheme in preset.machine)
    return Block("machine", source, repeat, requests, {"threads": preset.threads}, limit_s=300)


def generation_case(
    sweep: EndToEnd,
    source: Source,
    scheme: str,
    batch: int,
    cache: str,
    device: str,
    seed: int,
    dropped_layers: str | None = None,
    length: int | None = None,
) -> Case:
    """The Case that a run of this sweep measures: whoever observes it elsewhere joins the run by its case_id.
    ``length``: of the prompts in tokens; None: see EndToEnd.prompt_lengths."""
    own = source.own_prompts if sweep.timed else ""  # programs are written for tasks
    prompts = own or ("humaneval" if source.has_text else "random")
    named = prompts == "humaneval" and sweep.prompt_style != AS_IS
    adapter = f"{source.adapter}@{source.adapter_revision}" if has_adapter(scheme) else None
    return Case(
        "generation",
        source.name,
        source.revision,
        scheme,
        device,
        seed,
        batch_size=batch,
        prompts=prompts,
        prompt_tokens=length or (sweep.prompt_tokens if prompts == "random" else None),
        new_tokens=sweep.new_tokens,
        cache=cache,
        stop=sweep.stop,
        dropped_layers=dropped_layers or None,
        prompt_style=sweep.prompt_style if named else None,
        adapter=adapter,
    )


def _generation_block(preset: Preset, sweep: EndToEnd, source: Source, repeat: int, case: Case) -> Block:
    instruments = (["generation"] if sweep.timed else []) + [
        name
        for name, (schemes, repeats) in sweep.observers.items()
        if case.scheme in (*schemes, AS_SAVED) and repeat < repeats
    ]
    if TIMELINE in instruments and repeat == 0:  # these are observed once: they are timed in every process
        instruments += [PREFILL] if case.cache == "static" else [FIRST_VISITS, PREFILL]
    options = {
        "calls": sweep.calls,
        "warmup_calls": sweep.warmup_calls,
        "threads": preset.threads,
        "annotate": preset.annotate,
        "annotation_pairs": sweep.annotation_pairs,
        "timeline_steps": min(sweep.timeline_steps, sweep.new_tokens - 2),
        "timeline_keep": repeat == 0,
        "energy_windows": sweep.energy_windows,
        "energy_seconds": sweep.energy_seconds,
        "country": preset.country,
        "tasks": sweep.tasks,
    }
    requests = tuple(Request(case, instrument) for instrument in instruments)
    return Block("generation", source, repeat, requests, options, sweep.limit_s)


def matmul_block(preset: Preset, source: Source, layer: Layer, device: str, seed: int, repeat: int = 0) -> Block:
    """One layer's products with all arms, which take turns within one process."""
    of_layer = partial(Case, "matmul", source.name, source.revision, layer=layer.name, n=layer.n, k=layer.k)
    cases = [
        of_layer(scheme=scheme, device=device, seed=seed, op=op, residency=residency, m=m)
        for scheme in preset.matmul_schemes
        if layer.converted or not family(arm(scheme)).quantises
        for op in family(arm(scheme)).operations
        for residency in (preset.residencies if op == "linear" else ("hot",))
        for m in ((None,) if op in family(arm(scheme)).of_weights else preset.matmul_m)
    ]
    options = {
        "threads": preset.threads,
        "seconds": preset.matmul_seconds,
        "relative_standard_error": preset.relative_standard_error,
        "max_copies": preset.max_copies,
        "count_in_model": layer.count,
        "bias": layer.bias,
    }
    requests = tuple(Request(case, "matmul") for case in cases)
    return Block("matmul", source, repeat, requests, options, limit_s=120 + 4 * preset.matmul_seconds * len(requests))

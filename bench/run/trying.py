"""Which cheap remedies a run tries by itself, and in which of its processes.

A preset's sweep names them (``tries``) and the schemes that they are tried on. They take turns with the unchanged arm
in the process that times it a second time: the first one has recorded its timeline, so that replay's prediction is
written before anything is measured. With one repeat only they get a process of their own, after all others.

Their calls are short (``TOKENS``): what is tried is set against the unchanged arm call by call, and no other length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bench.interventions.table import INTERVENTIONS, NONE, changed_case, changes_nothing, reversible
from bench.presets import EndToEnd, Preset
from bench.record.instruments import TRY
from bench.record.schema import Case
from bench.run.plan import Block, Request
from bench.schemes import arm

TOKENS = 16


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

"""More blocks for a sweep that could not tell: the same plan with more repeats; the blocks that are there stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.cluster import folder as places
from bench.cluster.blocks import Shares, divide
from bench.presets import Preset
from bench.record.errors import UsageError
from bench.run.plan import Layer
from bench.run.planfile import Run, read_plan
from bench.run.processes import ForkServer
from bench.verbs.planning import described


def extend(folder: Path, repeats: int, fork_server: ForkServer) -> int:
    """Plan the blocks up to ``repeats`` of every timed sweep; returns how many are new.

    The design's rows go on where they were, so that arms stay balanced over old and new blocks. Raises UsageError
    where the sweep has more repeats already.
    """
    sweep, whole = places.read(folder), read_plan(folder)
    runs = [places.block_run(folder, number) for number in sweep.numbers]
    firsts = list({run.source.name: run for run in reversed(runs)}.values())[::-1]
    most = max(block.repeat for run in runs for block in run.blocks) + 1
    if repeats < most:
        raise UsageError(f"{folder} has blocks of {most} repeats already: --repeats adds blocks, and takes none away")
    new = [(run, share) for run in firsts for share in _shares(run, repeats, fork_server, first=run is firsts[0])]
    new = [(run, share) for run, share in new if share.name not in sweep.blocks]
    added = [replace(run, blocks=share.processes) for run, share in new]
    names = tuple(share.name for _, share in new)
    blocks = (*whole.blocks, *(block for run in added for block in run.blocks))
    whole = replace(whole, preset=_with_repeats(whole.preset, repeats), blocks=blocks)
    places.add(folder, replace(sweep, blocks=(*sweep.blocks, *names)), whole, added)
    return len(added)


def _shares(run: Run, repeats: int, fork_server: ForkServer, *, first: bool) -> Sequence[Shares]:
    facts = described(run.source, fork_server.start)
    layers = [Layer(**layer) for layer in facts["layers"]] if run.preset.matmul_m else []
    preset = _with_repeats(run.preset, repeats)
    return divide(preset, run.source, layers, run.device, run.seed, run.beside, ceilings=first)


def _with_repeats(preset: Preset, repeats: int) -> Preset:
    return replace(preset, sweeps=tuple(replace(s, repeats=repeats) if s.timed else s for s in preset.sweeps))

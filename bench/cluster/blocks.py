"""A run parted into blocks: all arms of one model × workload × repeat each, in a balanced order.

The workloads of a preset are its layer products, and its end-to-end sweeps; sweeps with a setting in common are one
workload, because their arms are set against each other ("quick" measures fp4 in another sweep than fp16).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bench.presets import Preset
from bench.record.origin import BLOCK
from bench.record.schema import Case
from bench.run.plan import Block, Layer, Round, machine_block, matmul_block, once_each, rounds
from bench.workloads.sources import Source

from .design import order

LAYERS = "layer products"
CEILINGS = "ceilings"


@dataclass(frozen=True)
class Shares:
    """The processes of one block, in order, under its name."""

    name: str
    processes: tuple[Block, ...]


def divide(
    preset: Preset,
    source: Source,
    layers: Sequence[Layer],
    device: str,
    seed: int,
    beside: Sequence[Source] = (),
    *,
    ceilings: bool = True,
) -> tuple[Shares, ...]:
    """The blocks of one model (``beside``: checkpoints that are arms with it), repeat by repeat.

    Layer products and the machine's ceilings are measured in every repeat, because every node has its own. Without
    ``ceilings`` they are left to another model's blocks: they are of no model.
    """
    repeats = max((sweep.repeats for sweep in preset.sweeps if sweep.timed), default=1)
    workloads = _workloads(rounds(preset, source, device, seed, beside))
    found: list[Shares] = []
    for repeat in range(max((one.repeat + 1 for workload in workloads for one in workload), default=repeats)):
        first = [machine_block(preset, source, device, seed, repeat)] if ceilings and preset.machine else []
        first = first if repeat < repeats else []
        products = [matmul_block(preset, source, layer, device, seed, repeat) for layer in layers]
        if products and repeat < repeats:
            found.append(_named(source, LAYERS, repeat, [*first, *products]))
            first = []
        for workload in workloads:
            name = " + ".join(dict.fromkeys(sweep.name for one in workload for sweep in one.sweeps))
            now = once_each([block for one in workload if one.repeat == repeat for block in one.blocks])
            if now:
                found.append(_named(source, name, repeat, [*first, *_ordered(now, f"{seed}:{name}", repeat)]))
                first = []
        if first:
            found.append(_named(source, CEILINGS, repeat, first))
    return tuple(found)


def _named(source: Source, workload: str, repeat: int, processes: Sequence[Block]) -> Shares:
    name = f"{source.name}: {workload}, repeat {repeat + 1}"
    names = (
        replace(block, options={**block.options, BLOCK: {"name": name, "place": place}})
        for place, block in enumerate(processes)
    )
    return Shares(name, tuple(names))


def _workloads(found: Iterable[Round]) -> list[list[Round]]:
    """Rounds with a setting in common, in whatever repeat, together."""
    workloads: list[tuple[set[object], list[Round]]] = []
    for one in found:
        settings = {setting for block in one.blocks for setting in _settings(block)}
        members = [one]
        apart = []
        for known, rounds_ in workloads:
            if known & settings:
                settings, members = known | settings, rounds_ + members
            else:
                apart.append((known, rounds_))
        workloads = [*apart, (settings, members)]
    return [members for _, members in workloads]


def _settings(block: Block) -> tuple[object, ...]:
    return tuple(dict.fromkeys(_setting(request.case) for request in block.requests))


def _setting(case: Case) -> object:
    """What arms that are set against each other have in common: models and pruned layers may be arms, too."""
    arm = ("scheme", "model", "revision", "dropped_layers")
    return tuple((name, value) for name, value in case.coordinates().items() if name not in arm)


def _ordered(blocks: Sequence[Block], seed: str, repeat: int) -> list[Block]:
    """Setting by setting, so that what is compared is near in time; the arms of each in the design's order."""
    by_setting: dict[tuple[object, ...], list[Block]] = {}
    for block in blocks:
        by_setting.setdefault(_settings(block), []).append(block)
    settings = list(by_setting)
    random.Random(f"{seed}:{repeat}").shuffle(settings)
    return [
        by_setting[setting][arm]
        for setting in settings
        for arm in order(range(len(by_setting[setting])), repeat, f"{seed}:{setting}")
    ]

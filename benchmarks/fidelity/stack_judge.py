"""What two traces of a made-up stack say without any option, against what was planted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.analysis.traces.pair import Trace, TracePair, explain_traces
from bench.cli import options_of
from bench.record import causes as c
from bench.report.answer_traces import TracesAsked, answer
from bench.verbs.opened import AskedTrace, opened

from .judge import WITHIN, Judged
from .machine import Happened
from .stacks import StackCase
from .writers import write_kineto, write_nsys

OTHER_STACKS = "other stacks"
_SIDES = ("reference", "candidate")


def judge(case: StackCase, folder: Path) -> Judged:
    """The row of one case: the first of the answer's reasons must be the planted one, sure, and of its size."""
    played = [case.stack.played(plant, seed) for plant, seed in ((case.reference, 1), (case.plant, 2))]
    paths = [_written(case, sides, folder / name) for name, sides in zip(_SIDES, played, strict=True)]
    pair = explain_traces(*_traces(paths))
    told = answer(pair, TracesAsked(*(path.name for path in paths), *paths))
    named = next((n for n in c.CAUSES if told.causes and _names(told.causes[0].title, n)), "")
    sure = {line.cause: line.delta_ms * 1e3 for line in pair.recorded.lines if line.sure}
    size = _size_us(case, played)
    found = {line.cause: line.delta_ms * 1e3 for line in pair.recorded.lines}.get(case.plant.cause, 0.0)
    least = WITHIN * max(abs(size), 100.0)
    wrong = tuple(cause for cause, us in sure.items() if cause != case.plant.cause and abs(us) > least)
    right = _right(case, pair, named if sure else "", found, size)
    kind = f"{case.stack.told}, {case.reader}"
    return Judged(
        case.told, kind, OTHER_STACKS, case.plant.cause or "none", (named if sure else "") or "none", size, found, None,
        None, wrong, right and not wrong,
    )  # fmt: skip


def _right(case: StackCase, pair: TracePair, named: str, found: float, size: float) -> bool:
    steps = all(7 <= count <= 9 for count in pair.steps)  # less the prefill, perhaps the first after it, and the last
    if not case.plant.cause:
        return steps and not named
    return steps and named == case.plant.cause and abs(found - size) <= WITHIN * size


def _names(title: str, cause: str) -> bool:
    return title.lower().startswith(f"{c.LABELS[cause].lower()}: ")


def _written(case: StackCase, sides: list[Happened], path: Path) -> Path:
    path = path.with_suffix(".sqlite" if case.nsys else ".json")
    write = write_nsys if case.nsys else write_kineto
    write(path, *(side if case.ranges else replace(side, spans=_operators(side)) for side in sides))
    return path


def _operators(side: Happened) -> list[tuple[str, int, str, int, int]]:
    return [span for span in side.spans if span[0] != "range"]


def _traces(paths: Sequence[Path]) -> list[Trace]:
    """As the command takes them where nobody gives an option."""
    options = options_of(["explain", *(f"--{name}={path}" for name, path in zip(_SIDES, paths, strict=True))])
    return [trace for trace, _ in opened(options, [AskedTrace(path) for path in paths])]


def _size_us(case: StackCase, played: list[list[Happened]]) -> float:
    """Of the plant, or where it is the host's the difference of the steps' times as they happened."""
    size = case.size_ns()
    if size is not None:
        return size * 1e-3
    one, other = (_period(sides[0]) for sides in played)
    return (other - one) * 1e-3 if case.plant.cause else 0.0


def _period(happened: Happened) -> float:
    """ns from step to step, the prefill and the one after it left out."""
    starts = [start for kind, _, _, start, _ in happened.spans if kind == "range"]
    return float(np.diff(starts[2:]).mean())

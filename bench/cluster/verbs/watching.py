"""All blocks of a sweep in one view, until they are done."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bench.cluster import folder as places
from bench.cluster import queue
from bench.cluster.block_state import BlockState, StateName, block_states, planned_records
from bench.report.console import console as make_console
from bench.report.visible import visible

# A job that comes back to the queue may be in neither state for a moment.
GONE_AFTER = 3
SHOWN = 24
_ORDER: tuple[StateName, ...] = ("stopped", "running", "starting", "waiting", "not begun", "done")
_STYLES: dict[StateName, str] = {"running": "green", "stopped": "red", "waiting": "yellow", "starting": "yellow"}


def watch(folder: Path, every_s: float) -> list[BlockState]:
    """Show the sweep until every block is done, or has no job that could finish it; returns the latter."""
    sweep = places.read(folder)
    planned = planned_records(folder, sweep)
    gone = 0
    with _view(make_console()) as view:
        while True:
            jobs = queue.latest(folder)
            found = block_states(folder, sweep, planned, jobs, on_slurm=bool(jobs))
            view.show(found)
            stopped = [one for one in found if one.state == "stopped"]
            gone = gone + 1 if not _moving(found) else 0
            if all(one.state == "done" for one in found) or gone >= GONE_AFTER:
                return stopped
            time.sleep(every_s)


def _moving(found: Sequence[BlockState]) -> bool:
    return any(one.state in ("running", "starting", "waiting") for one in found)


class _View(Protocol):
    def show(self, found: Sequence[BlockState]) -> None: ...


@contextmanager
def _view(console: Console) -> Iterator[_View]:
    if not console.is_terminal:
        yield _Lines(console)
        return
    with Live(console=console, auto_refresh=False) as live:
        yield _Screen(live)


class _Screen:
    """A table that is drawn anew, the bar with the time left under it."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._began = time.monotonic()
        self._before: int | None = None

    def show(self, found: Sequence[BlockState]) -> None:
        recorded = sum(one.recorded for one in found)
        self._before = recorded if self._before is None else self._before
        self._live.update(shown(found, time.monotonic() - self._began, recorded - self._before), refresh=True)


def shown(found: Sequence[BlockState], seconds: float = 0.0, new: int = 0) -> Group:
    """Table, bar and summary."""
    return Group(table(found), Padding(bar(found)), Text(summary(found, seconds, new)))


class _Lines:
    """Where there is no terminal: a line for each block that has moved."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: dict[int, tuple[object, ...]] = {}

    def show(self, found: Sequence[BlockState]) -> None:
        for one in found:
            now = (one.state, one.node, one.detail)
            if self._told.get(one.number) != now and not (one.state == "waiting" and one.number in self._told):
                self._console.print(f"block {one.number}, {line(one)}", soft_wrap=True)
            self._told[one.number] = now


def line(one: BlockState) -> str:
    """One block in a line."""
    where = f" on {one.node}" if one.node and one.state != "waiting" else ""
    again = f", attempt {one.attempts}" if one.attempts > 1 else ""
    failed = f", {one.failed} failed" if one.failed else ""
    detail = f" ({one.detail})" if one.detail else ""
    return f"{one.name}: {one.state}{where}, {one.recorded} of {one.planned} records{failed}{again}{detail}"


def table(found: Sequence[BlockState]) -> Table:
    """The blocks that matter most now: stopped, running, waiting; those beyond SHOWN are counted."""
    made = Table(box=None, pad_edge=False, expand=True)
    for name in ("#", "Block", "State", "Node", "Records"):
        made.add_column(name, justify="right" if name in ("#", "Records") else "left", no_wrap=True)
    made.add_column("Now", no_wrap=True, overflow="ellipsis", ratio=1)  # gets what the others leave
    ranked = sorted(found, key=lambda one: (_ORDER.index(one.state), one.number))
    for one in sorted(ranked[:SHOWN], key=lambda one: one.number):
        records = f"{one.recorded}/{one.planned}" + (f" {one.failed} failed" if one.failed else "")
        state = one.state + (f" ({one.attempts})" if one.attempts > 1 else "")
        style = _STYLES.get(one.state, "dim")
        node = one.node if one.state != "waiting" else ""
        cells = (str(one.number), one.name, Text(state, style), node, records, one.detail)
        made.add_row(*(cell if isinstance(cell, Text) else Text(visible(cell)) for cell in cells))
    if len(ranked) > SHOWN:
        rest = Counter(one.state for one in ranked[SHOWN:])
        made.add_row("", Text("… " + ", ".join(f"{count} more {state}" for state, count in rest.items()), "dim"))
    return made


def bar(found: Sequence[BlockState]) -> ProgressBar:
    """Records of all blocks."""
    return ProgressBar(total=max(sum(one.planned for one in found), 1), completed=sum(one.recorded for one in found))


def summary(found: Sequence[BlockState], seconds: float = 0.0, new: int = 0) -> str:
    """Blocks by state, Records, and about how long it still takes where ``new`` Records came in ``seconds``."""
    counts = Counter(one.state for one in found)
    planned, recorded = sum(one.planned for one in found), sum(one.recorded for one in found)
    text = ", ".join(f"{counts[state]} {state}" for state in _ORDER if counts[state])
    left = f", about {seconds * (planned - recorded) / new / 60:.0f} min left at this pace" if new > 0 else ""
    return f"{text}; {recorded} of {planned} records{left if recorded < planned else ''}"

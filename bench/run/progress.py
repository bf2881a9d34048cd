"""How far a long job is: a bar with the time left on a terminal, one plain line per step elsewhere.

The bar is drawn only when something happens: a thread that redraws it would take time from a measurement on the CPU.
"""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column

from bench.report.visible import visible


class StepProgress:
    """``count`` steps of ``total`` weight together. Use as a context."""

    def __init__(self, count: int, total: float, console: Console) -> None:
        self._count, self._total = count, total
        self._console = console
        self._number = 0
        self._done = 0.0
        self._label = ""
        self._began = self._step_began = time.monotonic()
        self._bar = _bar(console) if console.is_terminal else None
        self._task = self._bar.add_task("starting", total=total) if self._bar else None

    def __enter__(self) -> StepProgress:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    @property
    def number(self) -> int:
        """Steps that have begun."""
        return self._number

    def start(self, label: str) -> None:
        """The next step begins."""
        self._number += 1
        self._label, self._step_began = label, time.monotonic()
        if self._bar and self._task is not None:
            self._bar.update(self._task, description=visible(label), refresh=True)

    def advance(self, weight: float, *, draw: bool = True) -> None:
        """So much more is done. ``draw`` is False where drawing would disturb what is being measured."""
        self._done += weight
        if draw and self._bar and self._task is not None:
            self._bar.update(self._task, completed=self._done, refresh=True)

    def note(self, text: str) -> None:
        """A line that stays, above the bar where there is one."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def end(self, outcome: str, *, keep: bool = False) -> None:
        """The step has ended; ``outcome`` says how. On a terminal it stays in view only with ``keep``."""
        took = time.monotonic() - self._step_began
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=self._done, refresh=True)
        if keep or not self._bar:
            self.note(f"[{self._number}/{self._count}] {self._label}: {outcome}, {took:.1f} s{self._time_left()}")

    def _time_left(self) -> str:
        if not self._done or self._number == self._count:
            return ""
        left = (time.monotonic() - self._began) * (self._total - self._done) / self._done
        return f", about {left:.0f} s left" if left < 120 else f", about {left / 60:.0f} min left"


def _bar(console: Console) -> Progress:
    # A narrow terminal cuts the label: else rich takes room from all columns alike, and no time can be read.
    return Progress(
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis", ratio=5)),
        BarColumn(bar_width=None, table_column=Column(ratio=1)),
        TextColumn("{task.percentage:>3.0f}%", table_column=_whole("100%")),
        TimeElapsedColumn(table_column=_whole("0:00:00")),
        TextColumn("left", style="dim", table_column=_whole("left")),
        TimeRemainingColumn(table_column=_whole("0:00:00")),
        console=console,
        auto_refresh=False,
        expand=True,
    )


def _whole(text: str) -> Column:
    """A column that no other takes room from; ``text``: as long as what stands in it."""
    return Column(no_wrap=True, min_width=len(text))

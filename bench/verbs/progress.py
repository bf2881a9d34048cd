"""The progress of a run: a bar with the time left on a terminal, one plain line per block elsewhere.

The bar is drawn only when something happens: a thread that redraws it would take time from a measurement on the CPU.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from bench.plan import Block
from bench.record.schema import Finding, Record


def make_progress(blocks: Sequence[Block], headline: str, noticed: Sequence[Finding]) -> RunProgress:
    """Progress for these blocks on standard output."""
    console = Console()
    console.print(headline, highlight=False, markup=False)
    for finding in noticed:
        if finding.severity != "info":
            console.print(f"{finding.severity}: {finding.message}. {finding.remedy}", highlight=False, markup=False)
    return RunProgress(blocks, console)


class RunProgress:
    """Told of each block's start and end and of each Record."""

    def __init__(self, blocks: Sequence[Block], console: Console) -> None:
        self._total = sum(map(_weight, blocks))
        self._count = len(blocks)
        self._number = 0
        self._done = 0.0
        self._began = time.monotonic()
        self._block_began = self._began
        self._failed = 0
        self._console = console
        self._bar = _bar(console) if console.is_terminal else None
        self._task = self._bar.add_task("starting", total=self._total) if self._bar else None

    def __enter__(self) -> RunProgress:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def start(self, block: Block) -> None:
        self._number += 1
        self._failed = 0
        self._block_began = time.monotonic()
        if self._bar and self._task is not None:
            self._bar.update(self._task, description=block.label, refresh=True)

    def record(self, block: Block, record: Record) -> None:
        self._done += _weight(block) / len(block.requests)
        if record.status == "failed":
            self._failed += 1
            self._console.print(f"failed: {block.label}: {record.reason}", markup=False, highlight=False)
        # A matmul block gives hundreds of records while it measures: drawing each would disturb it.
        if self._bar and self._task is not None and block.kind != "matmul":
            self._bar.update(self._task, completed=self._done, refresh=True)

    def end(self, block: Block) -> None:
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=self._done, refresh=True)
            return
        took = time.monotonic() - self._block_began
        state = f"{self._failed} failed" if self._failed else "ok"
        line = f"[{self._number}/{self._count}] {block.label}: {state}, {took:.1f} s{self._left()}"
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _left(self) -> str:
        if not self._done or self._number == self._count:
            return ""
        left = (time.monotonic() - self._began) * (self._total - self._done) / self._done
        return f", about {left:.0f} s left" if left < 120 else f", about {left / 60:.0f} min left"


def _weight(block: Block) -> float:
    """Rough relative length: what a block does, plus the start of its process."""
    if block.kind == "matmul":
        return 6 + 0.15 * len(block.requests)
    return 8 + 2 * (len(block.requests) - 1)


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("left", style="dim"),
        TimeRemainingColumn(),
        console=console,
        auto_refresh=False,
    )


__all__ = ["RunProgress", "make_progress"]

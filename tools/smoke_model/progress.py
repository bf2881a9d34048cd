"""How far along it is: a bar with the time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINES_PER_JOB = 10


class TrainingSteps:
    """``with Steps("training", 80) as steps: steps.done("loss 0.5")`` once per step. Writes to stderr."""

    def __init__(self, what: str, total: int, console: Console | None = None) -> None:
        self._what, self._total, self._count = what, total, 0
        self._console = console or Console(stderr=True)
        self._start = time.perf_counter()
        self._bar = self._new_bar() if self._console.is_terminal else None

    def _new_bar(self) -> Progress:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        return Progress(*columns, TextColumn("{task.fields[note]}"), console=self._console)

    def __enter__(self) -> TrainingSteps:
        if self._bar:
            self._bar.start()
            self._job = self._bar.add_task(self._what, total=self._total, note="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def done(self, note: str) -> None:
        """One step is finished; ``note`` says what came of it."""
        self._count += 1
        if self._bar:
            self._bar.update(self._job, advance=1, note=note)
        elif self._count % max(1, self._total // LINES_PER_JOB) == 0 or self._count == self._total:
            left = (time.perf_counter() - self._start) / self._count * (self._total - self._count)
            self._console.print(
                f"{self._what}: {self._count} of {self._total}, {note}, {left:.0f} s left",
                highlight=False,
                soft_wrap=True,
            )

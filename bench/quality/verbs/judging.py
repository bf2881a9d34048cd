"""Progress of judging, shared by the verbs that judge."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

from bench.run.progress import StepProgress


@contextmanager
def judging(count: int, console: Console, lines: int) -> Iterator[Callable[[str], None]]:
    """Shows how far judging ``count`` tasks is: give it each task's id. Without a terminal it prints some ``lines``."""
    every = 1 if console.is_terminal else max(count // lines, 1)
    with StepProgress(count, count, console) as progress:

        def done(task_id: str) -> None:
            progress.start(task_id)
            progress.advance(1)
            if progress.number % every == 0:
                progress.end("judged")

        yield done

"""The console that all verbs print to: what comes from records can neither control the terminal nor carry markup."""

from __future__ import annotations

import os
import sys

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.segment import Segment

from .visible import visible


class _Visible:
    """A renderable whose text, but not its styles and cursor moves, went through ``visible``."""

    def __init__(self, renderable: ConsoleRenderable) -> None:
        self._renderable = renderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


class _Hook(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Visible(renderable) for renderable in renderables]


class _Unstoppable(Console):
    """Whoever read the output may be gone (``| head``): what is being measured goes on unseen."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def console(*, stderr: bool = False) -> Console:
    """A rich Console without markup, emoji codes and highlighting."""
    made = _Unstoppable(stderr=stderr, markup=False, emoji=False, highlight=False)
    made.push_render_hook(_Hook())
    return made

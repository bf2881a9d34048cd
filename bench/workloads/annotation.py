"""What a generation run tells an annotator, so that ranges can be drawn without this room knowing the tool."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


class Annotator(Protocol):
    """Marks ranges for a profiler: ``prefill``, ``decode_step``, ``layer`` and each Linear by its module name."""

    def attach(self, model: Any) -> None:
        """Hook the model's layers and Linears."""

    def detach(self) -> None:
        """Take all hooks off again."""

    def begin(self) -> None:
        """A generate call begins: open ``prefill``."""

    def step(self, index: int) -> None:
        """New token ``index`` (0, 1, …) exists: close the open range, open ``decode_step``."""

    def end(self) -> None:
        """The generate call has ended: close the open range."""


AnnotatorFactory = Callable[[], Annotator]


@dataclass(frozen=True)
class Tools:
    """What the profiling room lends to a measuring process. ``timeline``: (session, options) → the Outcome of a pass
    that records a few decode steps."""

    annotator: AnnotatorFactory
    timeline: Callable[[Any, Mapping[str, Any]], Any]


ToolsFor = Callable[[Path], Tools]
"""The tools for a run folder, in which they keep what they record."""

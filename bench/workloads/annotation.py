"""What a generation run tells an annotator, so that ranges can be drawn without this room knowing the tool."""

from __future__ import annotations

from collections.abc import Callable
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

"""NVTX ranges in the domain "bitledger": prefill, decode_step, layer and every Linear by its module name.

Names are few and stable and indices travel as payloads, so that a profiler groups them. Attributes are made once:
a prebuilt push and pop costs about 0.1 µs with no tool attached, a formatted name many times that.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

DOMAIN = "bitledger"
_INDEX = re.compile(r"\.(\d+)$")


class NvtxAnnotator:
    """Implements bench.workloads.annotation.Annotator with the ``nvtx`` package."""

    def __init__(self, nvtx_module: Any = None) -> None:
        if nvtx_module is None:
            import nvtx as nvtx_module  # type: ignore[no-redef]
        self._domain = nvtx_module.get_domain(DOMAIN)
        self._handles: list[Any] = []
        self._open = False

    def _attributes(self, name: str, index: int | None = None) -> Any:
        if index is None:
            return self._domain.get_event_attributes(message=name)
        return self._domain.get_event_attributes(message=name, payload=index)

    def attach(self, model: Any) -> None:
        """Hook decoder layers and all modules that act as a Linear."""
        for name, module in model.named_modules():
            index = _INDEX.search(name)
            if hasattr(module, "in_features"):
                self._hook(module, self._attributes(name.rsplit(".", 1)[-1]))
            elif index and "Layer" in type(module).__name__:
                self._hook(module, self._attributes("layer", int(index[1])))

    def _hook(self, module: Any, attributes: Any) -> None:
        push: Callable[[Any], Any] = self._domain.push_range
        pop: Callable[[], Any] = self._domain.pop_range

        def before(_module: Any, _inputs: Any) -> None:
            push(attributes)

        def after(_module: Any, _inputs: Any, _output: Any) -> None:
            pop()

        self._handles += [module.register_forward_pre_hook(before), module.register_forward_hook(after)]

    def detach(self) -> None:
        """Take all hooks off again."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def begin(self) -> None:
        """Open ``prefill``."""
        self._switch(self._attributes("prefill"))

    def step(self, index: int) -> None:
        """Close the open range and open ``decode_step`` number ``index`` (the one that makes token index + 1)."""
        self._switch(self._attributes("decode_step", index))

    def end(self) -> None:
        """Close the open range."""
        if self._open:
            self._domain.pop_range()
        self._open = False

    def _switch(self, attributes: Any) -> None:
        self.end()
        self._domain.push_range(attributes)
        self._open = True

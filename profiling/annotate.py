"""Ranges for profilers: prefill, decode_step, layer, the attention call, experts, and every Linear by its module name.

Names are few and stable, so that a profiler groups them; indices travel as payloads where the tool has them. What a
range needs is made once per name: a prebuilt NVTX push and pop costs about 0.1 µs with no tool attached, a formatted
name many times that.

The model's attention function is no module, so no hook reaches it: for as long as its range is wanted, the function
that transformers would call is replaced by one that opens the range, calls it, and closes the range. What an
implementation does in Python or in an operator of its own then lies inside the attention call as torch's own does.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol

from bench.analysis.ledger.attention import RANGE as ATTENTION
from bench.models.architecture import decoder_layers, holds_experts
from bench.record.errors import UsageError

_EAGER = "eager_attention_forward"


class AttentionRange:
    """``begin`` opens the range, ``end`` closes it."""

    def __init__(self, begin: Callable[[], Any], end: Callable[[], Any]) -> None:
        self._begin, self._end = begin, end
        self._restore: Callable[[], None] | None = None

    def attach(self, model: Any) -> None:
        """Replace the function that ``model`` calls; nothing where it calls none that is known by name."""
        self.detach()
        chosen = getattr(getattr(model, "config", None), "_attn_implementation", None)
        if chosen is None:
            return
        from transformers import modeling_utils

        known = modeling_utils.ALL_ATTENTION_FUNCTIONS
        if chosen in known:
            self._replace_registered(known, chosen)
        elif chosen == "eager":
            self._replace_eager(sys.modules[type(model).__module__])

    def detach(self) -> None:
        """Put the function back."""
        if self._restore is not None:
            self._restore()
        self._restore = None

    def _replace_registered(self, known: Any, name: str) -> None:
        before = known[name]
        known[name] = self._wrapped(before)

        def restore() -> None:
            del known[name]
            if known.get(name) is not before:
                known[name] = before

        self._restore = restore

    def _replace_eager(self, module: Any) -> None:
        before = getattr(module, _EAGER, None)
        if before is None:
            return
        setattr(module, _EAGER, self._wrapped(before))
        self._restore = lambda: setattr(module, _EAGER, before)

    def _wrapped(self, function: Callable[..., Any]) -> Callable[..., Any]:
        begin, end = self._begin, self._end

        def marked(*args: Any, **kwargs: Any) -> Any:
            begin()
            try:
                return function(*args, **kwargs)
            finally:
                end()

        return marked


DOMAIN = "bitledger"
MARK = "bitledger::"
EXPERTS, ADAPTER = "experts", "adapter"
STEPS = ("prefill", "decode_step")
RangeKind = Literal["nvtx", "record_function", "none"]
_OF_ADAPTER = re.compile(r"\.lora_\w+\.")
_INDEX = re.compile(r"\.(\d+)$")


class Backend(Protocol):
    """One tool's nested ranges. ``push`` takes what ``mark`` made."""

    @property
    def push(self) -> Callable[[Any], Any]:
        """Open a range."""

    @property
    def pop(self) -> Callable[[], Any]:
        """Close the innermost range."""

    def mark(self, name: str, index: int | None = None) -> Any:
        """What ``push`` needs for a range of this name."""


class NvtxBackend:
    """NVTX ranges in the domain "bitledger", bound to the package's own methods: they run at every module."""

    def __init__(self, domain: Any) -> None:
        self._domain = domain
        self.push: Callable[[Any], Any] = domain.push_range
        self.pop: Callable[[], Any] = domain.pop_range

    def mark(self, name: str, index: int | None = None) -> Any:
        """Event attributes with a registered message."""
        if index is None:
            return self._domain.get_event_attributes(message=name)
        return self._domain.get_event_attributes(message=name, payload=index)


class OldNvtxBackend:
    """The same with nvtx up to 0.2.11, whose domains cannot push: the versions that an old nsys can record."""

    def __init__(self, nvtx_module: Any) -> None:
        self._nvtx = nvtx_module

    def mark(self, name: str, index: int | None = None) -> Any:
        """A prebuilt range."""
        return self._nvtx.annotate(name, domain=DOMAIN, payload=index)

    def push(self, mark: Any) -> None:
        """Open a range."""
        mark.__enter__()

    def pop(self) -> None:
        """Close the innermost range."""
        self._nvtx.pop_range(domain=DOMAIN)


def nvtx_backend(nvtx_module: Any = None) -> Backend:
    """The backend that fits the installed nvtx. ``nvtx_module`` is a parameter for tests."""
    if nvtx_module is None:
        import nvtx as nvtx_module  # type: ignore[no-redef]
    domain = nvtx_module.get_domain(DOMAIN)
    return NvtxBackend(domain) if hasattr(domain, "push_range") else OldNvtxBackend(nvtx_module)


class RecordFunctionBackend:
    """torch's own ranges, for Kineto. They have no payload: indices are left out.

    A step is an annotation (record_function). Modules are many, and annotations cost a decode step of a small model a
    fifth of its time; modules get the ranges that torch's compiler uses, at a third of the cost.
    Kineto keeps them among the operators, so their names begin with ``MARK``, by which our reader knows them.
    """

    def __init__(self) -> None:
        import torch

        self._fast: Callable[[str], Any] = torch._C._profiler._RecordFunctionFast
        self._open: list[AbstractContextManager[Any]] = []

    def mark(self, name: str, index: int | None = None) -> Any:  # noqa: ARG002 - the protocol's signature
        """What makes a range of this name: an annotation's name, or a range that is ready."""
        return name if name in STEPS else self._fast(MARK + name)

    def push(self, mark: Any) -> None:
        """Open a range."""
        entered = _annotation(mark) if isinstance(mark, str) else mark
        entered.__enter__()
        self._open.append(entered)

    def pop(self) -> None:
        """Close the innermost range."""
        self._open.pop().__exit__(None, None, None)


def _annotation(name: str) -> AbstractContextManager[Any]:
    from torch.profiler import record_function

    made: AbstractContextManager[Any] = record_function(name)
    return made


def _range_name(name: str, module: Any) -> str:
    """Of a module that acts as a Linear; "" for the matrices of an adapter. PEFT wraps a Linear, so that "q_proj" holds
    "q_proj.base_layer" and "q_proj.lora_A.default"."""
    if hasattr(module, "base_layer"):
        return ADAPTER
    return "" if _OF_ADAPTER.search(name) else name.removesuffix(".base_layer").rsplit(".", 1)[-1]


class RangeAnnotator:
    """Implements bench.workloads.annotation.Annotator on a backend."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._handles: list[Any] = []
        self._open = False
        mark = backend.mark(ATTENTION)
        self._attention = AttentionRange(lambda: backend.push(mark), lambda: backend.pop())

    def attach(self, model: Any) -> None:
        """Hook decoder layers, the attention call, all modules that act as a Linear, and those of experts."""
        self._attention.attach(model)
        layers = {id(layer) for layer in decoder_layers(model)}
        for name, module in model.named_modules():
            index = _INDEX.search(name)
            if hasattr(module, "in_features"):
                if of_linear := _range_name(name, module):
                    self._hook(module, self._backend.mark(of_linear))
            elif holds_experts(module):
                self._hook(module, self._backend.mark(EXPERTS))
            elif index and (id(module) in layers or "Layer" in type(module).__name__):
                self._hook(module, self._backend.mark("layer", int(index[1])))

    def _hook(self, module: Any, mark: Any) -> None:
        push, pop = self._backend.push, self._backend.pop

        def before(_module: Any, _inputs: Any) -> None:
            push(mark)

        def after(_module: Any, _inputs: Any, _output: Any) -> None:
            pop()

        self._handles += [module.register_forward_pre_hook(before), module.register_forward_hook(after)]

    def detach(self) -> None:
        """Take all hooks off again."""
        self._attention.detach()
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def begin(self) -> None:
        """Open ``prefill``."""
        self._switch(self._backend.mark("prefill"))

    def step(self, index: int) -> None:
        """Close the open range and open ``decode_step`` number ``index`` (the one that makes token index + 1)."""
        self._switch(self._backend.mark("decode_step", index))

    def end(self) -> None:
        """Close the open range."""
        if self._open:
            self._backend.pop()
        self._open = False

    def _switch(self, mark: Any) -> None:
        self.end()
        self._backend.push(mark)
        self._open = True


class NvtxAnnotator(RangeAnnotator):
    """Ranges with the ``nvtx`` package. ``nvtx_module`` is a parameter for tests."""

    def __init__(self, nvtx_module: Any = None) -> None:
        super().__init__(nvtx_backend(nvtx_module))


def annotator(kind: RangeKind) -> RangeAnnotator | None:
    """The annotator of that kind; None for "none". Raises UsageError for an unknown kind."""
    if kind == "nvtx":
        return NvtxAnnotator()
    if kind == "record_function":
        return RangeAnnotator(RecordFunctionBackend())
    if kind == "none":
        return None
    raise UsageError(f"unknown ranges {kind!r}: choose nvtx, record_function or none")

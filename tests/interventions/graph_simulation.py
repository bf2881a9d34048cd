"""What a CUDA graph does, on a CPU: a step's operators are recorded once and run again on the same tensors.

As on a GPU, what came from Python stays what it was at capture, and nothing may be read back meanwhile. A replay copies
each result to where the recorded one lies, because what follows reads it there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# What makes the host wait for a number of the device, or gives a shape that depends on one: as operators, and as
# Python says it, which is how bitsandbytes' own operators do inside.
READ_BACK_OPERATORS = ("aten::_local_scalar_dense", "aten::item", "aten::nonzero", "aten::is_nonzero", "aten::equal")
READ_BACK_METHODS = ("__bool__", "__int__", "__float__", "__index__", "item", "tolist", "numpy")


class Recorder(TorchDispatchMode):
    """Keeps every operator that is called, with its arguments and what it gave."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if operator._schema.name in READ_BACK_OPERATORS:
            _refuse(operator)
        out = operator(*args, **(kwargs or {}))
        self.calls.append((operator, args, kwargs or {}, out))
        return out


def _refuse(what: object) -> Any:
    raise RuntimeError(f"operation not permitted when stream is capturing: {what}")


@contextmanager
def nothing_read_back() -> Iterator[None]:
    """Fails as CUDA does where Python reads a number of a tensor."""
    refusals = {name: lambda *_, name=name: _refuse(name) for name in READ_BACK_METHODS}
    with mock.patch.multiple(torch.Tensor, **refusals):
        yield


def simulated(step: Callable[[], None]) -> Callable[[], None]:
    """A capture for ``graphed.Graphed``."""
    step()  # the runs before the capture
    recorder = Recorder()
    with recorder, nothing_read_back():
        step()
    return lambda: replay(recorder.calls)


def replay(calls: list[tuple[Any, Any, Any, Any]]) -> None:
    """Run them again on the same tensors."""
    for operator, args, kwargs, recorded in calls:
        again = operator(*args, **kwargs)
        for old, new in zip(tree_leaves(recorded), tree_leaves(again), strict=True):
            if isinstance(old, torch.Tensor) and old is not new and old.data_ptr() != new.data_ptr():
                old.copy_(new)

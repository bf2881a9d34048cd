"""What a fork server does once, before it forks the first process that needs it: each of these would do it again.

No model runs here: what is prepared are tables and looks at the machine, which a library keeps for its process
(docs/adr/0005). What fails here is met again in the process that needs it, which says so.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

from bench.instruments import carbon

# s, until threads have ended that were told to: a fork would lose them.
ENDING_S = 5.0
_LOADING = ("generation", "intervention")


def prepare(task: Mapping[str, Any], *, gpu: bool) -> None:
    """Whatever ``task`` needs of it. ``gpu``: the machine has one; CodeCarbon would then ask NVML in this process,
    which processes that are forked afterwards could not."""
    block = task.get("block", {})
    if block.get("kind") in _LOADING:
        _checkpoint_names()
    if not gpu and any(request["instrument"] == "codecarbon" for request in block.get("requests", ())):
        _hardware(block.get("options", {}).get("country", ""))


@cache
def _checkpoint_names() -> None:
    """transformers' table of how checkpoints call their weights: a thousand regular expressions, which each process
    would compile when it loads its model."""
    with contextlib.suppress(Exception):
        import_module("transformers.conversion_mapping").get_checkpoint_conversion_mapping("")


@cache
def _hardware(country: str) -> None:
    """CodeCarbon's look for hardware."""
    before = frozenset(threading.enumerate())
    with contextlib.suppress(Exception):
        carbon.warm_up(country)
    for thread in frozenset(threading.enumerate()) - before:
        thread.join(ENDING_S)

"""The real order of passes over a loaded model (bench/workloads/generation.py), on a model that is not there.

The timed call and the passes around the one that fails are stand-ins; that one, and what its error becomes, are real.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from bench.record.schema import metric
from bench.run.plan import Block
from bench.workloads.outcome import Outcome


def run(block: Block, lent: Any, how: str) -> Iterator[Outcome]:
    """The block's outcomes by ``generation.run``."""
    from bench.workloads import generation, observers

    ARRANGE[how](generation, observers)
    generation.models = SimpleNamespace(
        require_device=_nothing,
        gpu_uuid=_nothing,
        load=lambda *_, **__: SimpleNamespace(arm=None),
        check=_nothing,
        LoadedModel=object,
    )
    generation.make_batches = lambda *_: (None,)
    generation.Session = _Session
    generation._setup = lambda _session, chosen, _options: {"arm": {"name": chosen.name}}
    wanted = [(request.case, request.instrument) for request in block.requests]
    return generation.run(block.source, wanted, block.options, lent)


def _nothing(*_: object) -> None:
    return None


class _Session:
    def __init__(self, case: Any, *_: object) -> None:
        self.case = case
        self.batches = (None,)

    def generate(self, _batch: object) -> Any:
        return SimpleNamespace(tokens=8)


def _timed(session: Any, *_: object) -> Outcome:
    return Outcome(session.case, "generation", metrics=(metric("generate_time", 0.01),))


def _codecarbon_breaks(generation: Any, observers: Any) -> None:
    """The real pass with a tracker that cannot start."""
    from bench.instruments import carbon

    class Tracker:
        def start(self) -> None:
            raise PermissionError(13, "Permission denied", "/sys/class/powercap/intel-rapl:0/energy_uj")

        stop = _nothing

    carbon._factory = lambda _country: Tracker
    generation._timed = _timed
    observers.OBSERVERS["annotation"] = lambda session, *_: Outcome(
        session.case, "annotation", metrics=(metric("generate_time_plain", 0.01),)
    )


def _one_batch_is_too_large(generation: Any, _observers: Any) -> None:
    def timed(session: Any, *_: object) -> Outcome:
        if session.case.batch_size == 64:
            raise OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return _timed(session)

    generation._timed = timed


class OutOfMemoryError(RuntimeError):
    """torch's own has this name, and is a RuntimeError."""


ARRANGE = {"codecarbon breaks": _codecarbon_breaks, "one batch is too large": _one_batch_is_too_large}

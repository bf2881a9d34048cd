"""What one recorded event costs the host, measured in the process that is observed.

The same short loops with and without the recorder, in turn: an operator that does next to nothing, a module with the
annotator's hooks, and on a GPU a small kernel. The differences per iteration are kept as they are; a single one may be
negative on a noisy machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from .annotate import RangeAnnotator, RecordFunctionBackend
from .window import KinetoRecorder

BATCHES = 8
ITERATIONS = 150
Samples = dict[str, list[float]]


def measure(device: str) -> Samples:
    """Seconds per event, one value per batch: "operator_event_cost", "range_event_cost", on CUDA "call_event_cost"."""
    import torch

    small = torch.zeros(8)
    probe, annotated = _probe(), _probe()
    annotator = RangeAnnotator(RecordFunctionBackend())
    annotator.attach(torch.nn.Sequential(annotated))
    loops: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "operator_event_cost": (lambda: torch.neg(small), lambda: torch.neg(small)),
        "range_event_cost": (lambda: probe(small), lambda: annotated(small)),
    }
    if device == "cuda":
        on_gpu = torch.zeros(8, device=device)
        loops["call_event_cost"] = (lambda: torch.neg(on_gpu), lambda: torch.neg(on_gpu))
    for plain, observed in loops.values():
        _timed(plain), _timed(observed)
    try:
        return _differences(loops, device)
    finally:
        annotator.detach()


def _differences(loops: dict[str, tuple[Callable[[], Any], Callable[[], Any]]], device: str) -> Samples:
    plain = {name: [_timed(run) for _ in range(BATCHES)] for name, (run, _) in loops.items()}
    recorder = KinetoRecorder(device)
    recorder.prepare()
    recorder.start()
    observed = {name: [_timed(run) for _ in range(BATCHES)] for name, (_, run) in loops.items()}
    recorder.stop()
    found = {name: [b - a for a, b in zip(plain[name], observed[name], strict=True)] for name in loops}
    if "call_event_cost" in found:
        # The small kernel is an operator too: what is left is the call that launches it.
        operator = float(np.median(found["operator_event_cost"]))
        found["call_event_cost"] = [value - operator for value in found["call_event_cost"]]
    return found


def _probe() -> Any:
    import torch

    class Probe(torch.nn.Module):
        """Looks like a Linear to the annotator and does nothing."""

        in_features = 1

        def forward(self, value: Any) -> Any:
            return value

    return Probe()


def _timed(run: Callable[[], Any]) -> float:
    """Seconds per iteration."""
    start = time.perf_counter()
    for _ in range(ITERATIONS):
        run()
    return (time.perf_counter() - start) / ITERATIONS

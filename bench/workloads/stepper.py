"""A time-stamp at each new token, taken inside transformers' own decode loop.

generate() calls the stopping criteria once per step, right after the new token is appended and before it reads
back whether to stop. The stamp there is a CUDA event (no synchronisation is added) or perf_counter on the CPU.
"""

from __future__ import annotations

import time
from typing import Any

from bench.instruments.timing import Stamps
from bench.workloads.annotation import Annotator


class Stepper:
    """A stopping criterion that never stops: it marks the time, and the annotator's step where there is one."""

    def __init__(self, stamps: Stamps, batch_size: int, device: str, annotator: Annotator | None = None) -> None:
        import torch

        self.stamps = stamps
        self._go_on = torch.zeros(batch_size, dtype=torch.bool, device=device)
        self._annotator = annotator
        self._steps = 0

    def begin(self) -> None:
        """The generate call is about to start."""
        self._steps = 0
        self.stamps.reset()
        if self._annotator is not None:
            self._annotator.begin()
        self.stamps.mark()

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:  # noqa: ARG002 - transformers' signature
        self.stamps.mark()
        if self._annotator is not None:
            self._annotator.step(self._steps)
            self._steps += 1
        return self._go_on

    def end(self) -> None:
        """The generate call has returned."""
        if self._annotator is not None:
            self._annotator.end()


def overhead(device: str, batch_size: int, batches: int = 20, steps: int = 200) -> list[float]:
    """Seconds that one stamped step costs the host, one value per batch of ``steps``.

    It is what the loop would not do without us: the call, the mark, and the one ``|`` by which generate() joins the
    criterion's answer to the others.
    """
    import torch

    stepper = Stepper(Stamps(device, capacity=steps + 1), batch_size, device)
    others = torch.zeros(batch_size, dtype=torch.bool, device=device)
    costs = []
    for _ in range(batches):
        stepper.stamps.reset()
        start = time.perf_counter()
        for _ in range(steps):
            _ = others | stepper(None, None)
        costs.append((time.perf_counter() - start) / steps)
    return costs

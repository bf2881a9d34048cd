"""Which part of a generate call is observed: the prefill's range, and a few steady decode steps."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path
from typing import Any, Protocol

from .annotate import RangeAnnotator

# Where this variable is "1", Kineto detaches CUPTI when a recording ends; else it stays attached and slows every later
# launch down (pytorch#144455). It is the user's to set, and in the record with the other variables.
TEARDOWN = "TEARDOWN_CUPTI"
# Of gzip: the highest takes three times as long for 7 % less.
_LEVEL = 6


class Recorder(Protocol):
    """An observer that can be opened and closed from inside the process that it observes."""

    def prepare(self) -> None:
        """The step before the first observed one begins: make ready what takes long."""

    def start(self) -> None:
        """Observe from now on."""

    def stop(self) -> None:
        """Observe no longer."""


class Unopened:
    """For observers that watch the whole process from outside."""

    def prepare(self) -> None: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...


class CudaProfiler:
    """cudaProfilerStart and cudaProfilerStop, which nsys and ncu wait for."""

    def __init__(self, torch_module: Any = None) -> None:
        if torch_module is None:
            import torch as torch_module
        self._cuda = torch_module.cuda

    def prepare(self) -> None: ...

    def start(self) -> None:
        """Open the capture with nothing left over from earlier steps on the GPU."""
        self._cuda.synchronize()
        self._cuda.profiler.start()

    def stop(self) -> None:
        """Close it when the last step's kernels have ended: nsys drops what still runs."""
        self._cuda.synchronize()
        self._cuda.profiler.stop()


class KinetoRecorder:
    """torch.profiler between the window's edges; the trace is written after the call, outside the decode loop."""

    def __init__(self, device: str) -> None:
        from torch.profiler import ProfilerActivity, profile

        self._on_gpu = device == "cuda"
        activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if self._on_gpu else [])
        self._profile = profile(activities=activities)

    def prepare(self) -> None:
        """Let Kineto set itself up: its first start costs as much as many decode steps."""
        self._profile.prepare_trace()

    def start(self) -> None:
        self._profile.start_trace()

    def stop(self) -> None:
        if self._on_gpu:
            import torch

            torch.cuda.synchronize()
        self._profile.stop_trace()
        if self._on_gpu and os.environ.get(TEARDOWN) == "1":
            torch.cuda.synchronize()  # Kineto detaches CUPTI at the end of the next call of the runtime

    def write(self, path: str) -> None:
        """Write the Chrome trace; a name that ends in .gz is packed, in a sixteenth of the time that torch takes
        to do so line by line."""
        if not path.endswith(".gz"):
            self._profile.export_chrome_trace(path)
            return
        plain = Path(path.removesuffix(".gz"))
        try:
            self._profile.export_chrome_trace(str(plain))
            with plain.open("rb") as whole, gzip.open(path, "wb", compresslevel=_LEVEL) as packed:
                shutil.copyfileobj(whole, packed, 1 << 20)
        finally:
            plain.unlink(missing_ok=True)


class PrefillRanges:
    """Implements bench.workloads.annotation.Annotator for calls that end with their first token: ``prefill`` alone."""

    def __init__(self, ranges: RangeAnnotator) -> None:
        self.attach, self.detach = ranges.attach, ranges.detach
        self.begin, self.end = ranges.begin, ranges.end

    def step(self, index: int) -> None:  # noqa: ARG002 - the protocol's signature
        """The first token exists: close ``prefill``."""
        self.end()


class Window:
    """Implements bench.workloads.annotation.Annotator: steps ``first`` … ``first + steps - 1`` are annotated and
    recorded, and before them the prefill is annotated.

    Hooks are on the model only where ranges are wanted, so that each layer's range lies in one of the two.
    ``complete`` is set once the last of these steps has ended.
    """

    def __init__(self, ranges: RangeAnnotator | None, recorder: Recorder, first: int, steps: int) -> None:
        self._ranges = ranges
        self._recorder = recorder
        self._first, self._end = first, first + steps
        self._model: Any = None
        self.complete = False

    def attach(self, model: Any) -> None:
        """Remember the model."""
        self._model = model

    def detach(self) -> None:
        """Forget the model."""
        self._close()
        self._model = None

    def _attach_ranges(self) -> None:
        """Without a model there are ranges of the steps alone."""
        if self._ranges is not None and self._model is not None:
            self._ranges.attach(self._model)

    def begin(self) -> None:
        """Open ``prefill``."""
        if self._ranges is not None:
            self._attach_ranges()
            self._ranges.begin()
        if self._first == 0:
            self._recorder.prepare()

    def step(self, index: int) -> None:
        """Token ``index`` exists: open, go on, or close."""
        if index == 0:
            self._close()
        if index == self._first - 1:
            self._recorder.prepare()
        if index == self._first:
            self._open()
        if self._first <= index < self._end and self._ranges is not None:
            self._ranges.step(index)
        if index == self._end:
            self._close()
            self._recorder.stop()
            self.complete = True

    def end(self) -> None:
        """The generate call has ended; the window ended before it."""
        self._close()

    def _open(self) -> None:
        if self._ranges is not None:
            self._attach_ranges()
        self._recorder.start()

    def _close(self) -> None:
        if self._ranges is not None:
            self._ranges.end()
            self._ranges.detach()

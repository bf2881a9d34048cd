"""Real causes of known size, for real decoding on this machine's CPU: what each does to the forward of a Linear, or
beside a whole call."""

from __future__ import annotations

import multiprocessing
import os
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.record import causes as c

from .judge import MACHINE

Forward = Callable[..., Any]
Plant = Callable[[Any, Forward], Forward]
# Of a row that was made on a machine, and not made up.
WHERE = "this CPU"


@dataclass(frozen=True)
class Real:
    """``plant`` makes a Linear's forward from its own; ``beside`` runs around all calls that are planted."""

    name: str
    cause: str
    scheme: str = "fp16"
    plant: Plant | None = None
    beside: Callable[[], Any] | None = None


def _delay(seconds: float) -> Plant:
    def plant(_module: Any, forward: Forward) -> Forward:
        def slower(x: Any) -> Any:
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                pass
            return forward(x)

        return slower

    return plant


class _Helper:
    """A thread that answers: what is asked of it comes back when it has run."""

    def __init__(self) -> None:
        self._asked: queue.SimpleQueue[threading.Event] = queue.SimpleQueue()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            event = self._asked.get()
            time.sleep(150e-6)
            event.set()

    def ask(self) -> None:
        """Wait for an answer."""
        event = threading.Event()
        self._asked.put(event)
        event.wait()


def _wait() -> Plant:
    helper = _Helper()

    def plant(_module: Any, forward: Forward) -> Forward:
        def waits(x: Any) -> Any:
            helper.ask()
            return forward(x)

        return waits

    return plant


def _extra(operator: Callable[[Any], Any], size: int, dtype: str) -> Plant:
    import torch

    value = torch.rand(size, generator=torch.Generator().manual_seed(0)).to(getattr(torch, dtype))

    def plant(_module: Any, forward: Forward) -> Forward:
        def more(x: Any) -> Any:
            operator(value)
            return forward(x)

        return more

    return plant


def _tanh(value: Any) -> Any:
    import torch

    return torch.tanh(value)


def _cast(value: Any) -> Any:
    """To a small format: its result is small too, so that the recorder's own memory does not get in the way."""
    import torch

    return value.to(torch.float8_e4m3fn)


def _product(value: Any) -> Any:
    import torch

    return torch.mm(value, value)


def _dequantise_again() -> Plant:
    def plant(module: Any, forward: Forward) -> Forward:
        import torch

        operator = torch.ops.bitsandbytes.dequantize_4bit.default
        state = module.weight.quant_state
        told = (state.absmax, state.blocksize, state.quant_type, state.shape, state.dtype)
        packed = module.weight.data

        def twice(x: Any) -> Any:
            for _ in range(3):
                operator(packed, *told)
            return forward(x)

        return twice

    return plant


def _burn(core: int) -> None:
    os.sched_setaffinity(0, {core})
    while True:
        sum(range(10_000))


def _neighbour() -> Callable[[], None]:
    """Another process on the very core that measures."""
    core = min(os.sched_getaffinity(0))
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    process = multiprocessing.get_context("spawn").Process(target=_burn, args=(core,), daemon=True)
    process.start()
    time.sleep(0.2)

    def end() -> None:
        process.kill()
        process.join()
        os.sched_setaffinity(0, before)

    return end


def cases() -> tuple[Real, ...]:
    """All of them."""

    def square(value: Any) -> Any:
        return _product(value.view(180, 180))

    return (
        Real("300 µs of Python per Linear", c.HOST_GAP, plant=_delay(300e-6)),
        Real("a wait for another thread per Linear", c.HOST_GAP, plant=_wait()),
        Real("an elementwise operator per Linear", c.NORM, plant=_extra(_tanh, 40_000, "float32")),
        Real("a cast per Linear", c.CAST, plant=_extra(_cast, 80_000, "float16")),
        Real("a matrix product per Linear", c.GEMM, plant=_extra(square, 180 * 180, "float32")),
        Real("weights dequantised three times more", c.DEQUANTISE, "nf4", plant=_dequantise_again()),
        Real("a noisy neighbour on the same core", MACHINE, beside=_neighbour),
        Real("nothing", ""),
    )

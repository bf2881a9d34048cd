"""The made-up cases: what is planted, in which regime, and which cause must be named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from bench.record import causes as c

from .decode import GPU_BOUND, HOST_BOUND, Decode, Planted
from .machine import Action, Happened, Kernel, Machine

STEPS = 6
DEQUANTISE = "void kDequantizeBlockwise<__half, 512, 64, 8, NF4>(float*, unsigned char*, float*, __half*, int, int)"
QUANTISE = "void kInt8VectorQuant<__half, 1024, 1>(__half*, signed char*, float*, float, int, int)"
CAST = "void at::native::vectorized_elementwise_kernel<4, at::native::bfloat16tofloat32_copy_kernel_cuda>"
ABS = "void at::native::vectorized_elementwise_kernel<4, at::native::abs_kernel_cuda(at::TensorIteratorBase&)>"
ANY = "void at::native::reduce_kernel<512, 1, at::native::ReduceOp<bool, at::native::func_wrapper_t<bool, or_kernel>>>"
UNKNOWN = "void mystery_kernel<float>(float*)"


@dataclass(frozen=True)
class Case:
    """``cause``: the one that must be named first, with the whole difference as its size; "" where none may be named.
    ``remove``: what a replay of the candidate must remove to give the reference, or ""."""

    name: str
    regime: str
    reference: Decode
    candidate: Decode
    cause: str
    remove: str = ""
    slowdown: float = 1.0
    beside: str = ""

    def happened(self) -> tuple[Happened, Happened]:
        """The reference and the candidate as they were observed."""
        return _played(self.reference, "", 1.0), _played(self.candidate, self.beside, self.slowdown)


def _played(decode: Decode, beside: str, slowdown: float) -> Happened:
    machine = Machine(slowdown=slowdown, jitter=0.02, seed=1)
    for _ in range(STEPS):
        machine.step((*_beside(beside), *decode.step()))
    return machine.happened


def _beside(what: str) -> Iterator[Action]:
    """Another thread, which the decode loop does not wait for."""
    if what == "waiting thread":
        yield Action("sync", 1_000, 2_000, thread=1)
    if what == "other stream":
        yield Action("launch", 0, 3_000, (Kernel("void other_stream_kernel()", 30_000, stream=13),))


def _extra(name: str, ns: int, host: int, operator: str, stream: int = 7) -> Planted:
    def planted(ranges: tuple[str, ...]) -> tuple[Action, ...]:
        return (Action("launch", host, 3_000, (Kernel(name, ns, stream),), ranges, (operator,)),)

    return planted


def _sync(ranges: tuple[str, ...]) -> tuple[Action, ...]:
    return (Action("sync", 500, 2_500, ranges=ranges),)


def _copy(host: int) -> Planted:
    def planted(ranges: tuple[str, ...]) -> tuple[Action, ...]:
        return (Action("launch", host, 3_000, (Kernel("", 6_000, copy=1 << 20),), ranges, ("aten::copy_",)),)

    return planted


def _outliers(host: int) -> Planted:
    around = "bitsandbytes::int8_vectorwise_quant"

    def planted(ranges: tuple[str, ...]) -> tuple[Action, ...]:
        looks = [(ABS, "aten::abs"), (ANY, "aten::any")]
        return tuple(
            Action("launch", host, 3_000, (Kernel(name, 2_500),), ranges, (around, operator))
            for name, operator in looks
        )

    return planted


def _read_back(host: int) -> Planted:
    """As LLM.int8() does it: look for outliers, copy the answer to the host and wait for it."""
    around = "bitsandbytes::int8_vectorwise_quant"

    def planted(ranges: tuple[str, ...]) -> tuple[Action, ...]:
        answer = Kernel("", 1_200, copy=1)
        read = Action("copy back", host, 3_000, (answer,), ranges, (around, "aten::is_nonzero", "aten::item"))
        return (*_outliers(host)(ranges), read)

    return planted


def cases() -> tuple[Case, ...]:
    """All of them, each in the regimes where it can be told."""
    found: list[Case] = []
    for regime, values in (("host-bound", HOST_BOUND), ("GPU-bound", GPU_BOUND)):
        base = Decode(**values)
        host = base.host
        length = 3_000 if regime == "host-bound" else 15_000
        for cause, name, operator in (
            (c.DEQUANTISE, DEQUANTISE, "bitsandbytes::dequantize_4bit"),
            (c.CAST, CAST, "aten::_to_copy"),
            (c.QUANTISE, QUANTISE, "bitsandbytes::int8_vectorwise_quant"),
            (c.OTHER, UNKNOWN, "custom::mystery"),
        ):
            planted = replace(base, before_linear=_extra(name, length, host, operator))
            found.append(Case(f"one {cause} kernel per Linear", regime, base, planted, cause, cause))
        planted = replace(base, before_linear=_outliers(host))
        found.append(Case("two outlier kernels per Linear", regime, base, planted, c.OUTLIERS, c.OUTLIERS))
        planted = replace(base, after_linear=_copy(host))
        found.append(Case("one copy per Linear", regime, base, planted, c.MEMCPY, c.MEMCPY))
        planted = replace(base, before_linear=_read_back(host))
        found.append(Case("outliers looked for and read back", regime, base, planted, c.OUTLIERS, c.OUTLIERS))
        planted = replace(base, after_linear=_sync)
        found.append(Case("one synchronisation per Linear", regime, base, planted, c.SYNC_STALL, c.SYNC_STALL))
        found.append(Case("nothing", regime, base, base, ""))
        found.append(Case("a thread that only waits", regime, base, base, "", beside="waiting thread"))
    host_bound, gpu_bound = Decode(**HOST_BOUND), Decode(**GPU_BOUND)
    slow = replace(host_bound, linear_host=12_000)
    found.append(Case("12 µs of Python per Linear", "host-bound", host_bound, slow, c.HOST_GAP))
    hidden = replace(gpu_bound, linear_host=8_000)
    found.append(Case("8 µs of Python per Linear, hidden by the queue", "GPU-bound", gpu_bound, hidden, ""))
    found.append(
        Case("a kernel on another stream, hidden", "GPU-bound", gpu_bound, gpu_bound, "", beside="other stream")
    )
    for cause, part, factor in (
        (c.GEMM, "aten::linear", 1.5),
        (c.ATTENTION, "aten::_flash_attention_forward", 20.0),
        (c.NORM, "aten::gelu", 12.0),
        (c.LM_HEAD, "lm_head", 4.0),
        (c.SAMPLING, "aten::argmax", 30.0),
    ):
        scale = {"lm_head": 1.0, part: factor} if cause == c.GEMM else {part: factor}
        slower = replace(gpu_bound, scale=scale)
        found.append(Case(f"{cause} ×{factor:g}", "GPU-bound", gpu_bound, slower, cause))
    found.append(Case("a clock lower by a quarter", "GPU-bound", gpu_bound, gpu_bound, "machine", slowdown=4 / 3))
    graph = replace(gpu_bound, graph=True)
    planted = replace(graph, before_linear=_extra(DEQUANTISE, 15_000, 1_000, "bitsandbytes::dequantize_4bit"))
    found.append(
        Case(
            "one dequantise kernel per Linear, in a CUDA graph", "GPU-bound", graph, planted, c.DEQUANTISE, c.DEQUANTISE
        )
    )
    return tuple(found)

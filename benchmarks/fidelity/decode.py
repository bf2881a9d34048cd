"""A made-up decode step like StarCoder2's, with places in every Linear where causes can be planted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from .machine import Action, Kernel

LAYERS = 4
LINEARS = ("q_proj", "k_proj", "v_proj", "o_proj", "c_fc", "c_proj")
GEMM = "nvjet_tst_64x8_64x16_4x1_v_bz_TNN"
Planted = Callable[[tuple[str, ...]], tuple[Action, ...]]


def nothing(_ranges: tuple[str, ...]) -> tuple[Action, ...]:
    """Nothing is planted here."""
    return ()


@dataclass(frozen=True)
class Decode:
    """ns. ``host``: its work before every launch; ``gemm``, ``small``, ``head``: lengths of kernels. What is planted
    comes before, in or after each Linear, or once at the end of a step."""

    host: int
    gemm: int
    small: int = 2_200
    attention: int = 4_000
    head: int = 20_000
    argmax: int = 3_000
    before_linear: Planted = nothing
    after_linear: Planted = nothing
    before_step: Planted = nothing
    end: Planted = nothing
    linear_host: int = 0
    graph: bool = False
    scale: dict[str, float] = field(default_factory=dict)

    def step(self) -> Iterator[Action]:
        """The actions of one step."""
        actions = list(self._eager())
        yield from self._captured(actions) if self.graph else actions

    def _captured(self, actions: list[Action]) -> Iterator[Action]:
        """All launches as one graph; what only waits stays."""
        work = tuple(kernel for action in actions if action.kind == "launch" for kernel in action.work)
        yield Action("launch", self.host, 9_000, work)
        yield from (action for action in actions if action.kind == "copy back")

    def _eager(self) -> Iterator[Action]:
        yield from self.before_step(())
        yield self._launch("void at::native::vectorized_gather_kernel<16, long>", self.small, (), "aten::index_select")
        for _ in range(LAYERS):
            yield from self._layer()
        yield self._launch(GEMM, self.head, ("lm_head",), "aten::linear")
        yield self._launch(
            "void at::native::reduce_kernel<512, 1, at::native::ReduceOp<float, at::native::ArgMaxOps<float>>>",
            self.argmax,
            (),
            "aten::argmax",
        )
        yield from self.end(())
        token = Kernel("", 1_500, copy=8)
        yield Action("copy back", self.host, 3_000, (token,), operators=("aten::item", "aten::_local_scalar_dense"))

    def _layer(self) -> Iterator[Action]:
        layer = ("layer",)
        yield self._launch(
            "void at::native::(anonymous namespace)::vectorized_layer_norm_kernel<c10::Half, float>",
            self.small,
            layer,
            "aten::layer_norm",
        )
        for name in LINEARS[:3]:
            yield from self._linear(name)
        yield self._launch(
            "void pytorch_flash::flash_fwd_splitkv_kernel<Flash_fwd_kernel_traits>",
            self.attention,
            layer,
            "aten::_flash_attention_forward",
        )
        yield from self._linear("o_proj")
        yield self._launch(
            "void at::native::vectorized_elementwise_kernel<4, at::native::CUDAFunctor_add<c10::Half>>",
            self.small,
            layer,
            "aten::add",
        )
        yield from self._linear("c_fc")
        yield self._launch(
            "void at::native::vectorized_elementwise_kernel<4, at::native::GeluCUDAKernelImpl>",
            self.small,
            layer,
            "aten::gelu",
        )
        yield from self._linear("c_proj")

    def _linear(self, name: str) -> Iterator[Action]:
        ranges = ("layer", name)
        yield from self.before_linear(ranges)
        if self.linear_host:
            yield Action("host", self.linear_host, ranges=ranges)
        yield self._launch(GEMM, self.gemm, ranges, "aten::linear")
        yield from self.after_linear(ranges)

    def _launch(self, name: str, ns: int, ranges: tuple[str, ...], operator: str) -> Action:
        factor = next((f for part, f in self.scale.items() if part in (name, operator, *ranges[-1:])), 1.0)
        return Action("launch", self.host, 3_000, (Kernel(name, round(ns * factor)),), ranges, (operator,))


HOST_BOUND = {"host": 9_000, "gemm": 3_000}
GPU_BOUND = {"host": 1_000, "gemm": 40_000}

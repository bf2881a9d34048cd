"""Made-up traces of other people's stacks: steps of vLLM, SGLang and of a loop over transformers, eager or as graphs.

Each stack names its steps, asks for its work and waits as the real one does: vLLM's host runs one step ahead and takes
the tokens of the step before; SGLang and the loop take their own. The first step is a prefill, with other sizes.
Causes of known size are planted in the candidate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.record import causes as c

from .machine import Action, Happened, Kernel, Machine

LAYERS, STEPS = 6, 10
_US = 1_000
# Kernels per layer in order: their names in vLLM, SGLang and plain torch, the operator that launches each, and ns.
_LAYER = (
    ("void vllm::rms_norm_kernel<c10::BFloat16>()", "void flashinfer::norm::FusedAddRMSNormKernel<8u>()",
     "void at::native::vectorized_elementwise_kernel<4, at::native::rsqrt_kernel>", "aten::rsqrt", 5),
    ("nvjet_tst_64x64_64x13_4x1_v_bz_TNT", "nvjet_tst_128x64_64x9_2x1_v_bz_TNN", "ampere_bf16_s16816gemm_bf16_64x64",
     "aten::linear", 60),
    ("void vllm::reshape_and_cache_flash_kernel<__nv_bfloat16>()", "store_kvcache<1024l>()",
     "void at::native::CatArrayBatchedCopy_aligned16_contig", "aten::cat", 6),
    ("void cutlass::device_kernel<flash::FlashAttnFwdSm90>", "void flashinfer::BatchDecodeWithPagedKVCacheKernel<0>()",
     "void pytorch_flash::flash_fwd_splitkv_kernel<Flash_fwd>", "aten::_flash_attention_forward", 30),
    ("nvjet_tst_64x32_64x16_4x2_v_bz_TNT", "nvjet_tst_64x32_64x16_4x2_v_bz_TNN", "ampere_bf16_s16816gemm_bf16_32x32",
     "aten::linear", 60),
    ("void vllm::act_and_mul_kernel<c10::BFloat16>()", "void flashinfer::activation::act_and_mul_kernel<bf16>()",
     "void at::native::vectorized_elementwise_kernel<4, at::native::silu_kernel>", "aten::silu", 8),
    ("nvjet_tst_320x64_64x4_4x1_v_bz_TNT", "nvjet_tst_320x64_64x4_4x1_v_bz_TNN", "ampere_bf16_s16816gemm_bf16_256x64",
     "aten::linear", 110),
)  # fmt: skip
_ALL_REDUCE = ("void vllm::cross_device_reduce_1stage<bf16, 2>()", "void sglang::cross_device_reduce_1stage<half, 2>()",
               "ncclDevKernel_AllReduce_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<4096ul>)")  # fmt: skip
_ARGMAX = "void at::native::reduce_kernel<512, 1, at::native::ReduceOp<float, at::native::ArgMaxOps<float>>>"
STACKS = ("vLLM", "SGLang", "HF")


@dataclass(frozen=True)
class Plant:
    """One cause. Per layer: a further kernel of ``name`` and ``ns``, or those that ``scaled`` names times ``factor``,
    or a copy of ``copied`` bytes; per step: ``host`` ns of its own work, ``wait`` ns inside a synchronising call,
    ``between`` ns of its own work between two steps' ranges."""

    cause: str
    name: str = ""
    ns: int = 0
    scaled: str = ""
    factor: float = 1.0
    copied: int = 0
    host: int = 0
    wait: int = 0
    between: int = 0


PLANTS = (
    Plant(c.GEMM, scaled="aten::linear", factor=1.6),
    Plant(c.ATTENTION, scaled="aten::_flash_attention_forward", factor=4.0),
    Plant(c.NORM, name="void vllm::rms_norm_kernel<float>()", ns=60 * _US),
    Plant(c.DEQUANTISE, name="void vllm::awq::dequantize_weights(int*, half*, int*, half*, int)", ns=90 * _US),
    Plant(c.QUANTISE, name="void vllm::dynamic_per_token_scaled_fp8_quant_kernel<c10::BFloat16>()", ns=50 * _US),
    Plant(c.COMMUNICATION, name="ncclDevKernel_AllGather_RING_LL(ncclDevKernelArgsStorage<4096ul>)", ns=70 * _US),
    Plant(c.MEMCPY, ns=100 * _US, copied=4_000_000),
    Plant(c.HOST_GAP, host=5_000 * _US),
    Plant(c.SYNC_STALL, wait=5_000 * _US),
    Plant(c.HOST_GAP, between=5_200 * _US),
    Plant(""),
)


@dataclass(frozen=True)
class Stack:
    """``name``: one of STACKS; ``graph``: its layers are one graph; ``ranks``: processes with a GPU each."""

    name: str
    graph: bool
    ranks: int

    @property
    def told(self) -> str:
        """Such as "vLLM, graphs, 2 ranks"."""
        return f"{self.name}, {'graphs' if self.graph else 'eager'}, {self.ranks} rank{'s' if self.ranks > 1 else ''}"

    def played(self, plant: Plant, seed: int) -> list[Happened]:
        """What a profiler saw of each rank; rank 0 has the plant, as all have it in a real job."""
        return [self._rank(plant, 10 * seed + rank) for rank in range(self.ranks)]

    def _rank(self, plant: Plant, seed: int) -> Happened:
        machine = Machine(noise=(0.02, 0.005), jitter=0.02, seed=seed)
        for number in range(STEPS):
            tokens = 512 if number == 0 else 32
            machine.step(self._step(plant, tokens, number), self._title(tokens, number))
            machine.between(plant.between)
        return machine.happened

    def _title(self, tokens: int, number: int) -> str:
        """The name of a step, as the stack writes it, with what counts up in it."""
        prefill = tokens > 32
        if self.name == "vLLM":
            return (
                f"execute_{tokens}_context_{int(prefill)}(sq{tokens * prefill}sk{tokens * prefill})"
                f"_generation_{0 if prefill else 32}(sq32sk{500 + 32 * number})"
            )
        if self.name == "SGLang":
            return f"step[{'EXTEND' if prefill else 'DECODE'} bs=32 toks={tokens * prefill + 32 * number}]"
        return f"ProfilerStep#{number + 3}"

    def _step(self, plant: Plant, tokens: int, number: int) -> Iterator[Action]:
        yield Action("launch", 30 * _US, 4_000, (Kernel("", 2_000, copy=512),), operators=self._around("aten::copy_"))
        work = [item for _ in range(LAYERS) for item in self._layer(plant, tokens)]
        if self.graph and number:
            kernels = tuple(kernel for kernel, _ in work)
            yield Action("launch", 20 * _US, 12_000, kernels)
        else:
            for kernel, operator in work:
                yield Action("launch", 6 * _US, 3_000, (kernel,), operators=self._around(operator))
        yield Action("launch", 10 * _US, 3_000, (Kernel(_ARGMAX, 12 * _US),), operators=self._around("aten::argmax"))
        yield from self._end(plant, number)

    def _around(self, operator: str) -> tuple[str, ...]:
        """The operators that torch records; graphs and engines call less of them."""
        return (operator,) if self.name == "HF" else ()

    def _end(self, plant: Plant, number: int) -> Iterator[Action]:
        """The tokens are taken: of the step before where the host runs ahead."""
        token = (Kernel("", 1_500, copy=256),)
        if plant.wait:
            yield Action("sync", 5_000, 4_000)
            yield Action("sync", 2_000, plant.wait)
        if self.name == "vLLM" and not (plant.wait or plant.host or plant.between):
            yield Action("launch", 5_000, 4_000, token)
            yield Action("record", 1_000, 1_000, event=f"step {number}")
            yield Action("wait", 5_000, 4_000, event=f"step {number - 1}")
        else:
            yield Action("copy back", 5_000, 4_000, token)
        if plant.host:
            yield Action("host", plant.host)

    def _layer(self, plant: Plant, tokens: int) -> Iterator[tuple[Kernel, str]]:
        place = STACKS.index(self.name)
        longer = 3.0 if tokens > 32 else 1.0
        for *names, operator, us in _LAYER:
            factor = plant.factor if plant.scaled == operator else 1.0
            yield Kernel(str(names[place]), round(int(us) * _US * factor * longer)), str(operator)
        if self.ranks > 1:
            yield Kernel(_ALL_REDUCE[place], round(15 * _US * longer)), "c10d::allreduce_"
        if plant.ns:
            yield Kernel(plant.name, plant.ns, copy=plant.copied), "aten::copy_" if plant.copied else "custom::op"


@dataclass(frozen=True)
class StackCase:
    """A stack, and what is planted in the candidate. ``ranges``: whether the traces name their steps; else the steps
    have to be inferred from the kernels."""

    stack: Stack
    plant: Plant
    nsys: bool
    ranges: bool = True

    @property
    def reader(self) -> str:
        """Which tool wrote the files."""
        return "nsys" if self.nsys else "merged Kineto" if self.stack.ranks > 1 else "Kineto"

    @property
    def reference(self) -> Plant:
        """The same without the plant. Where the plant makes the host wait or work between steps, the host of both takes
        its own tokens; some time lies between the steps of both."""
        plant = self.plant
        between = 200 * _US if plant.between else 0
        return Plant("", host=1 if plant.host or between else 0, wait=1 if plant.wait else 0, between=between)

    @property
    def told(self) -> str:
        """What is planted, in words."""
        where = ", between the steps" if self.plant.between else ""
        where += "" if self.ranges else ", without ranges"
        return (c.LABELS[self.plant.cause] if self.plant.cause else "nothing") + where

    def size_ns(self) -> float | None:
        """What the plant adds to a step: None where that follows from the machine and not from the plant alone."""
        plant = self.plant
        if plant.scaled:
            base = sum(us for *_, operator, us in _LAYER if operator == plant.scaled)
            return float(LAYERS * base * _US * (plant.factor - 1.0))
        return float(LAYERS * plant.ns) if plant.ns else None


def cases() -> tuple[StackCase, ...]:
    """Every stack, eager and as graphs, with one rank and two (in one file), and what is planted in turn, by either
    tool."""
    stacks = [Stack(name, graph, ranks) for name in STACKS for graph in (False, True) for ranks in (1, 2)]
    return tuple(
        StackCase(stack, plant, (row // 2 + row + column) % 2 == 1, ranges)
        for ranges in (True, False)
        for row, stack in enumerate(stacks)
        for column, plant in enumerate(PLANTS)
        if _possible(stack, plant) and (ranges or plant.cause in _WITHOUT_RANGES)
    )


# What is planted in traces that name no steps, too.
_WITHOUT_RANGES = (c.DEQUANTISE, c.GEMM, "")


def _possible(stack: Stack, plant: Plant) -> bool:
    """Copies inside a graph are not what the machine plays."""
    return not (stack.graph and plant.copied)


__all__ = ["PLANTS", "STACKS", "Plant", "Stack", "StackCase", "cases"]

"""One scheme as frozen data, and what every family of schemes answers of itself.

An arm says everything that decides what runs: nothing is left to a library's default, because BitsAndBytesConfig's
defaults (fp4, float32 compute) are not what people mean.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from typing import Any, ClassVar

from .traffic import MINIMUM, Product, Term, Traffic, activations, exact, width

# What of an arm says how it is told, and nothing of what runs.
_NOT_FACTS = ("colours", "in_bfloat16", "minor")
# Of an arm without these nothing is told: it is what it was before there were any.
_ONLY_WHERE_SET = ("compiled", "adapter", "loaded_by")


@dataclass(frozen=True)
class Arm:
    """One scheme. ``dtype`` is the model's (activations, norms, lm_head); ``compute_dtype`` is what a quantised
    Linear computes in; ``threshold`` is LLM.int8()'s outlier threshold (0: no decomposition);
    ``planted_columns`` activation columns are made outliers before quantising (bench/workloads/planting.py).
    ``compiled``, ``adapter`` ("attached" or "merged"): what a variant adds (variants.py). ``loaded_by``: transformers'
    class that loads the model, where it is not the one for language models.

    ``colours`` on light and on dark paper ("": a spare one); ``in_bfloat16``: the arm that takes its place for a
    checkpoint in bfloat16; ``minor``: a report may fold it away."""

    name: str
    kind: str
    dtype: str
    description: str
    compute_dtype: str = ""
    quant_type: str | None = None
    double_quant: bool = False
    blocksize: int | None = None
    threshold: float | None = None
    planted_columns: int = 0
    disable_compile: bool = True
    not_converted: tuple[str, ...] = ("lm_head",)
    compiled: bool = False
    adapter: str = ""
    loaded_by: str = ""
    colours: tuple[str, str] = ("", "")
    in_bfloat16: str = ""
    minor: bool = False

    @property
    def skip_modules(self) -> list[str] | None:
        """``not_converted`` as transformers' configurations take it; None: it finds the head by itself."""
        return list(self.not_converted) or None

    def facts(self) -> dict[str, Any]:
        """Exactly what this arm is, for the record."""
        facts = {name: value for name, value in asdict(self).items() if name not in _NOT_FACTS}
        for name in _ONLY_WHERE_SET:
            if not facts[name]:
                del facts[name]
        facts["compute_dtype"] = self.compute_dtype or self.dtype
        facts["not_converted"] = list(self.not_converted)
        return facts


# The arm's facts, as a Record holds them.
Facts = Mapping[str, Any]
Read = Callable[[Any], Any]
Fits = Callable[[Arm, str], bool]
Operation = Callable[[Any], Any]


class Family:
    """The arms whose Linears become one kind of module, and all that is particular to it. A family's file makes a
    subclass of this and an object of it, ``FAMILY``; the methods import torch and the family's package when called.

    ``rank``: its place among the families, in tables and figures. ``module``: the class that a model's Linears become
    ("" where it is not known beforehand). ``operations``: the steps of a Linear that are timed, the whole and each
    alone; of ``of_weights`` those that the number of rows does not change; ``adds_bias``: those that add it, and
    ``bias_apart``: whether a kernel of its own does on a GPU. ``says``: field of the Arm → how a module says it.
    ``interventions``: name (bench/interventions/table.py) → on which of the arms and devices it means something.
    ``needs``: packages that it takes besides those that everything here is measured with, module → pip's name; they
    are of the extra ``peers``.
    """

    kind: ClassVar[str]
    rank: ClassVar[int]
    arms: tuple[Arm, ...] = ()
    module: str = ""
    quantises: bool = True
    operations: tuple[str, ...] = ("linear",)
    of_weights: tuple[str, ...] = ()
    adds_bias: tuple[str, ...] = ("linear",)
    bias_apart: bool = False
    says: ClassVar[Mapping[str, Read]] = {}
    interventions: ClassVar[Mapping[str, Fits]] = {}
    needs: ClassVar[Mapping[str, str]] = {}

    def unavailable(self, arm: Arm, device: str) -> str:  # noqa: ARG002
        """Why it cannot be measured on ``device`` ("cpu" or "cuda") here, with what to do; "" where it can."""
        missing = [package for module, package in self.needs.items() if not _installed(module)]
        return f"install {' and '.join(missing)} (pip install 'bitledger[peers]')" if missing else ""

    # How a model gets it, and whether it has.

    def configuration(self, arm: Arm) -> Any:  # noqa: ARG002
        """What transformers is told to load a checkpoint so; None: nothing, the Linears are quantised one by one
        afterwards (``quantised``), or not at all."""
        return None

    def quantised(self, linear: Any, arm: Arm) -> Any:
        """A module with the weight W[n, k] of a torch Linear quantised on its own device; the bias is added by whoever
        asks. Raises NotApplicableError for a shape that the format cannot hold."""
        raise NotImplementedError(f"{arm.name} is made when a checkpoint is loaded, not of a Linear ({linear})")

    def holds(self, module: Any) -> bool:
        """Whether this is a Linear that the family made; PEFT calls what wraps one as it is called."""
        return type(module).__name__ == self.module and not hasattr(module, "base_layer")

    def called(self, module: Any) -> str:
        """What such a module is counted as."""
        return type(module).__name__

    def weights(self, module: Any) -> int:
        """How many weights a module holds, packed or not."""
        return int(module.weight.numel())

    def tensors(self, module: Any) -> Iterable[Any]:  # noqa: ARG002
        """What it holds besides its parameters and buffers, such as scales."""
        return ()

    def rounds(self, module: Any) -> float:  # noqa: ARG002
        """The relative step of what activations are rounded to before a product; 0: they are not."""
        return 0.0

    def stored_weight(self, module: Any) -> Any:
        """The tensor of codes: what has to be moved out of a cache for the next call to find it in memory."""
        return module.weight

    def copied(self, module: Any) -> Any:
        """The module again, with memory of its own."""
        return copy.deepcopy(module)

    def synchronises(self, arm: Arm) -> bool:  # noqa: ARG002
        """Whether a product reads back from the device, so that it cannot be captured nor the launch queue kept
        full."""
        return False

    # Its steps and interventions.

    def step(self, under_test: Any, op: str, m: int) -> Operation:
        """A step other than the whole, as a function of the input x[m, k]; what it needs is prepared here.
        ``under_test``: bench/workloads/matmul_arms.py."""
        raise NotImplementedError(f"{self.kind} has no step {op!r} (m={m}, {under_test})")

    def dequantised(self, module: Any) -> Any:
        """W[n, k] in float32, of the stored codes. Raises MeasurementError where they cannot be had any more."""
        raise NotImplementedError(f"{self.kind} has nothing to dequantise in {module}")

    def bare(self, module: Any) -> Operation:
        """The forward of a module as its operator on plain tensors, without the library's Python layers."""
        raise NotImplementedError(f"{self.kind} has no operator to call instead of {module}")

    def switch(self, module: Any) -> Callable[[Arm], None] | None:  # noqa: ARG002
        """Gives a loaded module another arm's settings, back and forth; None where nothing of it can be switched.
        Asked for before the first forward."""
        return None

    # How many bytes it takes and moves.

    def stored_bytes(self, facts: Facts, n: int, k: int) -> float | None:
        """Bytes of W[n, k] as stored, scales included; None where that is not known."""
        raise NotImplementedError

    def traffic(self, facts: Facts, of: Product) -> Traffic | None:
        """What a product must move on a GPU; None where there is no model of its kernels. The model of
        docs/method.md."""
        return self.least_traffic(facts, of)

    def least_traffic(self, facts: Facts, of: Product) -> Traffic | None:
        """What any kernel must move: the weights once as stored, the activations in and out."""
        stored = self.stored_bytes(facts, of.n, of.k)
        if stored is None:
            return None
        terms = (exact("weights", stored), *activations(width(facts.get("dtype")), of))
        return Traffic(terms, MINIMUM, "minimum")

    def step_terms(self, facts: Facts, op: str, of: Product) -> tuple[Term, ...]:  # noqa: ARG002
        """One step alone: each operand once in, each result once out; () of one that has no model."""
        return ()

    def product_dtype(self, facts: Facts) -> str:
        """The type that the product's operands are in: whose rate bounds its time."""
        return str(facts.get("compute_dtype") or facts.get("dtype"))

    # What a user writes.

    def loading_code(self, facts: Facts) -> str:  # noqa: ARG002
        """Code that loads ``model`` so (bench/analysis/user_code.py says what stands before it); "": there is none."""
        return ""

    def dequantising_code(self, facts: Facts) -> str:  # noqa: ARG002
        """Code that gives a loaded ``model`` plain Linears with its ``dequantised`` weights; "": there is none."""
        return ""

    def bare_code(self, facts: Facts) -> str:  # noqa: ARG002
        """Code that does to ``model`` what ``bare`` does; "": there is none."""
        return ""


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of a package around it
        return False


def plain_tensors(tensor: Any) -> list[Any]:
    """The tensors that one of another library's is made of, which has no storage of its own; else itself."""
    if not hasattr(tensor, "__tensor_flatten__"):
        return [tensor]
    names, _ = tensor.__tensor_flatten__()
    return [part for name in names for part in plain_tensors(getattr(tensor, name))]


def any_arm(_arm: Arm, _device: str) -> bool:
    """For ``interventions``: it means something on every arm and device."""
    return True


def dtype_name(dtype: Any) -> str:
    """torch.float16 → "float16"."""
    return str(dtype).removeprefix("torch.")


def torch_dtype(name: str) -> Any:
    """The torch dtype of that name ("float16", "bfloat16", "float32")."""
    import torch

    return getattr(torch, name)

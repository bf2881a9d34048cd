"""The switches that remove, or add, one cause each: one table. Pure data; torch is not imported here.

An intervention changes an arm's fields, the Case's coordinates, or the loaded model (``patch``, see patches.py).
Several can be combined with "+", such as "threshold-0+bare-op". ``removes`` are the causes that a replay of the
unchanged arm's timeline takes out to predict the gain; ``as_reference`` predicts that every cause becomes what it is in
the reference, for what makes a Linear a plain one. Where there is neither, nothing is predicted.

``claims`` says what an intervention claims of its output, which is compared with the unchanged loop's where it is
measured (same_tokens.py): SAME, the same operations on the same numbers, so the same tokens; ROUNDING, the same
mathematics by other kernels, so other tokens only where the unchanged logits are a tie within rounding; or nothing,
because it changes the numbers on purpose: then the tokens are recorded and reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from bench.record import causes as c
from bench.record.errors import UsageError
from bench.record.schema import Case
from bench.schemes import Arm, family
from bench.schemes.definition import Fits, any_arm

NONE = "none"
Sense = Literal["removes", "adds", "sweeps"]
Claim = Literal["the same tokens", "the same tokens up to rounding", ""]
SAME: Claim = "the same tokens"
ROUNDING: Claim = "the same tokens up to rounding"
# Which of two claims is the weaker: a combination claims no more than its weakest part.
_CLAIMS: tuple[Claim, ...] = ("", ROUNDING, SAME)


@dataclass(frozen=True)
class Intervention:
    """``cause`` is what it is about, in a few words; ``when``: for which arms and devices it means something, None: the
    families say (bench/schemes).

    ``one_row``: it changes only products with one row of activations. Where bitsandbytes packs 4-bit weights
    (linear_kernels.py): ``on_packed`` says what it changes besides, or does not change; ``idle_on_packed`` why it tests
    nothing there."""

    name: str
    sense: Sense
    cause: str
    when: Fits | None = None
    arm: Mapping[str, Any] = field(default_factory=dict)
    case: Mapping[str, Any] = field(default_factory=dict)
    patch: str = ""
    removes: tuple[str, ...] = ()
    as_reference: bool = False
    cuda_graph: bool = False
    claims: Claim = ""
    one_row: bool = False
    on_packed: str = ""
    idle_on_packed: str = ""

    def fits(self, arm: Arm, device: str) -> bool:
        """Whether it means something for this arm on this device."""
        means = self.when or family(arm).interventions.get(self.name)
        return means is not None and means(arm, device)


# On CPUs with AVX512-BF16 or AMX the compute dtype and the scales' form are lost when the weights are packed.
_COMPUTES_ANYWAY = "packed weights compute in bfloat16 whatever is asked: only the casts around them change"
_SCALES_RESOLVED = "packing resolves nested scales at the first forward, so that no product reads them"
_BFLOAT16_GONE = "the packed weights' rounding to bfloat16 goes too"


def _on_gpu(_arm: Arm, device: str) -> bool:
    return device == "cuda"


def _captures(arm: Arm, device: str) -> bool:
    """A step that synchronises inside cannot be captured."""
    return device == "cuda" and not family(arm).synchronises(arm)


INTERVENTIONS: dict[str, Intervention] = {
    item.name: item
    for item in (
        Intervention(
            "threshold-0", "removes", "outlier detection and decomposition",
            arm={"threshold": 0.0}, removes=(c.OUTLIERS,),
        ),
        Intervention("threshold-1e4", "removes", "outlier decomposition; detection stays", arm={"threshold": 1e4}),
        *(
            Intervention(f"planted-{n}", "sweeps", f"{n} outlier columns planted", arm={"planted_columns": n})
            for n in (1, 6, 16, 64, 256)
        ),
        Intervention(
            "compute-matched", "removes", "casts: compute in the model's dtype",
            arm={"compute_dtype": ""}, removes=(c.CAST,), on_packed=_COMPUTES_ANYWAY,
        ),
        Intervention(
            "compute-float32", "adds", "casts: compute in float32, the library's default",
            arm={"compute_dtype": "float32"}, on_packed=_COMPUTES_ANYWAY,
        ),
        Intervention(
            "float16-model", "removes", "casts of a bfloat16 model's activations",
            arm={"dtype": "float16"}, removes=(c.CAST,),
        ),
        Intervention(
            "logger-silenced", "removes", "a log call in every product of a model that is not float16",
            patch="logger_silenced", claims=SAME,
        ),
        Intervention(
            "double-quant-off", "removes", "nested absmax",
            arm={"double_quant": False}, idle_on_packed=_SCALES_RESOLVED,
        ),
        Intervention(
            "double-quant-on", "adds", "nested absmax",
            arm={"double_quant": True}, idle_on_packed=_SCALES_RESOLVED,
        ),
        Intervention("blocksize-128", "removes", "half of the scales", arm={"blocksize": 128}),
        Intervention(
            "fp4-codes", "removes", "the nf4 code: same instructions, another table", arm={"quant_type": "fp4"},
        ),
        Intervention(
            "old-kernel", "adds", "the 4-bit kernel of bitsandbytes before 0.50", patch="old_kernel",
            claims=ROUNDING, one_row=True,
        ),
        Intervention(
            "pre-dequantised", "removes", "quantised storage: weights dequantised once, plain Linears",
            patch="pre_dequantised", as_reference=True, on_packed=_BFLOAT16_GONE,
        ),
        Intervention(
            "plain-linears", "removes", "the int8 path: weights dequantised once, plain Linears",
            patch="pre_dequantised", as_reference=True,
        ),
        Intervention(
            "bare-op", "removes", "bitsandbytes' Python layers: its operator on plain tensors",
            patch="bare_op", claims=SAME,
        ),
        Intervention(
            "cuda-graph", "removes", "the host: a CUDA graph of the decode step", _captures,
            case={"cache": "static"}, cuda_graph=True, claims=ROUNDING,
        ),
        Intervention(
            "no-cudnn-attention", "removes", "cuDNN's attention, and with it its plan for every new key-value length",
            _on_gpu, patch="no_cudnn_attention", removes=(c.ATTENTION_PLANS,), claims=ROUNDING,
        ),
        Intervention(
            "static-cache", "sweeps", "a cache of fixed size instead of a growing one", any_arm,
            case={"cache": "static"}, claims=ROUNDING,
        ),
        *(
            Intervention(f"batch-{n}", "sweeps", f"batch size {n}", any_arm, case={"batch_size": n})
            for n in (2, 4, 6, 8, 16, 32, 64)
        ),
    )
}  # fmt: skip

# Those that can be combined to remove several causes of one arm; each needs nothing of the others.
_TOGETHER = ("threshold-0", "compute-matched", "float16-model", "double-quant-off", "bare-op")


def refuse_unknown(names: Iterable[str]) -> None:
    """Raises UsageError for a name that is no intervention's."""
    for name in names:
        if name not in INTERVENTIONS:
            raise UsageError(f"unknown intervention {name!r}: choose from {', '.join(INTERVENTIONS)}")


def parse(text: str) -> tuple[Intervention, ...]:
    """The interventions of a combination; () for "none". Raises UsageError for an unknown one."""
    if text == NONE:
        return ()
    names = text.split("+")
    refuse_unknown(names)
    return tuple(INTERVENTIONS[name] for name in names)


def applicable(arm: Arm, device: str) -> tuple[str, ...]:
    """Every single intervention that means something for an arm."""
    return tuple(name for name, item in INTERVENTIONS.items() if item.fits(arm, device))


def combinations(arm: Arm, device: str) -> tuple[str, ...]:
    """All removals of an arm together, and all but one each: adding a cause to a clean arm."""
    together = [name for name in _TOGETHER if INTERVENTIONS[name].fits(arm, device)]
    if len(together) < 2:
        return ()
    without_one = ["+".join(name for name in together if name != left) for left in together]
    found = ["+".join(together), *(text for text in without_one if "+" in text)]
    return tuple(dict.fromkeys(found))


# What of an arm can be set on a loaded model, and set back.
_SETTABLE = frozenset(("threshold", "compute_dtype"))


def reversible(item: Intervention) -> bool:
    """Whether it can take turns with the unchanged arm in one process (tries.py)."""
    return not item.patch and set(item.arm) <= _SETTABLE


def changed_arm(arm: Arm, chosen: Sequence[Intervention]) -> Arm:
    """The arm after the interventions."""
    fields: dict[str, Any] = {}
    for item in chosen:
        fields |= item.arm
    return replace(arm, **fields) if fields else arm


def claim_of(chosen: Sequence[Intervention]) -> Claim:
    """What a combination claims of its output: what the weakest of its parts does."""
    return min((item.claims for item in chosen), key=_CLAIMS.index, default="")


def changes_nothing(base: Arm, case: Case, name: str) -> bool:
    """Whether an intervention leaves arm, Case and model as they are: it would measure the unchanged arm."""
    chosen = parse(name)
    same_case = replace(changed_case(case, name), intervention=case.intervention) == case
    touched = any(item.patch or item.cuda_graph for item in chosen)
    return same_case and not touched and changed_arm(base, chosen) == base


def changed_case(case: Case, name: str) -> Case:
    """The Case of an intervention: ``case`` with its coordinates and its name."""
    fields: dict[str, Any] = {"intervention": name}
    for item in parse(name):
        fields |= item.case
    return replace(case, **fields)

"""What to change: everything measured in the run that made a slower scheme faster, with its price and the exact code.

Ranked by gain. A remedy comes from an intervention that was measured, or from another scheme that was measured in the
same setting. The price is the error added to the output, where it was measured, and the memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.record.schema import Record

from .generation import GenerationGroup, GenerationRow, call_times
from .grouping import setting_of
from .interventions import InterventionRow
from .pairing import Located, difference_between, located


@dataclass(frozen=True)
class Remedy:
    """``gain`` in s per token (Estimate where an interval is known), ``memory`` in B more (None: not known).
    ``price``: what it costs in accuracy, in words. ``basis``: where the gain was measured. ``assumed``: which spread of
    the interval was not seen but assumed, or ""."""

    scheme: str
    title: str
    gain: float
    low: float | None
    high: float | None
    memory: float | None
    price: str
    basis: str
    code: str
    assumed: str = ""

    @property
    def sure(self) -> bool:
        return self.low is not None and self.low > 0


_CODE: Mapping[str, tuple[str, str]] = {
    "threshold-0": (
        "switch LLM.int8()'s outlier handling off",
        "BitsAndBytesConfig(load_in_8bit=True, llm_int8_threshold=0.0)",
    ),
    "compute-matched": (
        "compute in the model's dtype",
        'BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float16)',
    ),
    "float16-model": (
        "load the model in float16, which the int8 path needs",
        "AutoModelForCausalLM.from_pretrained(..., dtype=torch.float16, quantization_config=config)",
    ),
    "logger-silenced": (
        "silence bitsandbytes' log call in every product",
        'logging.getLogger("bitsandbytes").setLevel(logging.ERROR)',
    ),
    "double-quant-off": (
        "leave double quantisation off",
        "BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_use_double_quant=False, ...)",
    ),
    "blocksize-128": ("use blocks of 128 weights per scale", "bnb.nn.Params4bit(weight, blocksize=128, ...)"),
    "fp4-codes": ("use fp4 codes", 'BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="fp4", ...)'),
    "old-kernel": ("call the older 4-bit kernel", "bnb.functional.gemv_4bit(x, packed.t(), state=quant_state)"),
    "pre-dequantised": ("dequantise the weights once, if memory allows", "model.dequantize()"),
    "plain-linears": ("dequantise the weights once, if memory allows", "model.dequantize()"),
    "bare-op": (
        "call bitsandbytes' operator without its Python layers",
        'torch.ops.bitsandbytes.gemm_4bit.default(x, packed, shape, absmax, 64, "nf4", bias=bias)',
    ),
    "cuda-graph": (
        "capture the decode step in a CUDA graph",
        "with torch.cuda.graph(graph): model(input_ids=token, past_key_values=static_cache)",
    ),
    "static-cache": ("use a static cache", 'model.generate(..., cache_implementation="static")'),
}


def remedies(
    interventions: Sequence[InterventionRow], groups: Sequence[GenerationGroup], records: Sequence[Record]
) -> tuple[Remedy, ...]:
    """All that helped a scheme which is slower than its reference, the largest sure gain first."""
    slower = {row.scheme for group in groups for row in group.rows if row.verdict == "SLOWER"}
    found = [_of_intervention(row) for row in interventions if row.name in _CODE and row.scheme in slower]
    for group in groups[:1]:
        found += _of_arms(group, records)
    useful = [remedy for remedy in found if remedy.gain > 0]
    return tuple(sorted(useful, key=lambda remedy: (not remedy.sure, -remedy.gain)))


def _of_intervention(row: InterventionRow) -> Remedy:
    title, code = _CODE[row.name]
    before, after = row.footprint
    return Remedy(
        row.scheme, title, row.gain.value, row.gain.low, row.gain.high, after - before, _price(row),
        f"intervention {row.name}, measured beside the unchanged arm", code, row.gain.assumed,
    )  # fmt: skip


def _price(row: InterventionRow) -> str:
    output = row.output
    if output.agreement is None:
        return "the output was not compared"
    same = "the tokens are the same" if output.same else f"{output.agreement:.0%} of the tokens are the same"
    error = "" if output.error is None else f", logits off by {output.error:.2g}"
    return same + error


def _of_arms(group: GenerationGroup, records: Sequence[Record]) -> list[Remedy]:
    """From each slower scheme to each other scheme of its setting that is faster."""
    timed = [record for record in records if record.instrument == "generation"]
    facts = {record.case.scheme: record.setup.get("arm") for record in timed}
    arms = _located(group, timed)
    known = [row for row in group.rows if row.time_per_token]
    passed = _passed(group, records)
    return [
        _switch(slow, other, facts.get(other.scheme), _quality(passed.get(slow.scheme), passed.get(other.scheme)), arms)
        for slow in known
        for other in known
        if slow.verdict == "SLOWER" and other is not slow and _time(other) < _time(slow)
        if _meant(other, facts.get(other.scheme), group.reference)
    ]


def _located(group: GenerationGroup, timed: Sequence[Record]) -> dict[str, Located]:
    """Scheme → its decode times in this setting, and where each was measured."""
    of: dict[str, list[Record]] = {}
    for record in timed:
        if record.status == "ok" and setting_of(record.case) == group.setting:
            of.setdefault(record.case.scheme, []).append(record)
    return {scheme: located(found, call_times) for scheme, found in of.items()}


def _passed(group: GenerationGroup, records: Sequence[Record]) -> dict[str, tuple[int, int]]:
    """Scheme → tasks of HumanEval+ that its programs passed, and how many there were; of the group's whole models."""
    model = dict(group.setting).get("model")
    judged = [
        record
        for record in records
        if record.instrument == "quality" and record.case.model == model and not record.case.dropped_layers
    ]
    return {
        record.case.scheme: (int(sum(values)), len(values))
        for record in judged
        if (values := record.values("passed_plus"))
    }


def _quality(before: tuple[int, int] | None, after: tuple[int, int] | None) -> str:
    if before is None or after is None or before[1] != after[1]:
        return "quality was not measured here"
    return f"passes {after[0]} of {after[1]} tasks where it passed {before[0]}"


def _meant(row: GenerationRow, arm: Any, reference: str | None) -> bool:
    """Schemes that a user may choose instead: the reference, and quantised ones with no outliers planted."""
    quantised = isinstance(arm, Mapping) and arm.get("kind") != "float"
    return row.scheme == reference or (quantised and "planted" not in row.scheme)


def _time(row: GenerationRow) -> float:
    assert row.time_per_token is not None
    return row.time_per_token.value


def _switch(slow: GenerationRow, other: GenerationRow, arm: Any, price: str, arms: Mapping[str, Located]) -> Remedy:
    gain = difference_between(arms[slow.scheme], arms[other.scheme])
    memory = [row.memory.get("model_footprint") for row in (slow, other)]
    more = memory[1] - memory[0] if memory[0] is not None and memory[1] is not None else None
    return Remedy(
        slow.scheme, f"use {other.scheme} instead", gain.value, gain.low, gain.high, more,
        price, "both schemes measured in this run", code_of(arm), gain.assumed,
    )  # fmt: skip


def code_of(arm: Any) -> str:
    """How a user loads an arm with transformers."""
    if not isinstance(arm, Mapping):
        return ""
    if arm.get("kind") == "float":
        return f"AutoModelForCausalLM.from_pretrained(..., dtype=torch.{arm.get('dtype')})"
    if arm.get("kind") == "int8":
        return f"BitsAndBytesConfig(load_in_8bit=True, llm_int8_threshold={arm.get('threshold')})"
    if arm.get("kind") == "int4":
        size = arm.get("blocksize")
        return f'quantize_(model, Int4WeightOnlyConfig(group_size={size}, int4_packing_format="tile_packed_to_4d"))'
    return (
        f'BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="{arm.get("quant_type")}", '
        f"bnb_4bit_use_double_quant={arm.get('double_quant')}, bnb_4bit_compute_dtype=torch.{arm.get('compute_dtype')})"
    )

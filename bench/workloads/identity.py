"""Is a loaded arm what it is called? Every field of the Arm, read back from the modules that will run.

Read before the first forward: on some CPUs that one packs the 4-bit weights (linear_kernels.py), and then their state
no longer says how they were stored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from bench.record.errors import MeasurementError
from bench.workloads.schemes import Arm

MODULES = {"4bit": "Linear4bit", "int8": "Linear8bitLt", "int4": "Int4Linear", "float": "Linear"}

_Read = Callable[[Any], Any]
# Field of the Arm → how a module of that kind says it.
_FIELDS: dict[str, dict[str, _Read]] = {
    "4bit": {
        "compute_dtype": lambda module: _name(module.compute_dtype),
        "quant_type": lambda module: module.weight.quant_state.quant_type,
        "blocksize": lambda module: module.weight.quant_state.blocksize,
        "double_quant": lambda module: bool(module.weight.quant_state.nested),
    },
    "int8": {"threshold": lambda module: float(module.state.threshold)},
    "int4": {"blocksize": lambda module: module.group},
    "float": {},
}


def check(model: Any, facts: Mapping[str, Any], arm: Arm) -> None:
    """Raises MeasurementError unless ``model`` is ``arm``; ``facts`` are those of its loading."""
    wanted_modules = MODULES[arm.kind]
    found_modules = Counter(type(module).__name__ for module in model.modules() if hasattr(module, "in_features"))
    others = set(found_modules) & set(MODULES.values()) - {wanted_modules, "Linear"}
    if not found_modules[wanted_modules] or others:
        raise MeasurementError(
            f"scheme {arm.name} should have {wanted_modules} modules but the model has {dict(found_modules)}"
        )
    for what, wanted, found in _fields(model, facts, arm):
        if found != {wanted}:
            shown = ", ".join(sorted(map(str, found)))
            raise MeasurementError(f"scheme {arm.name} should have {what} {wanted} but the loaded model has {shown}")


def _fields(model: Any, facts: Mapping[str, Any], arm: Arm) -> Iterator[tuple[str, Any, set[Any]]]:
    """(what, wanted, found) of every field."""
    yield "activations in", arm.dtype, {_name(model.get_input_embeddings().weight.dtype)}
    modules = [module for module in model.modules() if type(module).__name__ == MODULES[arm.kind]]
    if arm.kind == "float":
        yield "most Linear weights in", arm.dtype, _commonest(modules)
    for field, read in _FIELDS[arm.kind].items():
        yield field, _wanted(arm, field), {read(module) for module in modules}
    planted = facts.get("planted") or {}
    yield "outlier columns planted:", arm.planted_columns, {len(planted.get("columns", ()))}


def _commonest(linears: Iterable[Any]) -> set[Any]:
    """The dtype of most weights: some architectures keep a few small Linears in float32."""
    sizes: Counter[str] = Counter()
    for module in linears:
        sizes[_name(module.weight.dtype)] += module.weight.numel()
    return {name for name, _ in sizes.most_common(1)}


def _wanted(arm: Arm, field: str) -> Any:
    return arm.compute_dtype or arm.dtype if field == "compute_dtype" else getattr(arm, field)


def _name(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")

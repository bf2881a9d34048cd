"""Is a loaded arm what it is called? Every field of the Arm, read back from the modules that will run.

Read before the first forward: on some CPUs that one packs the 4-bit weights (linear_kernels.py), and then their state
no longer says how they were stored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from bench.record.errors import MeasurementError, NotApplicableError
from bench.record.schema import Finding
from bench.record.setups import partly_quantised, quantised_share
from bench.schemes import Arm, Family, family, holder
from bench.schemes.definition import dtype_name


def check(model: Any, facts: Mapping[str, Any], arm: Arm) -> None:
    """Raises MeasurementError unless ``model`` is ``arm``, NotApplicableError where nothing in it could be quantised;
    ``facts`` are those of its loading."""
    own, quantised = family(arm), facts.get("quantised") or {}
    found = Counter(type(module).__name__ for module in model.modules() if hasattr(module, "in_features"))
    if own.module:
        _check_modules(model, found, arm, own)
    elif not quantised.get("modules"):
        raise MeasurementError(
            f"{arm.description}, but no module of the loaded model is quantised: its files are not, or transformers "
            "dequantised them because this device has no kernel for the format"
        )
    _check_kept(model, arm, own)
    for what, wanted, read in _fields(model, facts, arm, own):
        if read != {wanted}:
            shown = ", ".join(sorted(map(str, read)))
            raise MeasurementError(f"scheme {arm.name} should have {what} {wanted} but the loaded model has {shown}")


def _check_modules(model: Any, found: Mapping[str, int], arm: Arm, own: Family) -> None:
    made = {made for module in model.modules() if (made := holder(module)) is not None}
    others, mine = made - {own}, own in made
    if own.quantises and not made and not _could_be_quantised(model):
        raise NotApplicableError(
            f"scheme {arm.name} quantises nothing of a {type(model).__name__}: {_reason(model, found)}"
        )
    if others or own.quantises != mine:
        raise MeasurementError(f"scheme {arm.name} should have {own.module} modules but the model has {dict(found)}")


def _check_kept(model: Any, arm: Arm, own: Family) -> None:
    """``not_converted`` names modules, their ends, or what they are part of."""
    held = [name for name, module in model.named_modules() if own.quantises and own.holds(module)]
    for name in held:
        if any(f".{name}".endswith(f".{kept}") or name.startswith(f"{kept}.") for kept in arm.not_converted):
            raise MeasurementError(
                f"scheme {arm.name} should leave {name} as it was, and the loaded model's is quantised"
            )


def _could_be_quantised(model: Any) -> bool:
    """Whether it has a Linear, besides its head, of the class that quantisers replace."""
    import torch

    head = model.get_output_embeddings()
    return any(type(module) is torch.nn.Linear and module is not head for module in model.modules())


def _reason(model: Any, found: Mapping[str, int]) -> str:
    import transformers

    holders = Counter(
        type(module).__name__
        for module in model.modules()
        if any(parameter.dim() >= 2 for parameter in module.parameters(recurse=False))
    )
    kinds = [name for name, _ in holders.most_common() if name not in ("Embedding", "Linear")] or list(found)
    return (
        f"its weights are in {', '.join(kinds[:3])} modules, which transformers {transformers.__version__} and this "
        "program leave as they are"
    )


def findings(facts: Mapping[str, Any], arm: Arm) -> tuple[Finding, ...]:
    """That a scheme left a good part of the weights in 16 or 32 bits; ``facts``: those of the model's loading."""
    quantised = facts.get("quantised") or {}
    if not partly_quantised(quantised_share({"model": facts})):
        return ()
    kept = ", ".join(f"{count:,} in {name}" for name, count in list(quantised["kept"].items())[:3])
    return (
        Finding(
            "partly-quantised",
            "warning",
            f"{arm.name} quantised {quantised['share']:.0%} of the weights outside embedding and head: the others are "
            "as they were",
            f"{quantised['weights']:,} of {quantised['of_weights']:,} weights, in {quantised['modules']} modules; "
            f"left: {kept}",
            "read its figures as those of a model that is mostly unquantised, or take a scheme that quantises them",
        ),
    )


def _fields(model: Any, facts: Mapping[str, Any], arm: Arm, own: Family) -> Iterator[tuple[str, Any, set[Any]]]:
    """(what, wanted, found) of every field."""
    yield "activations in", arm.dtype, {dtype_name(model.get_input_embeddings().weight.dtype)}
    modules = [module for module in model.modules() if own.holds(module)]
    if not own.quantises:
        yield "most weights in", arm.dtype, _commonest(model)
    for field, read in own.says.items():
        yield field, _wanted(arm, field), {read(module) for module in modules}
    planted = facts.get("planted") or {}
    yield "outlier columns planted:", arm.planted_columns, {len(planted.get("columns", ()))}


def _commonest(model: Any) -> set[Any]:
    """The dtype of most weights: some architectures keep a few small Linears in float32."""
    sizes: Counter[str] = Counter()
    for parameter in model.parameters():
        if parameter.dim() >= 2:
            sizes[dtype_name(parameter.dtype)] += parameter.numel()
    return {name for name, _ in sizes.most_common(1)}


def _wanted(arm: Arm, field: str) -> Any:
    return arm.compute_dtype or arm.dtype if field == "compute_dtype" else getattr(arm, field)

"""torch.compile of the decode step, as transformers' generate does it with a static cache. Off on every other arm."""

from __future__ import annotations

from typing import Any

from bench.record.errors import MeasurementError, NotApplicableError
from bench.schemes import Arm


def check_compilable(model: Any, arm: Arm) -> None:
    """Raises NotApplicableError where a compiled arm is asked for, and transformers leaves such a model uncompiled."""
    quantiser = getattr(model, "hf_quantizer", None)
    if arm.compiled and quantiser is not None and not quantiser.is_compileable:
        import transformers

        raise NotApplicableError(
            f"scheme {arm.name}: transformers {transformers.__version__} compiles no model that "
            f"{quantiser.quantization_config.quant_method.value} quantised ({type(quantiser).__name__}.is_compileable)"
        )


def generate_options(arm: Arm | None) -> dict[str, Any]:
    """What a generate call is told about compiling. transformers compiles on GPUs by itself, on a CPU only where it is
    told so; the mode is its default there, "reduce-overhead", which on a GPU captures CUDA graphs."""
    if arm is None or not arm.compiled:
        return {"disable_compile": True}
    import transformers

    settings = transformers.CompileConfig()
    settings._compile_all_devices = True
    return {"disable_compile": False, "compile_config": settings}


def takes_hooks(arm: Arm | None) -> bool:
    """Whether an arm's modules may be hooked. Each hook would break a compiled graph in two: what ran then would be
    another program than the one that was timed."""
    return arm is None or not arm.compiled


def is_compiled(model: Any) -> bool:
    """Whether generate called the model compiled (transformers keeps such a call), or some of its modules are."""
    kept = getattr(model, "_compiled_call", None) is not None
    return kept or any(getattr(module, "_compiled_call_impl", None) is not None for module in model.modules())


def check_compiled(model: Any, arm: Arm) -> None:
    """Raises MeasurementError where an arm is not what it is called: uncompiled after its warm-up, or compiled."""
    if is_compiled(model) != arm.compiled:
        raise MeasurementError(
            f"scheme {arm.name} should {'' if arm.compiled else 'not '}be compiled, and transformers "
            f"{'did not compile' if arm.compiled else 'compiled'} it"
        )

"""Build or load a model in one scheme. Always eager, never remote code, only safetensors."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.models import adapters, matching, tokenizer
from bench.models.architecture import LANGUAGE_MODELS, auto_class, head_name, layers, text_config
from bench.models.generating import settings_unused
from bench.models.saved import refuse_unfit, saved_settings
from bench.models.weights import footprint, parameter_count, quantised_share
from bench.record.errors import MachineError, MeasurementError, NotApplicableError, UsageError, first_line
from bench.record.suggested import quoted
from bench.schemes import AS_SAVED, SAVED, Arm, family, holder, linear_kernels
from bench.schemes.definition import torch_dtype
from bench.schemes.saved import as_saved
from bench.schemes.variants import has_adapter, parts, varied
from bench.workloads import identity, pruning
from bench.workloads.compiling import check_compilable
from bench.workloads.configuration import check_trust, config_of, hub_options, native_dtype, skeleton
from bench.workloads.outcome import is_memory
from bench.workloads.planting import plant
from bench.workloads.prompts import humaneval
from bench.workloads.quantise import quantise_in_place
from bench.workloads.sources import Source, local_folder

_BFLOAT16 = "--schemes bf16,int8-bf16,nf4-bf16"
__all__ = ["LoadedModel", "footprint", "parameter_count"]


@dataclass(frozen=True)
class LoadedModel:
    """``facts`` is what the record says of the model; ``load_seconds`` includes quantisation.

    ``tokenizer`` is None where the model has none (random weights). ``arm``: the scheme as it was fitted to the model.
    ``prompt``: the user's own text, or "".
    """

    model: Any
    tokenizer: Any
    facts: dict[str, Any]
    load_seconds: float
    arm: Arm | None = None
    prompt: str = ""


def load(source: Source, arm: Arm, device: str, seed: int, dropped_layers: str | None = None) -> LoadedModel:
    """The model of ``source`` in scheme ``arm`` on ``device`` ("cpu" or "cuda"), in eval mode, less ``dropped_layers``.

    Shapes get random weights from ``seed``. Raises UsageError where a folder cannot be loaded or its weights do not
    fill the model, NotApplicableError where the scheme is not for it, MachineError where the weights do not fit or the
    device or a package is missing.
    """
    arm = fitted(source, arm)
    refuse_unavailable(arm, device)
    if arm.adapter == "attached" and arm.planted_columns:
        raise NotApplicableError(
            f"scheme {arm.name}: the adapter would read the planted outliers, which its weights are not made for: "
            "measure it merged"
        )
    start = time.perf_counter()
    dropped = pruning.parse(dropped_layers)
    configuration = family(arm).configuration(arm)
    merged = arm.adapter == "merged"
    in_place = family(arm).quantises and (
        source.kind == "shape" or bool(arm.planted_columns) or configuration is None or merged
    )
    in_place = in_place and parts(arm.name)[0] != AS_SAVED
    model = (
        _from_config(source, arm, device, seed, dropped)
        if source.kind == "shape"
        else _pretrained(source, arm, device, plain=in_place)
    )
    if source.kind != "shape":
        pruning.drop(model, dropped)
    adapted = adapters.attach(model, source.adapter, merged=True) if merged else {}
    planted = plant(model, arm.planted_columns, seed) if arm.planted_columns else None
    if in_place:
        quantise_in_place(model, arm)
    model.eval().requires_grad_(False)
    facts = _facts(model, source, arm, planted) | ({"dropped_layers": dropped_layers} if dropped_layers else {})
    facts |= {"generation_config_unused": configuration} if (configuration := settings_unused(model)) else {}
    if arm.adapter and not merged:
        identity.check(model, facts, arm)  # of the base model: PEFT's modules are called as those that they wrap
        adapted = adapters.attach(model, source.adapter, merged=False)
        model.eval().requires_grad_(False)
    facts |= {"adapter": adapted | {"revision": source.adapter_revision}} if adapted else {}
    check_compilable(model, arm)
    return LoadedModel(model, _tokenizer(source), facts, time.perf_counter() - start, arm, source.prompt)


def refuse_unavailable(arm: Arm, device: str) -> None:
    """Raises NotApplicableError where the scheme cannot be had on this device, or a package of it is not installed."""
    if why := family(arm).unavailable(arm, device):
        raise NotApplicableError(f"scheme {arm.name} cannot be measured here: {why}")


def fitted(source: Source, arm: Arm) -> Arm:
    """The arm as it runs on ``source``: a quantised checkpoint's own settings, the name of the model's head, the class
    that loads it.

    Raises UsageError where something else is asked of a quantised checkpoint than to be measured as it is, or that of
    one which is not quantised.
    """
    base = parts(arm.name)[0]
    if has_adapter(arm.name) and not source.adapter:
        raise UsageError(f"scheme {arm.name} needs an adapter: give its folder with --adapter")
    if source.kind in ("smoke", "shape") and base != AS_SAVED:
        return arm
    config = config_of(source)
    if (by := auto_class(config)) != LANGUAGE_MODELS:
        arm = replace(arm, loaded_by=by)
    settings = saved_settings(config)
    refuse_unfit(source.name, base, settings)
    if settings is not None and arm.adapter == "merged":
        raise UsageError(
            f"an adapter cannot be merged into {source.name}, which was saved quantised: give its base model"
        )
    if settings is not None:
        made = replace(as_saved(settings, native_dtype(config) or "float16"), loaded_by=arm.loaded_by)
        by_itself = made.kind != SAVED.kind and not made.not_converted
        return varied(_with_head(source, made) if by_itself else made, arm.name)
    return _with_head(source, arm) if family(arm).quantises else arm


def _with_head(source: Source, arm: Arm) -> Arm:
    """transformers finds the head by itself only where it is told of no module to leave alone."""
    head = head_name(skeleton(source))
    return arm if head is None or head in arm.not_converted else replace(arm, not_converted=(head,))


def _from_config(source: Source, arm: Arm, device: str, seed: int, dropped: Sequence[int]) -> Any:
    """Random weights are as good in one layer as in another: a model less some layers is made with fewer."""
    import torch
    import transformers

    config = config_of(source)
    pruning.check(dropped, config.num_hidden_layers)
    config.num_hidden_layers -= len(dropped)
    torch.manual_seed(seed)
    with torch.device(device):
        return transformers.AutoModelForCausalLM.from_config(
            config, dtype=torch_dtype(arm.dtype), trust_remote_code=False
        )


def _pretrained(source: Source, arm: Arm, device: str, *, plain: bool) -> Any:
    """``plain``: unquantised, because it will be quantised in place."""
    import transformers

    # A quantization_config of None would have transformers forget the one that the checkpoint was saved with.
    as_it_is = parts(arm.name)[0] == AS_SAVED
    quantised = {} if as_it_is else {"quantization_config": None if plain else family(arm).configuration(arm)}
    check_trust(source)
    try:
        model, info = getattr(transformers, arm.loaded_by or LANGUAGE_MODELS).from_pretrained(
            source.location,
            dtype=torch_dtype(arm.dtype),
            device_map={"": device},
            use_safetensors=True,
            weights_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are told below, and not by a reference to a log
            **quantised,
            **hub_options(source),
        )
    except ImportError as error:
        raise MachineError(f"cannot load {source.name} in {arm.name}: {first_line(error)}") from error
    except (OSError, ValueError, RuntimeError) as error:
        if is_memory(error):
            raise
        raise UsageError(f"cannot load {source.name} in {arm.name}: {first_line(error)}") from error
    matching.check(info, source.name)
    if source.kind == "hub" and (folder := local_folder(source)) is not None:  # what planning may not have had here
        matching.check_folder(skeleton(source), folder, saved_settings(config_of(source)), source.name)
    return model


def _tokenizer(source: Source) -> Any:
    import transformers

    def read() -> Any:
        return transformers.AutoTokenizer.from_pretrained(source.location, **hub_options(source))

    return tokenizer.usable(read, source.name) if source.has_text else None


def check_tokenizer(source: Source, config: Any) -> dict[str, Any]:
    """{"prompts": how many tokens each text has that may be one, without white space at its ends, [] for random ones;
    "chat_template": whether there is one}.

    Raises UsageError unless the model has a tokenizer whose tokens its embedding has."""
    if not source.has_text:
        return {"prompts": [], "chat_template": False}
    texts = [source.prompt] if source.prompt else [task.prompt for task in humaneval()]
    made = _tokenizer(source)
    tokenizer.check(made, texts, text_config(config).vocab_size, source.name)
    lengths = [len(ids) for ids in made([text.strip() for text in texts])["input_ids"]]
    return {"prompts": lengths, "chat_template": bool(getattr(made, "chat_template", None))}


def _facts(model: Any, source: Source, arm: Arm, planted: dict[str, Any] | None) -> dict[str, Any]:
    classes = Counter(_called(module) for module in model.modules() if hasattr(module, "in_features"))
    dtypes = Counter(str(parameter.dtype).removeprefix("torch.") for parameter in model.parameters())
    facts: dict[str, Any] = {
        "name": source.name,
        "revision": source.revision,
        "label": source.label + (", outliers planted" if planted else ""),
        "class": type(model).__name__,
        "layers": layers(model.config),
        "linears": dict(classes),
        "parameter_dtypes": dict(dtypes),
        "parameters": parameter_count(model),
        "quantised": quantised_share(model, family(arm)),
        "attention": model.config._attn_implementation,
        "training": model.training,
    }
    return facts | ({"planted": planted} if planted else {})


def _called(module: Any) -> str:
    made = holder(module)
    return type(module).__name__ if made is None else made.called(module)


def attention_switches() -> dict[str, bool]:
    """Which of torch's attention backends this process may use (torch.backends.cuda; a CPU has one of its own)."""
    import torch

    switches: Any = torch.backends.cuda
    return {
        "cudnn": switches.cudnn_sdp_enabled(),
        "flash": switches.flash_sdp_enabled(),
        "efficient": switches.mem_efficient_sdp_enabled(),
        "math": switches.math_sdp_enabled(),
    }


def check(loaded: LoadedModel, arm: Arm, device: str) -> None:
    """Raises MeasurementError unless the model is what ``arm`` says and gives finite logits: a figure of another or of
    a broken model is worth nothing. Adds to the facts what the first forward decides."""
    if loaded.facts.get("adapter", {}).get("as") != "attached":  # its base model was checked while loading
        base = parts(arm.name)[0]
        identity.check(loaded.model, loaded.facts, loaded.arm if base == AS_SAVED and loaded.arm else arm)
    check_logits(loaded, arm, device)


def check_logits(loaded: LoadedModel, arm: Arm, device: str) -> None:
    """One forward of a short random prompt must give finite logits; see ``check``."""
    import torch

    linear_kernels.check(loaded.model)
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, text_config(loaded.model.config).vocab_size, (1, 8), generator=generator).to(device)
    with torch.inference_mode():
        try:
            logits = loaded.model(input_ids=ids).logits
        except (AttributeError, RuntimeError) as error:
            # A module without a plain weight; or codes in a product with activations, after planting: where
            # transformers itself quantises, the config says so, and Jamba's code then calls its Linear.
            lacks = f"'{family(arm).module}' object" in str(error) and family(arm).quantises
            if not lacks and not (arm.planted_columns and "to have the same dtype" in str(error)):
                raise
            raise NotApplicableError(
                f"scheme {arm.name} is not for a {type(loaded.model).__name__}: its code reads its Linears' weights by "
                f"itself ({error})"
            ) from error
    if not bool(torch.isfinite(logits).all()):
        half = arm.dtype == "float16"
        remedy = f": too large for float16? Measure it with {_BFLOAT16}" if half else ""
        if broken := _not_finite(loaded.model, infinite=not half):
            remedy = f": its weights hold values that are not finite: {broken}. Fetch it again"
        raise MeasurementError(
            f"{loaded.facts['name']} in {arm.name} gives logits that are not finite on {device}{remedy}"
        )
    if bool((logits == logits[..., :1]).all()):
        raise MeasurementError(
            f"{loaded.facts['name']} in {arm.name} gives every token the same logit: its weights are zeros, as "
            "after a download that was not finished: fetch it again"
        )
    kernels = linear_kernels.facts(loaded.model)
    loaded.facts.update({"linears_4bit": kernels} if kernels else {})


def _not_finite(model: Any, *, infinite: bool) -> str:
    """The name of a weight, or of scales, with a value that is no number, or no finite one; "" where there is none.
    In float16 an infinite value may be a large one of the checkpoint's."""
    import torch

    named = ((name, part) for name, part in model.state_dict().items() if isinstance(part, torch.Tensor))
    wide = ((name, part) for name, part in named if part.is_floating_point() and part.element_size() > 1)
    return next((name for name, part in wide if bool((~part.isfinite() if infinite else part.isnan()).any())), "")


def gpu_uuid(device: str) -> str | None:
    """The uuid by which NVML knows the GPU that torch uses: the two may number GPUs differently. None on the CPU."""
    import torch

    return str(torch.cuda.get_device_properties(0).uuid) if device == "cuda" else None


def require_device(device: str) -> None:
    """Raises MachineError where ``device`` cannot be used."""
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise MachineError(f"no usable CUDA device: run {quoted('doctor')}, or use --device cpu")

"""Build or load a model in one scheme. Always eager, never remote code, only safetensors."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.record.errors import MachineError, MeasurementError, UsageError
from bench.workloads import identity, linear_kernels, pruning, trust
from bench.workloads.planting import plant
from bench.workloads.quantise import quantise_in_place, torch_dtype
from bench.workloads.schemes import Arm
from bench.workloads.sources import Source

BLOCKSIZE = 64


@dataclass(frozen=True)
class LoadedModel:
    """``facts`` is what the record says of the model; ``load_seconds`` includes quantisation.

    ``tokenizer`` is None where the model has none (random weights).
    """

    model: Any
    tokenizer: Any
    facts: dict[str, Any]
    load_seconds: float


def load(source: Source, arm: Arm, device: str, seed: int, dropped_layers: str | None = None) -> LoadedModel:
    """The model of ``source`` in scheme ``arm`` on ``device`` ("cpu" or "cuda"), in eval mode, less ``dropped_layers``.

    Shapes get random weights from ``seed``. Raises UsageError where a folder cannot be loaded, MachineError where
    the weights do not fit or the device is missing.
    """
    start = time.perf_counter()
    dropped = pruning.parse(dropped_layers)
    # transformers' configuration knows one block size only, and nothing of planting or of our own modules.
    other = arm.kind == "int4" or arm.blocksize not in (None, BLOCKSIZE)
    in_place = source.kind == "shape" or bool(arm.planted_columns) or other
    plain = in_place or arm.kind == "float"
    model = (
        _from_config(source, arm, device, seed, dropped)
        if source.kind == "shape"
        else _pretrained(source, arm, device, plain)
    )
    if source.kind != "shape":
        pruning.drop(model, dropped)
    planted = plant(model, arm.planted_columns, seed) if arm.planted_columns else None
    if in_place:
        quantise_in_place(model, arm)
    model.eval().requires_grad_(False)
    seconds = time.perf_counter() - start
    facts = _facts(model, source, planted) | ({"dropped_layers": dropped_layers} if dropped_layers else {})
    return LoadedModel(model, _tokenizer(source), facts, seconds)


def config_of(source: Source) -> Any:
    """The transformers configuration, without weights."""
    import transformers

    try:
        if source.kind == "shape":
            fields = json.loads(Path(source.location).read_text())
            return transformers.AutoConfig.for_model(fields.pop("model_type"), **fields)
        _check_trust(source)
        return transformers.AutoConfig.from_pretrained(source.location, **_hub_options(source))
    except (OSError, ValueError) as error:
        if "custom code" in str(error):
            raise UsageError(
                f"{source.name} brings code of its own (auto_map in config.json), which is never run, and transformers "
                "does not know its model type without: choose another checkpoint"
            ) from error
        raise UsageError(f"cannot read the configuration of {source.name}: {_first_line(error)}") from error


def _check_trust(source: Source) -> None:
    """What ``trust.check_folder`` looks at, for a model of the hub. Raises UsageError or transformers' own errors."""
    from transformers.utils import cached_file

    if source.kind != "hub":
        trust.check_folder(Path(source.location))
        return
    for name, check in ((trust.CONFIG, trust.check_config), (trust.INDEX, trust.check_index)):
        file = cached_file(source.location, name, revision=source.revision, _raise_exceptions_for_missing_entries=False)
        if file is not None:
            check(trust.read_json(Path(file)), source.name)


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


def _pretrained(source: Source, arm: Arm, device: str, plain: bool) -> Any:
    """``plain``: unquantised, because it will be quantised in place or not at all."""
    import transformers

    config = None if plain else bitsandbytes_config(arm)
    try:
        _check_trust(source)
        return transformers.AutoModelForCausalLM.from_pretrained(
            source.location,
            dtype=torch_dtype(arm.dtype),
            quantization_config=config,
            device_map={"": device},
            use_safetensors=True,
            weights_only=True,
            **_hub_options(source),
        )
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot load {source.name}: {_first_line(error)}") from error


def _hub_options(source: Source) -> dict[str, Any]:
    options: dict[str, Any] = {"trust_remote_code": False}
    return options | ({"revision": source.revision} if source.kind == "hub" else {"local_files_only": True})


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def bitsandbytes_config(arm: Arm) -> Any:
    """transformers' quantisation configuration for an arm; None for a float arm."""
    import transformers

    if arm.kind == "float":
        return None
    if arm.kind == "int8":
        return transformers.BitsAndBytesConfig(
            load_in_8bit=True, llm_int8_threshold=arm.threshold, llm_int8_skip_modules=list(arm.not_converted)
        )
    return transformers.BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=arm.quant_type,
        bnb_4bit_use_double_quant=arm.double_quant,
        bnb_4bit_compute_dtype=torch_dtype(arm.compute_dtype or arm.dtype),
        llm_int8_skip_modules=list(arm.not_converted),
    )


def _tokenizer(source: Source) -> Any:
    import transformers

    if source.kind == "shape":
        return None
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(source.location, **_hub_options(source))
    except (OSError, ValueError) as error:
        raise UsageError(f"{source.name} has no usable tokenizer: {_first_line(error)}") from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "left"
    return tokenizer


def _facts(model: Any, source: Source, planted: dict[str, Any] | None) -> dict[str, Any]:
    classes = Counter(type(module).__name__ for module in model.modules() if hasattr(module, "in_features"))
    dtypes = Counter(str(parameter.dtype).removeprefix("torch.") for parameter in model.parameters())
    facts: dict[str, Any] = {
        "name": source.name,
        "revision": source.revision,
        "label": source.label + (", outliers planted" if planted else ""),
        "class": type(model).__name__,
        "layers": model.config.num_hidden_layers,
        "linears": dict(classes),
        "parameter_dtypes": dict(dtypes),
        "parameters": parameter_count(model),
        "attention": model.config._attn_implementation,
        "training": model.training,
    }
    return facts | ({"planted": planted} if planted else {})


def parameter_count(model: Any) -> int:
    """Weights that the model has before packing: two per byte in a 4-bit parameter, or in our own int4 buffers."""
    total = sum(getattr(module, "unpacked", 0) for module in model.modules())
    for parameter in model.parameters():
        state = getattr(parameter, "quant_state", None)
        total += state.shape.numel() if state is not None else parameter.numel()
    return total


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


def footprint(model: Any) -> int:
    """Bytes of all parameters and buffers, with bitsandbytes' scales, tables and nested statistics. Shared storage
    counts once."""
    seen: dict[int, int] = {}
    for tensor in _tensors(model):
        storage = tensor.untyped_storage()
        seen[storage.data_ptr()] = storage.nbytes()
    return sum(seen.values())


def _tensors(model: Any) -> Iterable[Any]:
    yield from model.parameters()
    yield from model.buffers()
    for module in model.modules():
        weight = getattr(module, "weight", None)
        state = getattr(weight, "quant_state", None)
        holders = [getattr(module, "state", None), weight, state, getattr(state, "state2", None)]
        for holder in holders:
            for name in ("CB", "SCB", "absmax", "code", "offset"):
                tensor = getattr(holder, name, None)
                if hasattr(tensor, "untyped_storage"):
                    yield tensor


def check(loaded: LoadedModel, arm: Arm, device: str) -> None:
    """Raises MeasurementError unless the model is what ``arm`` says and gives finite logits: a figure of another or of
    a broken model is worth nothing. Adds to the facts what the first forward decides."""
    identity.check(loaded.model, loaded.facts, arm)
    check_logits(loaded, arm, device)


def check_logits(loaded: LoadedModel, arm: Arm, device: str) -> None:
    """One forward of a short random prompt must give finite logits; see ``check``."""
    import torch

    linear_kernels.check(loaded.model)
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, loaded.model.config.vocab_size, (1, 8), generator=generator).to(device)
    with torch.inference_mode():
        logits = loaded.model(input_ids=ids).logits
    if not bool(torch.isfinite(logits).all()):
        raise MeasurementError(f"{loaded.facts['name']} in {arm.name} gives logits that are not finite on {device}")
    kernels = linear_kernels.facts(loaded.model)
    loaded.facts.update({"linears_4bit": kernels} if kernels else {})


def gpu_uuid(device: str) -> str | None:
    """The uuid by which NVML knows the GPU that torch uses: the two may number GPUs differently. None on the CPU."""
    import torch

    return str(torch.cuda.get_device_properties(0).uuid) if device == "cuda" else None


def require_device(device: str) -> None:
    """Raises MachineError where ``device`` cannot be used."""
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise MachineError("no usable CUDA device: run 'python -m bench doctor', or use --device cpu")

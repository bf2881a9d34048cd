"""PEFT adapters: small matrices beside the Linears of a base model, as fine-tuning with LoRA leaves them.

An adapter is a folder with ``adapter_config.json`` and ``adapter_model.safetensors``. It is put on the model that was
asked for, never on the one that its config names; nothing in it is run. Which of its weights were loaded is checked, as
of a model: what is missing, PEFT fills with a start that changes nothing, or with random numbers.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.models import matching
from bench.record.errors import MachineError, NotApplicableError, UsageError, first_line

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
# Others put tokens before the prompt or need a generate call of their own.
KNOWN = ("LORA",)
# Settings of adapter_config.json that name modules to import.
_IMPORTS = ("megatron_config",)
_MATRIX = re.compile(r"base_model\.model\.(.+?)(?:\.base_layer)?\.lora_([AB])(?:\.\w+)?\.weight")
# How PEFT begins to say so, with the module as it is printed.
_UNSUPPORTED = re.compile(r"Target module (\w+)\b.* is not supported")


def revision(name: str, settings: Mapping[str, Any]) -> str:
    """A hash of the adapter's two files. ``settings``: its config, parsed. Raises UsageError for a folder that holds
    none, or one of another kind."""
    folder = Path(name).expanduser()
    kind = str(settings.get("peft_type"))
    if kind not in KNOWN:
        raise UsageError(f"{name} holds an adapter of the kind {kind}: only {', '.join(KNOWN)} is measured")
    for setting in _IMPORTS:
        if settings.get(setting):
            raise UsageError(f"{name}: {setting} in {CONFIG} names code to import, which is never run: remove it")
    if not (folder / WEIGHTS).is_file():
        raise UsageError(f"{name} has no {WEIGHTS}: only safetensors are loaded, so save the adapter in that format")
    digest = hashlib.sha256((folder / CONFIG).read_bytes())
    digest.update((folder / WEIGHTS).read_bytes())
    return f"files-sha256:{digest.hexdigest()[:16]}"


def check_installed() -> None:
    """Raises MachineError where PEFT is not."""
    if find_spec("peft") is None:
        raise MachineError("an adapter needs the package peft, which is not installed here: pip install peft")


def check_fits(skeleton: Any, name: str) -> None:
    """Raises UsageError where a matrix of the adapter in the folder ``name`` is for no Linear of ``skeleton``, the
    model on the meta device, or for one of another shape: by the headers of its file alone."""
    for key, shape in _shapes(Path(name).expanduser() / WEIGHTS).items():
        found = _MATRIX.fullmatch(key)
        if found is None:
            continue
        try:
            module = skeleton.get_submodule(found[1])
        except AttributeError as error:
            raise UsageError(
                f"adapter {name} does not fit the model: it is for {found[1]}, which it has not"
            ) from error
        features = _features(module)
        if features is None:
            continue
        wanted, has = (features[0], shape[-1]) if found[2] == "A" else (features[1], shape[0])
        if len(shape) == 2 and wanted != has:
            what = f"{found[1]}.lora_{found[2]} is {'×'.join(map(str, shape))}"
            raise UsageError(
                f"adapter {name} does not fit the model: {what}, and the model's has {wanted} features there"
            )


def _features(module: Any) -> tuple[int, int] | None:
    """(in, out) of a Linear, or of GPT-2's Conv1D; None of anything else."""
    for names in (("in_features", "out_features"), ("nx", "nf")):
        if all(hasattr(module, one) for one in names):
            return getattr(module, names[0]), getattr(module, names[1])
    return None


def attach(model: Any, name: str, *, merged: bool) -> dict[str, Any]:
    """Put the adapter in the folder ``name`` beside the weights of ``model``, in place, or merge it into them.

    Returns the facts for the record. Raises UsageError where its weights are not those of this model,
    NotApplicableError for Linears that PEFT puts nothing beside, MachineError where PEFT is not installed.
    """
    check_installed()
    from peft import PeftModel, get_peft_model_state_dict

    folder = Path(name).expanduser()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what was not loaded is found below
            made = PeftModel.from_pretrained(model, str(folder), is_trainable=False, autocast_adapter_dtype=False)
    except (ValueError, RuntimeError, KeyError) as error:
        line = first_line(error)
        if found := _UNSUPPORTED.match(line):
            raise NotApplicableError(
                f"PEFT puts no adapter beside {found[1]} modules: measure it merged, or in another scheme"
            ) from error
        raise UsageError(f"adapter {name} does not fit the model: {line}") from error
    wanted = get_peft_model_state_dict(made, save_embedding_layers=False)  # or PEFT asks the hub
    _check_loaded(folder / WEIGHTS, wanted, name)
    layers = [module for module in made.modules() if hasattr(module, "base_layer")]
    facts = {
        "name": name,
        "as": "merged" if merged else "attached",
        "modules": len(layers),
        "parameters": sum(value.numel() for value in wanted.values()),
    }
    if merged:
        made.merge_and_unload(safe_merge=True)
        return facts
    dtype = next(p.dtype for p in model.get_input_embeddings().parameters())
    for key, parameter in made.named_parameters():
        if "lora_" in key and parameter.dtype != dtype:
            parameter.data = parameter.data.to(dtype)
    return facts


def _shapes(file: Path) -> dict[str, tuple[int, ...]]:
    from safetensors import safe_open

    with safe_open(file, "pt") as stream:
        return {key: tuple(stream.get_slice(key).get_shape()) for key in stream.keys()}  # noqa: SIM118 - no mapping


def _check_loaded(file: Path, wanted: Mapping[str, Any], name: str) -> None:
    found = _shapes(file)
    other = [(key, found[key], tuple(wanted[key].shape)) for key in found.keys() & wanted.keys()]
    matching.check(
        {
            "missing_keys": wanted.keys() - found.keys(),
            "unexpected_keys": found.keys() - wanted.keys(),
            "mismatched_keys": [one for one in other if one[1] != one[2]],
        },
        f"adapter {name}",
        adapter=True,
    )

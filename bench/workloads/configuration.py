"""What a model's config.json makes: its transformers configuration, and the model without weights.

Whatever a file of somebody else's makes transformers raise is told as one line, while the run is planned.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.models import checkpoint_files
from bench.models.architecture import auto_class, check_language_model, check_reads_forwards, text_config
from bench.record.errors import BitledgerError, MachineError, UsageError, first_line, told
from bench.schemes.definition import dtype_name
from bench.workloads.sources import Source


def native_dtype(config: Any) -> str:
    """The dtype that the checkpoint was saved in ("bfloat16"), of a quantised one what was left unquantised; "" where
    its config does not say."""
    found = getattr(config, "dtype", None) or getattr(text_config(config), "dtype", None)
    return dtype_name(found) if found is not None else ""


def skeleton(source: Source) -> Any:
    """The model of ``source`` on the meta device: modules and shapes, no weights. Raises UsageError where its config
    is not that of a causal language model or cannot be made a model of, MachineError where a package is missing."""
    import torch
    import transformers

    config = config_of(source)
    check_language_model(config, source.name)
    try:
        with torch.device("meta"):
            made = getattr(transformers, auto_class(config)).from_config(config, trust_remote_code=False)
    except ImportError as error:
        raise MachineError(f"{source.name} cannot be made here: {first_line(error)}") from error
    except Exception as error:  # each architecture has errors of its own kind
        if isinstance(error, ValueError) and "Unrecognized configuration class" in str(error):
            raise UsageError(
                f"{source.name} is not a causal language model that transformers knows (model type {config.model_type})"
            ) from error
        raise UsageError(f"transformers cannot make a model of {source.name}'s config.json: {told(error)}") from error
    check_reads_forwards(made.config, source.name)
    return made


def config_of(source: Source) -> Any:
    """The transformers configuration, without weights. Raises UsageError where there is none."""
    import transformers

    try:
        if source.kind == "shape":
            fields = json.loads(Path(source.location).read_text())
            return transformers.AutoConfig.for_model(fields.pop("model_type"), **fields)
        check_trust(source)
        found = transformers.AutoConfig.from_pretrained(source.location, **hub_options(source))
        text_config(found).get_text_config()  # what a damaged file may break is read here
        native_dtype(found)
        return found
    except BitledgerError:
        raise
    except Exception as error:  # each configuration checks its fields in its own way
        if "custom code" in str(error):
            raise UsageError(
                f"{source.name} brings code of its own (auto_map in config.json), which is never run, and transformers "
                "does not know its model type without: choose another checkpoint"
            ) from error
        raise UsageError(f"cannot read the configuration of {source.name}: {told(error)}") from error


def check_trust(source: Source) -> None:
    """What ``trust.check_folder`` looks at, for a model of the hub. Raises UsageError or transformers' own errors."""
    from transformers.utils import cached_file

    if source.kind != "hub":
        checkpoint_files.check_folder(Path(source.location))
        return
    for name, check in (
        (checkpoint_files.CONFIG, checkpoint_files.check_config),
        (checkpoint_files.INDEX, checkpoint_files.check_index),
    ):
        file = cached_file(source.location, name, revision=source.revision, _raise_exceptions_for_missing_entries=False)
        if file is not None:
            check(checkpoint_files.read_json(Path(file)), source.name)


def hub_options(source: Source) -> dict[str, Any]:
    """What every from_pretrained is given: nothing of the checkpoint's own is run."""
    options: dict[str, Any] = {"trust_remote_code": False}
    return options | ({"revision": source.revision} if source.kind == "hub" else {"local_files_only": True})

"""Which model is meant, where its files are and which revision it is. No torch: the parent process plans with it."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Literal

from bench.models import adapters, checkpoint_files
from bench.models.checkpoint_files import INDEX, WHOLE, check_fetched, check_files, check_weights, loaded_files
from bench.record.errors import MachineError, UsageError

SHAPES = ("starcoder2-3b", "starcoder2-7b", "phi-2")
SMOKE = "smoke"
WHOLE_BYTES = 256 << 20
# What the revision of a folder begins with, unless it is a snapshot of the hub.
FOLDER_REVISIONS = ("files-sha256:", "headers-sha256:")
# What Cases with a prompt of the user's own say of it, before its hash.
OWN_TEXT = "text-sha256:"
Kind = Literal["smoke", "shape", "folder", "hub"]


@dataclass(frozen=True)
class Source:
    """``location`` is a folder (smoke, folder), a config file (shape) or a hub id. ``label`` says what its weights
    are, for every place where a figure is shown. ``saved``: the format in which the checkpoint was saved quantised; ""
    for one that was not. ``random_prompts``: its tokenizer is not to be used. ``prompt``: a text of the user's own that
    it is given; "" for HumanEval's tasks. ``adapter``: the folder of a PEFT adapter for the arms that have one, with
    its ``adapter_revision``; "" for none."""

    name: str
    kind: Kind
    location: str
    revision: str
    label: str
    saved: str = ""
    random_prompts: bool = False
    prompt: str = ""
    adapter: str = ""
    adapter_revision: str = ""

    @property
    def own_prompts(self) -> str:
        """What a Case calls the user's own text, by its hash; "" where there is none."""
        return f"{OWN_TEXT}{hashlib.sha256(self.prompt.encode()).hexdigest()[:16]}" if self.prompt else ""

    @property
    def has_text(self) -> bool:
        """Whether it is given texts as prompts, and its tokens read as text; random token ids otherwise."""
        return self.kind != "shape" and not self.random_prompts


def data_folder() -> Path:
    """The data shipped with the package: prompts, configs and the smoke checkpoint."""
    return Path(str(resources.files("bench"))) / "data"


def resolve(name: str, revision: str | None = None) -> Source:
    """The model named by "smoke", "shape:NAME", a local folder or a Hugging Face id.

    Raises UsageError for an unknown shape or a folder without safetensors weights, and MachineError when the hub
    is needed and cannot be reached.
    """
    if not name.isprintable():
        raise UsageError(f"no model {name!r}: a model's name must be printable text")
    here = name == SMOKE or name.startswith("shape:") or Path(name).expanduser().is_dir()
    if revision is not None and here:
        raise UsageError(f"--revision is of a Hugging Face id, and {name!r} is none: leave it out")
    if name == SMOKE:
        folder = data_folder() / "smoke-model"
        return Source(name, "smoke", str(folder), _folder_revision(folder), "memorised")
    if name.startswith("shape:"):
        return _shape(name)
    folder = Path(name).expanduser()
    if folder.is_dir():
        try:
            return Source(name, "folder", str(folder.resolve()), _folder_revision(folder), "as published")
        except OSError as error:  # the rights of a file, or its disk
            raise UsageError(
                f"{error.filename or folder} cannot be read ({error.strerror}): see who may read it"
            ) from error
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise UsageError(
            f"no model {name!r}: give 'smoke', 'shape:NAME' ({', '.join(SHAPES)}), a folder with config.json and "
            "*.safetensors, or a Hugging Face id such as bigcode/starcoder2-3b"
        )
    return Source(name, "hub", name, _hub_revision(name, revision), "as published")


def local_folder(source: Source) -> Path | None:
    """Where the checkpoint's files are: its folder, or a Hugging Face id's in the cache; None where they are not here,
    or made up."""
    if source.kind != "hub":
        return Path(source.location) if source.kind == "folder" else None
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(source.location, checkpoint_files.CONFIG, revision=source.revision)
    weights = loaded_files(Path(config).parent) if isinstance(config, str) else ()
    return Path(str(config)).parent if weights and all(file.is_file() for file in weights) else None


def with_adapter(source: Source, name: str) -> Source:
    """The model with the adapter in the folder ``name``. Raises UsageError where that is none, or the model has no
    weights of its own."""
    folder = Path(name).expanduser()
    if not name.isprintable() or not (folder / checkpoint_files.ADAPTER).is_file():
        raise UsageError(
            f"--adapter: {name!r} is no folder with an {checkpoint_files.ADAPTER}: give that of a PEFT adapter"
        )
    if source.kind == "shape":
        raise UsageError(f"--adapter: {source.name} has random weights: give the checkpoint that it was trained on")
    found = adapters.revision(name, checkpoint_files.read_json(folder / checkpoint_files.ADAPTER))
    check_weights(folder / adapters.WEIGHTS)
    return replace(source, adapter=name, adapter_revision=found)


def resolve_again(name: str, revision: str) -> Source:
    """The model of that name as it is now: of a Hugging Face id that revision, of any other the one that is there,
    whose revision then tells whether it is the same. Raises as ``resolve`` does."""
    on_hub = "/" in name and not Path(name).expanduser().exists()
    return resolve(name, revision if on_hub else None)


def _shape(name: str) -> Source:
    shape = name.removeprefix("shape:")
    if shape not in SHAPES:
        raise UsageError(f"unknown shape {shape!r}: choose from {', '.join(SHAPES)}")
    config = data_folder() / "configs" / f"{shape}.config.json"
    digest = hashlib.sha256(config.read_bytes()).hexdigest()
    return Source(name, "shape", str(config), f"config-sha256:{digest[:16]}", "random weights")


def _folder_revision(folder: Path) -> str:
    """A hub snapshot's commit, or a hash of the config and of the weight files.

    Small files are hashed whole. Of large ones, where that would cost minutes, the header and the size are: they
    list every tensor with its type, shape and place, and the revision then says "headers".
    """
    if not (folder / "config.json").is_file() and (folder / checkpoint_files.ADAPTER).exists():
        checkpoint_files.check_folder(folder)
    if not (folder / "config.json").is_file():
        snapshots = sorted((folder / "snapshots").glob("*/config.json"))
        better = (
            f"this one's checkpoint is {snapshots[0].parent}"
            if snapshots
            else "give the folder of a Hugging Face checkpoint"
        )
        raise UsageError(f"{folder} has no config.json: {better}")
    check_fetched(folder)
    found = sorted(folder.glob("*.safetensors"))
    if not found:
        other = checkpoint_files.refused_weights(folder)
        what = f" (only safetensors are loaded, as other formats may hold code: convert {other})" if other else ""
        raise UsageError(f"{folder} has no *.safetensors weights{what}")
    checkpoint_files.check_folder(folder)
    weights = loaded_files(folder)
    if not weights:
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        raise UsageError(
            f"{folder} has neither {WHOLE} nor {INDEX}, so that transformers does not load its {found[0].name}{more}: "
            "fetch the checkpoint again"
        )
    check_files(folder, weights)
    if folder.parent.name == "snapshots":
        return folder.name
    digest = hashlib.sha256((folder / "config.json").read_bytes())
    whole = sum(file.stat().st_size for file in weights) <= WHOLE_BYTES
    for file in weights:
        header = _safetensors_header(file)
        digest.update(f"{file.name}:{file.stat().st_size}".encode())
        digest.update(file.read_bytes() if whole else header)
    return f"{'files' if whole else 'headers'}-sha256:{digest.hexdigest()[:16]}"


# What decides tokens and when to stop, beside the weights.
_COMPANIONS = ("generation_config.json", "tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab.*",
               "merges.txt", "chat_template.*", "*.safetensors")  # fmt: skip


def companions(source: Source) -> dict[str, str]:
    """File → hash of what it holds (of large weights: of their header and size), {} for what is no folder.

    The revision tells of the config and the weights alone, and a snapshot of the hub is known by its folder's name.
    """
    folder = Path(source.location)
    if source.kind not in ("smoke", "folder"):
        return {}
    files = {file.name: file for pattern in _COMPANIONS for file in sorted(folder.glob(pattern)) if file.is_file()}
    return {name: _digest(files[name]) for name in sorted(files)}


def _digest(file: Path) -> str:
    size = file.stat().st_size
    whole = file.suffix != ".safetensors" or size <= WHOLE_BYTES
    content = file.read_bytes() if whole else _safetensors_header(file) + str(size).encode()
    return hashlib.sha256(content).hexdigest()[:16]


def _safetensors_header(file: Path) -> bytes:
    """The JSON header of a safetensors file (format: 8 bytes little-endian length, then JSON)."""
    with file.open("rb") as stream:
        try:
            (length,) = struct.unpack("<Q", stream.read(8))
            header = stream.read(min(length, 100_000_000))
            json.loads(header)
        except (struct.error, ValueError) as error:
            raise UsageError(f"{file} is not a safetensors file or is damaged: fetch it again") from error
    return header


def _hub_revision(name: str, revision: str | None) -> str:
    """The commit that the hub, or else the local cache, has for this id."""
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if not os.environ.get("HF_HUB_OFFLINE"):
        try:
            return str(HfApi().model_info(name, revision=revision, timeout=10).sha)
        except GatedRepoError as error:
            raise UsageError(f"model {name!r} is gated: accept its terms on its hub page and log in") from error
        except RepositoryNotFoundError as error:
            raise UsageError(f"the hub has no model {name!r} (or it is private: log in)") from error
        except RevisionNotFoundError as error:
            raise UsageError(f"{name!r} has no revision {revision!r}: give a commit, tag or branch of it") from error
        except Exception:  # noqa: S110 - its HTTP library differs by version; whatever failed, the cache is next
            pass
    try:
        return Path(snapshot_download(name, revision=revision, local_files_only=True)).name
    except (LocalEntryNotFoundError, OSError, ValueError) as error:
        which = f"{name!r} at revision {revision!r}" if revision else repr(name)
        raise MachineError(
            f"model {which} is not in the local cache and the Hugging Face hub cannot be reached: give a local "
            "folder, or --model smoke or --model shape:starcoder2-3b"
        ) from error

"""A planned run on disk: plan.json in the run folder, from which a run is resumed and a capture finds its Cases.

Where the model's files lie is not written: it is found again from the model's name, and the revision must still be
the same. So a run folder names no path of the machine that made it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from bench import presets
from bench.record.chain import PLAN
from bench.record.errors import RecordError, StorageError, UsageError
from bench.record.files import replace_text
from bench.record.typed import decode, typed
from bench.run.plan import Block, BlockKind, Key, Request
from bench.workloads.sources import FOLDER_REVISIONS, SMOKE, Source, companions, resolve_again, with_adapter


@dataclass(frozen=True)
class Run:
    """What a run measures, and in which order. ``repeats``: the run_id of the run that it repeats."""

    run_id: str
    preset: presets.Preset
    source: Source
    device: str
    seed: int
    blocks: tuple[Block, ...]
    beside: tuple[Source, ...] = ()
    repeats: str = ""


@dataclass(frozen=True)
class Planned:
    """What a plan says without looking for its model: the run, and the key of every Record that it is to give."""

    run_id: str
    keys: tuple[Key, ...]


def new_run_id(preset: str, source: Source, prefix: str = "") -> str:
    """Time, preset and model: "20260131-120000-smoke-smoke"."""
    name = Path(source.name).name if source.kind == "folder" else source.name
    model = re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-")
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{prefix}{preset}-{model}"


def write_plan(folder: Path, run: Run) -> None:
    """All of it or nothing, also when the machine stops meanwhile. Raises StorageError where it cannot be written."""
    document = {
        "run_id": run.run_id,
        **({"repeats": run.repeats} if run.repeats else {}),
        "preset": asdict(run.preset),
        "model": _named(run.source),
        **({"beside": [_named(source) for source in run.beside]} if run.beside else {}),
        "device": run.device,
        "seed": run.seed,
        "blocks": [_without_source(block) for block in run.blocks],
    }
    try:
        replace_text(folder / PLAN, json.dumps(document, indent=1))
    except OSError as error:
        raise StorageError(
            f"cannot write {folder / PLAN}: {error.strerror}; choose another folder with --out"
        ) from error


def _named(source: Source) -> dict[str, Any]:
    files = companions(source)
    named = {"name": source.name, "revision": source.revision, "label": source.label}
    own = {name: getattr(source, name) for name in ("random_prompts", "prompt", "adapter", "adapter_revision")}
    return named | ({"files": files} if files else {}) | {name: value for name, value in own.items() if value}


def _without_source(block: Block) -> dict[str, Any]:
    """A block names its model in its Cases."""
    document = block.to_json()
    del document["source"]
    return document


def read_plan(folder: Path) -> Run:
    """The run planned in ``folder``.

    Raises UsageError where there is none or its model has changed since, RecordError where the file is damaged.
    """
    try:
        plan: _Plan = typed(_Plan, decode((folder / PLAN).read_bytes()))
        preset = presets.from_json(plan.preset)
        source = _same_model(plan.model)
        beside = tuple(_same_model(other) for other in plan.beside)
        known = {(one.name, one.revision): one for one in (source, *beside)}
        blocks = tuple(block.of(known.get(block.model, source)) for block in plan.blocks)
        return Run(plan.run_id, preset, source, plan.device, plan.seed, blocks, beside, plan.repeats)
    except FileNotFoundError:
        raise UsageError(f"{folder} holds no planned run: it has no {PLAN}") from None
    except (OSError, ValueError) as error:
        raise RecordError(f"{folder / PLAN} is damaged ({error}): start a new run in another folder") from error


@dataclass(frozen=True)
class _Model:
    """``files``: what stood beside the config, by its hash; {} in plans of older versions. ``random_prompts``,
    ``prompt``, ``adapter``, ``adapter_revision``: as a Source has them."""

    name: str
    revision: str
    label: str = ""
    files: dict[str, str] = field(default_factory=dict)
    random_prompts: bool = False
    prompt: str = ""
    adapter: str = ""
    adapter_revision: str = ""


@dataclass(frozen=True)
class _Block:
    """A block as it is written: its model stands in its Cases."""

    kind: BlockKind
    repeat: int
    requests: tuple[Request, ...]
    options: Mapping[str, Any]
    limit_s: float

    @property
    def model(self) -> tuple[str, str]:
        """Name and revision; the machine's ceilings are of no model and run with the main one."""
        return (self.requests[0].case.model, self.requests[0].case.revision) if self.requests else ("", "")

    def of(self, source: Source) -> Block:
        """Raises ValueError where it could not be measured."""
        return Block.from_json({**msgspec.to_builtins(self), "source": asdict(source)})


@dataclass(frozen=True)
class _Plan:
    """The file. Written by ``write_plan``."""

    run_id: str
    preset: dict[str, Any]
    model: _Model
    device: Literal["cpu", "cuda"]
    seed: int
    blocks: tuple[_Block, ...]
    beside: tuple[_Model, ...] = ()
    repeats: str = ""


def read_planned(folder: Path) -> Planned | None:
    """The keys planned in ``folder``, in order; None where there is no plan. Raises RecordError for a damaged one."""
    try:
        document = decode((folder / PLAN).read_bytes())
        blocks = msgspec.convert(document, _Keys).blocks
        # Field by field, because a coordinate that this program does not know would make it another Case.
        asked = [(typed(Request, request), block.repeat) for block in blocks for request in block.requests]
        return Planned(document["run_id"], tuple(request.key(repeat) for request, repeat in asked))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise RecordError(f"{folder / PLAN} is damaged ({error}): restore the file") from error


@dataclass(frozen=True)
class _KeysOfBlock:
    repeat: int
    requests: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class _Keys:
    """What of the file says which Records are planned; the rest may be another version's."""

    run_id: str
    blocks: tuple[_KeysOfBlock, ...]


def _same_model(model: _Model) -> Source:
    name, revision = model.name, model.revision
    if revision.startswith(FOLDER_REVISIONS) and name != SMOKE and not Path(name).expanduser().is_dir():
        raise UsageError(
            f"the model's folder {name} is gone: put it back as it was ({revision}), or run from where it is"
        )
    source = resolve_again(name, revision)
    if source.revision != revision:
        raise UsageError(f"{name} has changed since this run began ({revision} → {source.revision}): start a new run")
    now = companions(source) if model.files else {}
    changed = [name for name in sorted({*now, *model.files}) if now.get(name) != model.files.get(name)]
    if changed:
        raise UsageError(
            f"{name} has changed since this run began ({', '.join(changed)}): put it back, or start a new run"
        )
    source = replace(source, random_prompts=model.random_prompts, prompt=model.prompt)
    if not model.adapter:
        return source
    source = with_adapter(source, model.adapter)
    if source.adapter_revision != model.adapter_revision:
        raise UsageError(f"adapter {model.adapter} has changed since this run began: put it back, or start a new run")
    return source

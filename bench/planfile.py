"""A planned run on disk: plan.json in the run folder, from which a run is resumed and a capture finds its Cases.

Where the model's files lie is not written: it is found again from the model's name, and the revision must still be
the same. So a run folder names no path of the machine that made it.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import presets
from bench.plan import Block, Key, Request
from bench.record.errors import RecordError, StorageError, UsageError
from bench.record.files import replace_text
from bench.record.schema import Case
from bench.workloads.sources import FOLDER_REVISIONS, SMOKE, Source, resolve

PLAN = "plan.json"


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


def _named(source: Source) -> dict[str, str]:
    return {"name": source.name, "revision": source.revision, "label": source.label}


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
        document = json.loads((folder / PLAN).read_text(encoding="utf-8"))
        model = document["model"]
        source = _same_model(model["name"], model["revision"])
        beside = tuple(_same_model(other["name"], other["revision"]) for other in document.get("beside", ()))
        known = {(one.name, one.revision): asdict(one) for one in (source, *beside)}
        blocks = tuple(
            Block.from_json({**block, "source": known.get(_model_of(block), asdict(source))})
            for block in document["blocks"]
        )
        preset = presets.from_json(document["preset"])
        return Run(
            str(document["run_id"]), preset, source, document["device"], document["seed"], blocks, beside,
            str(document.get("repeats", "")),
        )  # fmt: skip
    except FileNotFoundError:
        raise UsageError(f"{folder} holds no planned run: it has no {PLAN}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordError(f"{folder / PLAN} is damaged ({error}): start a new run in another folder") from error


def read_planned(folder: Path) -> Planned | None:
    """The keys planned in ``folder``, in order; None where there is no plan. Raises RecordError for a damaged one."""
    try:
        document = json.loads((folder / PLAN).read_text(encoding="utf-8"))
        requests = ((item, block["repeat"]) for block in document["blocks"] for item in block["requests"])
        keys = tuple(Request(Case(**item["case"]), item["instrument"]).key(repeat) for item, repeat in requests)
        return Planned(str(document["run_id"]), keys)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RecordError(f"{folder / PLAN} is damaged ({error}): restore the file") from error


def _model_of(block: dict[str, Any]) -> tuple[str, str]:
    """Name and revision; the machine's ceilings are of no model and run with the main one."""
    case = block["requests"][0]["case"]
    return case["model"], case["revision"]


def _same_model(name: str, revision: str) -> Source:
    if revision.startswith(FOLDER_REVISIONS) and name != SMOKE and not Path(name).expanduser().is_dir():
        raise UsageError(
            f"the model's folder {name} is gone: put it back as it was ({revision}), or run from where it is"
        )
    source = resolve(name, revision if "/" in name and not Path(name).exists() else None)
    if source.revision != revision:
        raise UsageError(f"{name} has changed since this run began ({revision} → {source.revision}): start a new run")
    return source

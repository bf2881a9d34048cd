"""What was left out of a run folder on purpose: left-out.json names it, with the reason, so that it differs from lost.

Timelines are large, and a run that goes into a repository keeps some of them; a run on a rented GPU may have ended
before all of its plan was measured. Records go on naming the files with their hashes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import RecordError, StorageError
from .files import replace_text

LEFT_OUT = "left-out.json"
Key = tuple[str, str, int]


@dataclass(frozen=True)
class Omission:
    """``artifacts``: paths of files; ``records``: keys of planned Records (case_id, instrument, repeat)."""

    reason: str
    artifacts: tuple[str, ...] = ()
    records: tuple[Key, ...] = ()


def read(folder: Path) -> tuple[Omission, ...]:
    """Nothing where there is no such file. Raises RecordError for a damaged one."""
    try:
        return tuple(_entry(item) for item in json.loads((folder / LEFT_OUT).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RecordError(f"{folder / LEFT_OUT} is damaged ({error}): restore the file") from error


def add(folder: Path, entry: Omission) -> None:
    """Raises StorageError where the folder cannot be written."""
    document = [_document(item) for item in (*read(folder), entry)]
    try:
        replace_text(folder / LEFT_OUT, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        raise StorageError(f"cannot write {folder / LEFT_OUT}: {error.strerror or error}") from error


def _entry(item: Any) -> Omission:
    records = tuple((str(case_id), str(instrument), int(repeat)) for case_id, instrument, repeat in item["records"])
    if not item["reason"]:
        raise ValueError("an entry without a reason")
    return Omission(str(item["reason"]), tuple(map(str, item["artifacts"])), records)


def _document(entry: Omission) -> dict[str, Any]:
    records: Sequence[list[Any]] = [list(key) for key in entry.records]
    return {"reason": entry.reason, "artifacts": list(entry.artifacts), "records": records}

"""The records of a run folder as today's table of classes has them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bench.analysis.held_lines import classified_again, is_held
from bench.record.store import Loaded, load
from bench.record.timeline import Timeline

ReadTrace = Callable[[Path], Timeline]


def classified(folder: Path, read: ReadTrace | None) -> Loaded:
    """What ``load`` gives; records that hold lines of another table are read from their traces again, where the folder
    has these; ``read``: reads one, None: none is read. Raises RecordError as it does."""
    loaded = load(folder)
    if read is None or not any(map(is_held, loaded.records)):
        return loaded
    return replace(loaded, records=classified_again(loaded.records, folder, read))

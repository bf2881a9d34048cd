"""The records of a run folder as today's table of classes has them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bench.analysis.held_lines import classified_again, is_held
from bench.record.store import Loaded, load


def classified(folder: Path) -> Loaded:
    """What ``load`` gives; records that hold lines of another table are read from their traces again, where the folder
    has these. Raises RecordError as it does."""
    loaded = load(folder)
    if not any(map(is_held, loaded.records)):
        return loaded
    from profiling.summarize import read_timeline

    return replace(loaded, records=classified_again(loaded.records, folder, read_timeline))

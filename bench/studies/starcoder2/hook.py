"""Where the study hangs on the core: its presets, and ``report --study``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.presets.forms import Preset


def presets() -> tuple[Preset, ...]:
    """What its authors ran, as far as it can be run."""
    from .presets import presets as own

    return own()


def report_beside_study(folders: Sequence[Path]) -> None:
    """Write study.md and study.html into the first folder, and print the claims and where they are."""
    from .replication.verb import report_study

    report_study(folders)

"""Hardware counters from a file of Nsight Compute, whatever its form (``.ncu-rep`` or CSV)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.record.errors import RecordError
from profiling.counters_summary import summarise

from .counters import Counters
from .ncu_csv import looks_like_ncu_text, read_ncu_csv
from .ncu_report_file import looks_like_ncu_report, read_ncu_report

# A profiled program may print a lot before ncu prints its table.
_HEAD = 8 << 20


def looks_like_counters(path: Path | str) -> bool:
    """True if the content is ncu's: a binary report, a counter table, or the tool's own messages.

    Raises RecordError if the file cannot be read.
    """
    head = _head(Path(path))
    return looks_like_ncu_report(head) or looks_like_ncu_text(head)


def read_counters(path: Path | str) -> Counters:
    """Counters per launch, in SI base units.

    Raises RecordError, in one line with the remedy, for a file that is empty, truncated, damaged or holds no
    counters (not permitted, no kernel profiled); MachineError if ``ncu-report`` is needed and not installed.
    """
    file = Path(path)
    return read_ncu_report(file) if looks_like_ncu_report(_head(file)[:4]) else read_ncu_csv(file)


def counters_summary(path: Path | str) -> dict[str, Any]:
    """The summary of ``counters_summary.summarise`` for a file. Raises as ``read_counters`` does."""
    return summarise(read_counters(path))


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_HEAD)
    except OSError as error:
        raise RecordError(f"cannot read {path}: {error.strerror}") from error

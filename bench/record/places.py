"""Where a run's files go. Names come from schemes, models and plans, and a plan may come from elsewhere: whatever they
hold, nothing is written outside the run folder.
"""

from __future__ import annotations

import re
from pathlib import Path

# Where a run folder is made for which nobody chose a place.
RUNS = Path("reports/runs")
ARTIFACTS = "artifacts"
# Beside a trace or a file of counters: its sums.
SUMMARY = "summary.json"
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST = 200


def artifact_folder(run_folder: Path, *parts: object) -> Path:
    """A folder below the run's artifacts, named after ``parts``: letters, digits, and . _ - between them."""
    name = _UNSAFE.sub("_", "-".join(map(str, parts)))[:_LONGEST]
    return run_folder / ARTIFACTS / (name.lstrip(".") or "unnamed")

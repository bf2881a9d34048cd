"""The runs that the repository holds. A user's own, which 'make bench' puts beside them, are nobody's test."""

from pathlib import Path

RUNS = Path(__file__).parents[1] / "reports" / "runs"
# As .gitignore lets them in.
COMMITTED = sorted(folder for gpu in ("cpu", "h100", "h200") for folder in RUNS.glob(f"{gpu}-*"))

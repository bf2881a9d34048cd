"""How noisy is each metric of a run: the relative standard error of its mean, within a process and between processes.

    python -m benchmarks.noise RUN [--out FILE]

Exit code 0; 2 where the run cannot be read or holds no timed Cases.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bench.analysis.statistics import relative_standard_error
from bench.record.errors import BitledgerError, RecordError
from bench.record.schema import Record
from bench.record.store import load
from benchmarks import writing

METRICS = {
    "generation": ("time_to_first_token", "inter_token_latency", "memory_load_peak"),
    "energy": ("energy_gpu", "energy_cpu", "idle_energy_gpu"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line per scheme and metric, and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run folder or records file")
    parser.add_argument("--out", type=Path, help="where to write the result as JSON")
    options = parser.parse_args(argv)
    writing.check(options.out, options.run)
    try:
        rows = noise(load(options.run).records)
    except BitledgerError as error:
        print(f"bitledger: {error}", file=sys.stderr)
        return 2
    for row in rows:
        within, between = (_percent(row[name]) for name in ("within", "between"))
        print(f"{row['setting']}: {row['metric']}: within {within}, between {row['processes']} processes {between}")
    if options.out:
        document = {"run": options.run.name, "rows": rows}
        writing.write(options.out, document)
    return 0


def noise(records: Iterable[Record]) -> list[dict[str, Any]]:
    """Per Case and metric: relative standard errors (None where there are too few values), and how many there were.

    ``within``: the median over processes of that of a process's own values; ``between``: that of the processes'
    medians. Joules are per token of their window. Raises RecordError where nothing was timed.
    """
    found: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    for record in records:
        for name in METRICS.get(record.instrument, ()) if record.status == "ok" else ():
            values = _per_token(record, name)
            if values:
                found.setdefault((_setting(record), name), []).append(values)
    if not found:
        raise RecordError("this run holds no timed Cases")
    return [_row(setting, name, processes) for (setting, name), processes in sorted(found.items())]


def _row(setting: str, name: str, processes: Sequence[tuple[float, ...]]) -> dict[str, Any]:
    own = [error for values in processes if not math.isnan(error := relative_standard_error(values))]
    between = relative_standard_error([statistics.median(values) for values in processes])
    return {
        "setting": setting,
        "metric": name,
        "processes": len(processes),
        "values": sum(map(len, processes)),
        "within": statistics.median(own) if own else None,
        "between": None if math.isnan(between) else between,
    }


def _setting(record: Record) -> str:
    case = record.case
    return f"{case.scheme}, batch {case.batch_size}, {case.new_tokens} tokens"


def _per_token(record: Record, name: str) -> tuple[float, ...]:
    values = record.values(name)
    tokens = record.values("window_tokens")
    if name.startswith("energy") and len(tokens) == len(values):
        return tuple(value / count for value, count in zip(values, tokens, strict=True))
    return values


def _percent(value: float | None) -> str:
    return "cannot be told" if value is None else f"{value:.2%}"


if __name__ == "__main__":
    sys.exit(main())

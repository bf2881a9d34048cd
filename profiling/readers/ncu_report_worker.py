"""Reads a ``.ncu-rep`` with NVIDIA's library in a process of its own, because the library ends the process that uses
it where a report is damaged in some ways (seen: a negative length). Writes one JSON line per result.

A script, not a module to import: ncu_report_file.py starts it. Exit codes: 0 done, 3 the package cannot be loaded
(why: on stderr), 4 the report is damaged (why: on stderr); anything else is the library's own end.

arguments: path of the report
"""

from __future__ import annotations

import contextlib
import json
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NOT_LOADED, DAMAGED = 3, 4
# Bytes that a report may take in memory: so many times its size, and what the library takes for any.
TIMES, FLOOR = 10, 256 << 20
_AXES = ("x", "y", "z")


def main(path: str) -> int:
    """Print the results. See above for the exit codes."""
    try:
        import ncu_report
    except (ImportError, OSError) as error:
        sys.stderr.write(f"\n{error}")
        return NOT_LOADED
    limit_memory(Path(path).stat().st_size)
    try:
        for result in results(ncu_report, path):
            sys.stdout.write(json.dumps(result) + "\n")
    except (AttributeError, KeyError, MemoryError, OSError, RuntimeError, TypeError, ValueError) as error:
        # A damaged string table shows as a metric without a name or as a name without a metric.
        sys.stderr.write(f"\n{error}")
        return DAMAGED
    return 0


def results(package: Any, path: str) -> Iterator[dict[str, Any]]:
    """What the package tells of each result, as plain values. Raises whatever the package raises."""
    for part in package.load_report(path):
        for action in part:
            yield {
                "kernel": _text(action.name(action.NameBase_DEMANGLED) or ""),
                "block": _dimensions(action, "block"),
                "grid": _dimensions(action, "grid"),
                "nvtx": _ranges(action.nvtx_state()),
                "metrics": dict(_metrics(action)),
            }


def limit_memory(size: int) -> None:
    """Let this process take no more for a report of ``size`` bytes than it may."""
    with contextlib.suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text().split()[5])
        limit = pages * resource.getpagesize() + FLOOR + TIMES * size
        resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.getrlimit(resource.RLIMIT_DATA)[1]))


def _dimensions(action: Any, what: str) -> list[float | None]:
    metrics = [action.metric_by_name(f"launch__{what}_dim_{axis}") for axis in _AXES]
    return [None if metric is None else float(metric.value()) for metric in metrics]


def _ranges(state: Any) -> list[tuple[str, list[str]]]:
    """Domain and names from the outermost range to the innermost."""
    if state is None:
        return []
    domains = (state.domain_by_id(identifier) for identifier in state.domains())
    return [(_text(domain.name()), [_text(name) for name in domain.push_pop_ranges()]) for domain in domains]


def _metrics(action: Any) -> Iterator[tuple[str, tuple[float, str]]]:
    """Metrics that hold a number."""
    for name in action.metric_names():
        metric = action.metric_by_name(name)
        value = metric.value() if metric.has_value() else None
        if isinstance(value, int | float):
            yield _text(name), (float(value), _text(metric.unit()))


def _text(value: Any) -> str:
    """The library gives bytes that are not UTF-8 as lone surrogates, which nothing can print."""
    return str(value).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

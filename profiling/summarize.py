"""The sums of any profiler output, as plain data for JSON. This room's one use of bench.analysis, which is pure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.analysis.timeline import Analysis
from bench.analysis.timeline.gpus import copy_sums, gpus
from bench.analysis.timeline.intervals import Cover
from bench.analysis.timeline.range_names import one_name_each
from bench.analysis.timeline.tables import call_sums, kernel_sums, operator_sums, range_sums
from bench.record.errors import RecordError
from bench.record.timeline import Timeline

from .readers.forms import Plain, plain
from .readers.sniff import COUNTERS, FileFormat, format_of
from .summary_notes import notes_of

Summary = dict[str, Any]


def summarize(path: Path | str, tables: bool = False, kernels: bool = False) -> Summary:
    """What the file holds: ``{"kind": "timeline", …}`` or ``{"kind": "counters", …}``.

    Timelines: kernels and ranges by name, largest total first; ``busy_ns + idle_ns = span_ns`` of the GPU, and the
    idle time's causes, as bench.analysis.timeline defines them. ``gpus``: each one's, with the time in which only
    copies ran. ``syncs`` counts waiting calls, ``blocking_copies`` included; ``copies`` the copies that the GPU made,
    and ``copies_by_direction`` their bytes, time and rate. A trace without GPU work has null for the GPU's times, and
    ``operators``, ``calls`` and ``notes`` besides. ``tables`` adds what ``nsys stats`` reports (see
    profiling.summary_tables); ``kernels``: the kernels alone, which is quicker. Raises a BitledgerError.
    """
    with plain(Path(path)) as made:
        found = format_of(made.path)
        if found is COUNTERS:
            if kernels:
                raise RecordError(f"{path}: holds counters, not a timeline, so --kernels has no place")
            from .readers.ncu import counters_summary

            counters = counters_summary(made.path)
            return counters | {"warnings": [*made.notes, *counters["warnings"]]}
        if kernels:
            return {"kind": "timeline", "kernels": _kernels(Analysis(found.timeline(made.path, kernels=True)))}
        analysis = Analysis(_timeline(found, made))
    summary = timeline_summary(analysis)
    if tables:
        from .summary_tables import nsys_tables

        summary["tables"] = nsys_tables(analysis)
    return summary


def read_timeline(path: Path) -> Timeline:
    """Read a trace of any kind, packed or not. Raises RecordError or MachineError."""
    with plain(path) as made:
        return _timeline(format_of(made.path), made)


def _timeline(found: FileFormat, made: Plain) -> Timeline:
    timeline = found.timeline(made.path)
    return replace(timeline, notes=(*made.notes, *timeline.notes))


def timeline_summary(analysis: Analysis) -> Summary:
    """The summary of one timeline."""
    summary: Summary = {"kind": "timeline", "kernels": _kernels(analysis), "ranges": _ranges(analysis)}
    summary |= _times(analysis) if analysis.devices else _no_times()
    summary |= {
        "syncs": analysis.syncs + analysis.blocking_copies,
        "blocking_copies": analysis.blocking_copies,
        "copies": analysis.copies,
    }
    if analysis.devices:
        return summary | {
            "gpus": _gpus(analysis),
            "copies_by_direction": _copies(analysis),
            "notes": notes_of(analysis),
        }
    return summary | _host_only(analysis.timeline)


def _gpus(analysis: Analysis) -> list[Summary]:
    return [
        {
            "device": gpu.device,
            "kernels": gpu.kernels,
            "busy_ns": gpu.time.busy,
            "only_copies_ns": gpu.copy_only_ns,
            "idle_ns": gpu.time.idle,
            "span_ns": gpu.time.span,
        }
        for gpu in gpus(analysis)
    ]


def _copies(analysis: Analysis) -> list[Summary]:
    return [
        {
            "direction": each.direction,
            "count": each.count,
            "total_ns": each.ns,
            "bytes": each.bytes,
            "bytes_per_s": each.bytes_per_s,
        }
        for each in copy_sums(analysis.timeline.copies)
    ]


def _kernels(analysis: Analysis) -> list[Summary]:
    strings, sums = analysis.timeline.strings, kernel_sums(analysis.timeline)
    order = sums.by_total()
    columns = (sums.key, sums.count, sums.total, sums.min, sums.max)
    return [
        {"name": strings[name], "count": count, "total_ns": total, "min_ns": low, "max_ns": high}
        for name, count, total, low, high in zip(*(c[order].tolist() for c in columns), strict=True)
    ]


def _ranges(analysis: Analysis) -> list[Summary]:
    analysis = one_name_each(analysis)
    strings, sums = analysis.timeline.strings, range_sums(analysis)
    columns = (sums.name, sums.domain, sums.count, sums.total, sums.busy, sums.kernels)
    gpu = bool(analysis.devices)
    return [
        {
            "name": strings[name],
            "domain": strings[domain],
            "count": count,
            "total_ns": total,
            "gpu_busy_ns": busy if gpu else None,
            "kernels": kernels,
        }
        for name, domain, count, total, busy, kernels in zip(*(c.tolist() for c in columns), strict=True)
    ]


def _times(analysis: Analysis) -> Summary:
    time = analysis.breakdown()
    return {
        "busy_ns": time.busy,
        "idle_ns": time.idle,
        "span_ns": time.span,
        "sync_stall_ns": time.sync_stall,
        "host_gap_ns": time.host_gap,
    }


def _no_times() -> Summary:
    return dict.fromkeys(("busy_ns", "idle_ns", "span_ns", "sync_stall_ns", "host_gap_ns"))


def _host_only(timeline: Timeline) -> Summary:
    """Operators of a CPU trace: their own time, and the time in which at least one ran."""
    sums, own = operator_sums(timeline)
    order = np.lexsort((sums.key, -own))
    columns = (sums.key, sums.count, sums.total, own, sums.min, sums.max)
    keys = ("name", "count", "total_ns", "self_ns", "min_ns", "max_ns")
    rows = zip(*(c[order].tolist() for c in columns), strict=True)
    operators = [dict(zip(keys, (timeline.strings[row[0]], *row[1:]), strict=True)) for row in rows]
    busy = Cover.union(timeline.operators.start, timeline.operators.end).total
    calls = call_sums(timeline)
    rows = zip(*(c[calls.by_total()].tolist() for c in (calls.key, calls.count, calls.total)), strict=True)
    called = [{"name": timeline.strings[name], "count": count, "total_ns": total} for name, count, total in rows]
    return {"operators": operators, "operators_busy_ns": busy, "calls": called, "notes": list(timeline.notes)}

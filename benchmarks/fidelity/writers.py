"""Writes what happened as the two tools would: an nsys SQLite export and a Kineto Chrome trace."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from benchmarks.traces import TABLES

from .machine import Happened

_PID = 4242


def write_nsys(path: Path, happened: Happened, *others: Happened) -> None:
    """An nsys export. It has no operators: nsys sees none. ``others``: of further processes, each on a GPU of its
    own."""
    path.unlink(missing_ok=True)
    strings: dict[str, int] = {}
    with sqlite3.connect(path) as connection:
        connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;" + TABLES + _COPIES)
        for rank, each in enumerate((happened, *others)):
            _write_rank(connection, each, rank, strings)
        connection.executemany("INSERT INTO StringIds VALUES (?, ?)", [(i, value) for value, i in strings.items()])
    connection.close()


def _write_rank(connection: sqlite3.Connection, happened: Happened, rank: int, strings: dict[str, int]) -> None:
    pid = _PID + 100 * rank
    process = 1 << 48 | pid << 24

    def text(value: str) -> int:
        return strings.setdefault(value, len(strings))

    kernels = [
        (start, end, stream, correlation + 1, text(name), node or None)
        for name, stream, start, end, correlation, node in happened.kernels
    ]
    calls = [
        (start, end, process | (pid + thread), correlation + 1, text(f"{name}_v7000"))
        for thread, name, start, end, correlation in happened.calls
    ]
    copies = [(start, end, stream, correlation + 1, size) for size, stream, start, end, correlation in happened.copies]
    spans = [
        (start, end, process | (pid + thread), text(name))
        for kind, thread, name, start, end in happened.spans
        if kind == "range"
    ]
    connection.execute("INSERT INTO PROCESSES VALUES (?, ?, 'python')", (process, pid))
    connection.executemany(
        f"INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES (?1,?2,{rank},1,?3,?4,{process},?5,?5,?5,1,3,32,"
        "108,1,1,256,1,1,0,0,0,0,?4,0,?6,0)",
        kernels,
    )
    connection.executemany("INSERT INTO CUPTI_ACTIVITY_KIND_RUNTIME VALUES (?,?,0,?,?,?,0,NULL)", calls)
    connection.executemany(
        f"INSERT INTO CUPTI_ACTIVITY_KIND_MEMCPY VALUES (?1,?2,{rank},1,?3,?4,{process},?5,2)", copies
    )
    connection.executemany(
        "INSERT INTO NVTX_EVENTS (start, end, eventType, globalTid, textId, domainId) VALUES (?,?,59,?,?,0)", spans
    )


_COPIES = """
CREATE TABLE CUPTI_ACTIVITY_KIND_MEMCPY (
  start INTEGER NOT NULL, end INTEGER NOT NULL, deviceId INTEGER NOT NULL, contextId INTEGER NOT NULL,
  streamId INTEGER NOT NULL, correlationId INTEGER, globalPid INTEGER, bytes INTEGER NOT NULL,
  copyKind INTEGER NOT NULL);
"""


def write_kineto(path: Path, happened: Happened, *others: Happened) -> None:
    """A Chrome trace of torch.profiler. ``others``: of further processes, each on a GPU of its own, merged into it with
    a label before each pid; ids of calls are counted in each."""
    ranks = [_rank_events(each, rank) for rank, each in enumerate((happened, *others))]
    if others:
        ranks = [[{**event, "pid": f"[TP{n:02d}] {event['pid']}"} for event in rank] for n, rank in enumerate(ranks)]
    events = [event for rank in ranks for event in rank]
    document = {"schemaVersion": 1, "baseTimeNanoseconds": 1767189312000000000, "traceEvents": events}
    path.write_text(json.dumps(document))


def _rank_events(happened: Happened, rank: int) -> list[dict[str, object]]:
    """``rank`` is the number of its GPU."""
    pid = _PID + 100 * rank
    events = [
        _event("user_annotation" if k == "range" else "cpu_op", n, pid, pid + t, a, b)
        for k, t, n, a, b in happened.spans
    ]
    events += [
        _event("cuda_runtime", name, pid, pid + thread, start, end, {"correlation": correlation + 1})
        for thread, name, start, end, correlation in happened.calls
    ]
    for name, stream, start, end, correlation, node in happened.kernels:
        args = {"device": rank, "stream": stream, "correlation": correlation + 1}
        args |= {"graph node id": node} if node else {}
        events.append(_event("kernel", name, rank, stream, start, end, args))
    events += [
        _event(
            "gpu_memcpy", "Memcpy DtoH (Device -> Pageable)", rank, stream, start, end,
            {"device": rank, "stream": stream, "correlation": correlation + 1, "bytes": size},
        )
        for size, stream, start, end, correlation in happened.copies
    ]  # fmt: skip
    return events


def _event(
    category: str, name: str, pid: int, tid: int, start: int, end: int, args: dict[str, int] | None = None
) -> dict[str, object]:
    times = {"ts": start / 1000, "dur": (end - start) / 1000}
    return {"ph": "X", "cat": category, "name": name, "pid": pid, "tid": tid, **times, "args": args or {}}

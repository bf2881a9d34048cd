"""Small traces made in tests: nsys SQLite exports of several schemas and Kineto JSON, of one and the same story.

Process 100 runs a decode_step [1000, 9000] with a q_proj [2000, 4000] inside. Kernel "gemm" is launched in q_proj,
"cast" after it, then a copy to the host and a wait.
"""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

PID, TID = 100, 101
GLOBAL_PID = 1 << 48 | PID << 24
GLOBAL_TID = GLOBAL_PID | TID

STRINGS = {
    1: "gemm",
    2: "cast",
    3: "cudaLaunchKernel_v7000",
    4: "cudaMemcpyAsync_v3020",
    5: "cudaStreamSynchronize_v3020",
}
STRINGS |= {6: "decode_step", 7: "q_proj", 8: "bitledger"}
KERNELS = [(3000, 5000, 11, 1), (5500, 6000, 12, 2)]
CALLS = [(2500, 2700, 11, 3), (4500, 4700, 12, 3), (6200, 6400, 13, 4), (6500, 8000, 14, 5)]
COPIES = [(6600, 6700, 13, 2, 512)]
RANGES = [(1000, 9000, 6), (2000, 4000, 7)]


def nsys_file(
    path: Path, *, new: bool = True, inline: bool = False, leave_out: tuple[str, ...] = (), extra: str = ""
) -> Path:
    """Write an export. ``new``: META_DATA_EXPORT and further columns; ``inline``: range names as text."""
    with sqlite3.connect(path) as db:
        meta = "META_DATA_EXPORT" if new else "EXPORT_META_DATA"
        db.execute(f"CREATE TABLE {meta} (name TEXT, value TEXT)")
        db.execute("CREATE TABLE StringIds (id INTEGER PRIMARY KEY, value TEXT NOT NULL)")
        db.executemany("INSERT INTO StringIds VALUES (?, ?)", STRINGS.items())
        for table, create in (("kernels", _kernels), ("calls", _calls), ("copies", _copies), ("ranges", _ranges)):
            if table not in leave_out:
                create(db, new, inline)
        db.executescript(extra)
    db.close()
    return path


def _kernels(db, new, _inline):
    more = ", graphNodeId INTEGER" if new else ""
    db.execute(
        "CREATE TABLE CUPTI_ACTIVITY_KIND_KERNEL (start INTEGER, end INTEGER, deviceId INTEGER, streamId INTEGER,"
        f" correlationId INTEGER, globalPid INTEGER, demangledName INTEGER, shortName INTEGER{more})"
    )
    tail = ", NULL" if new else ""
    for start, end, correlation, name in reversed(KERNELS):
        db.execute(
            f"INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES (?, ?, 0, 7, ?, ?, ?, ?{tail})",
            (start, end, correlation, GLOBAL_PID, name, name),
        )


def _calls(db, _new, _inline):
    db.execute(
        "CREATE TABLE CUPTI_ACTIVITY_KIND_RUNTIME (start INTEGER, end INTEGER, globalTid INTEGER,"
        " correlationId INTEGER, nameId INTEGER)"
    )
    rows = [(start, end, GLOBAL_TID, correlation, name) for start, end, correlation, name in CALLS]
    db.executemany("INSERT INTO CUPTI_ACTIVITY_KIND_RUNTIME VALUES (?, ?, ?, ?, ?)", rows)


def _copies(db, _new, _inline):
    db.execute(
        "CREATE TABLE CUPTI_ACTIVITY_KIND_MEMCPY (start INTEGER, end INTEGER, deviceId INTEGER, streamId INTEGER,"
        " correlationId INTEGER, globalPid INTEGER, bytes INTEGER, copyKind INTEGER)"
    )
    rows = [(start, end, 0, 7, correlation, GLOBAL_PID, size, kind) for start, end, correlation, kind, size in COPIES]
    db.executemany("INSERT INTO CUPTI_ACTIVITY_KIND_MEMCPY VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)


def _ranges(db, new, inline):
    ident = ", textId INTEGER" if new else ""
    db.execute(
        "CREATE TABLE NVTX_EVENTS (start INTEGER, end INTEGER, eventType INTEGER, text TEXT, globalTid INTEGER,"
        f" domainId INTEGER{ident})"
    )
    for start, end, name in RANGES:
        values = [start, end, 59, STRINGS[name] if inline else None, GLOBAL_TID, 1, *([None if inline else name] * new)]
        db.execute(f"INSERT INTO NVTX_EVENTS VALUES ({', '.join('?' * len(values))})", values)
    values = [0, None, 75, "bitledger", GLOBAL_TID, 1, *([None] * new)]
    db.execute(f"INSERT INTO NVTX_EVENTS VALUES ({', '.join('?' * len(values))})", values)


def kineto_events() -> list[dict]:
    """The same story as torch.profiler tells it."""
    events = [event("user_annotation", STRINGS[name], start, end, PID, TID) for start, end, name in RANGES]
    names = {number: text.split("_v")[0] for number, text in STRINGS.items()}
    events += [event("cuda_runtime", names[n], start, end, PID, TID, correlation=c) for start, end, c, n in CALLS]
    gpu = {"device": 0, "stream": 7}
    events += [event("kernel", names[n], start, end, 0, 7, correlation=c, **gpu) for start, end, c, n in KERNELS]
    for start, end, correlation, _kind, size in COPIES:
        name = "Memcpy DtoH (Device -> Pageable)"
        events.append(event("gpu_memcpy", name, start, end, 0, 7, correlation=correlation, bytes=size, **gpu))
    return events


def event(category: str, name: str, start: int, end: int, pid, tid, **args) -> dict:
    times = {"ts": start / 1000, "dur": (end - start) / 1000}
    return {"ph": "X", "cat": category, "name": name, "pid": pid, "tid": tid, **times, "args": args}


def kineto_document(events: list[dict], **more) -> str:
    return json.dumps({"schemaVersion": 1, "baseTimeNanoseconds": 42, **more, "traceEvents": events, "traceName": "t"})

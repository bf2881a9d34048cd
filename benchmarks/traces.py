"""Makes traces of any size that look like a decode loop: an nsys SQLite export and a Kineto JSON of the same events.

A step is one `decode_step` range with 24 `layer`s of 10 kernels, each with 7 or 8 module ranges: 205 ranges and one
synchronising call for 240 kernels. The same size always gives the same file.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.int64]

LAYERS, KERNELS = 24, 10
# Module ranges of a layer: name, first and last kernel inside.
MODULES = (
    ("self_attn", 0, 4),
    ("q_proj", 0, 0),
    ("k_proj", 1, 1),
    ("v_proj", 2, 2),
    ("mlp", 6, 9),
    ("c_fc", 6, 7),
    ("c_proj", 9, 9),
    ("o_proj", 4, 4),  # only in every other layer, which makes 0.85 ranges per kernel
)
KERNEL_NAMES = [
    f"void bitledger_bench::kernel_{kind}<float, (int){n}>(const T1 *, T1 *, int, int)"
    for kind in ("gemv_4bit", "gemm", "dequantise", "elementwise", "softmax")
    for n in (1, 2, 4, 8)
]


@dataclass(frozen=True)
class Trace:
    """Columns of one generated trace; times in ns. Ranges are (start, end, index into ``range_names``)."""

    call_start: Column
    call_end: Column
    kernel_start: Column
    kernel_end: Column
    kernel_name: Column
    sync_start: Column
    sync_end: Column
    range_start: Column
    range_end: Column
    range_name: Column
    range_names: tuple[str, ...]


def make(kernels: int) -> Trace:
    """A trace of about ``kernels`` kernels (whole steps)."""
    rng = np.random.default_rng(kernels)
    steps = max(kernels // (LAYERS * KERNELS), 1)
    count = steps * LAYERS * KERNELS
    number = np.arange(count)
    step = number // (LAYERS * KERNELS)
    call_start = 1_000_000 + number * 6_000 + step * 120_000 + rng.integers(0, 500, count)
    call_end = call_start + rng.integers(2_500, 4_500, count)
    duration = rng.integers(1_500, 9_000, count)
    # The GPU runs one kernel after the other; none starts before its call has done most of its work.
    ready, work = call_end + rng.integers(-500, 4_000, count), np.cumsum(duration)
    kernel_end = work + np.maximum.accumulate(ready - (work - duration))
    kernel_start = kernel_end - duration
    last = np.arange(1, steps + 1) * LAYERS * KERNELS - 1
    sync_start = call_end[last] + 1_000
    sync_end = np.maximum(sync_start + 2_000, np.minimum(kernel_end[last] + 3_000, sync_start + 90_000))
    starts, ends, names = _ranges(call_start, call_end, sync_end, steps)
    return Trace(
        call_start,
        call_end,
        kernel_start,
        kernel_end,
        rng.integers(0, len(KERNEL_NAMES), count),
        sync_start,
        sync_end,
        starts,
        ends,
        names,
        ("decode_step", "layer", *(name for name, _, _ in MODULES)),
    )


def _ranges(call_start: Column, call_end: Column, sync_end: Column, steps: int) -> tuple[Column, Column, Column]:
    first = call_start.reshape(steps, LAYERS, KERNELS)
    last = call_end.reshape(steps, LAYERS, KERNELS)
    parts = [
        (first[:, 0, 0] - 900, sync_end + 200, 0),
        (first[:, :, 0] - 600, last[:, :, -1] + 300, 1),
    ]
    for number, (name, begin, end) in enumerate(MODULES, start=2):
        layers = slice(0, LAYERS, 2) if name == "o_proj" else slice(None)
        inside = 100 if begin == end or name == "c_fc" else 300
        parts.append((first[:, layers, begin] - inside, last[:, layers, end] + inside // 2, number))
    starts = np.concatenate([start.ravel() for start, _, _ in parts])
    ends = np.concatenate([end.ravel() for _, end, _ in parts])
    names = np.concatenate([np.full(start.size, number) for start, _, number in parts])
    order = np.lexsort((-ends, starts))
    return starts[order], ends[order], names[order]


TABLES = """
CREATE TABLE META_DATA_EXPORT (name TEXT NOT NULL, value TEXT);
INSERT INTO META_DATA_EXPORT VALUES ('EXPORT_SCHEMA_VERSION', '3.11.0');
INSERT INTO META_DATA_EXPORT VALUES ('EXPORT_SCHEMA_VERSION_MAJOR', '3');
INSERT INTO META_DATA_EXPORT VALUES ('EXPORT_SCHEMA_VERSION_MINOR', '11');
INSERT INTO META_DATA_EXPORT VALUES ('EXPORT_PRODUCT_VERSION', '2023.4.4.54');
CREATE TABLE StringIds (id INTEGER NOT NULL PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE ENUM_NSYS_EVENT_TYPE (id INTEGER NOT NULL PRIMARY KEY, name TEXT, label TEXT);
INSERT INTO ENUM_NSYS_EVENT_TYPE VALUES (59, 'NvtxPushPopRange', 'Push/Pop'), (60, 'NvtxStartEndRange', 'Start/End');
CREATE TABLE PROCESSES (globalPid INTEGER, pid INTEGER, name TEXT);
CREATE TABLE ThreadNames (nameId INTEGER NOT NULL, priority INTEGER, globalTid INTEGER);
CREATE TABLE ANALYSIS_DETAILS (globalVid INTEGER, duration INTEGER, startTime INTEGER, stopTime INTEGER);
CREATE TABLE TARGET_INFO_GPU (vmId INTEGER, id INTEGER, name TEXT);
CREATE TABLE CUPTI_ACTIVITY_KIND_KERNEL (
  start INTEGER NOT NULL, end INTEGER NOT NULL, deviceId INTEGER NOT NULL, contextId INTEGER NOT NULL,
  streamId INTEGER NOT NULL, correlationId INTEGER, globalPid INTEGER, demangledName INTEGER NOT NULL,
  shortName INTEGER NOT NULL, mangledName INTEGER, launchType INTEGER, cacheConfig INTEGER,
  registersPerThread INTEGER NOT NULL, gridX INTEGER NOT NULL, gridY INTEGER NOT NULL, gridZ INTEGER NOT NULL,
  blockX INTEGER NOT NULL, blockY INTEGER NOT NULL, blockZ INTEGER NOT NULL, staticSharedMemory INTEGER NOT NULL,
  dynamicSharedMemory INTEGER NOT NULL, localMemoryPerThread INTEGER NOT NULL, localMemoryTotal INTEGER NOT NULL,
  gridId INTEGER NOT NULL, sharedMemoryExecuted INTEGER, graphNodeId INTEGER, sharedMemoryLimitConfig INTEGER);
CREATE TABLE CUPTI_ACTIVITY_KIND_RUNTIME (
  start INTEGER NOT NULL, end INTEGER NOT NULL, eventClass INTEGER NOT NULL, globalTid INTEGER,
  correlationId INTEGER, nameId INTEGER NOT NULL, returnValue INTEGER NOT NULL, callchainId INTEGER);
CREATE TABLE NVTX_EVENTS (
  start INTEGER NOT NULL, end INTEGER, eventType INTEGER NOT NULL, rangeId INTEGER, category INTEGER, color INTEGER,
  text TEXT, globalTid INTEGER, endGlobalTid INTEGER, textId INTEGER, domainId INTEGER, uint64Value INTEGER,
  int64Value INTEGER, doubleValue REAL, uint32Value INTEGER, int32Value INTEGER, floatValue REAL,
  jsonTextId INTEGER, jsonText TEXT);
"""

_PID, _TID = 4242, 4242
_GLOBAL_PID = 1 << 48 | _PID << 24
_GLOBAL_TID = _GLOBAL_PID | _TID


def write_nsys(path: Path, trace: Trace) -> None:
    """Write the trace as an nsys SQLite export."""
    path.unlink(missing_ok=True)
    strings = [*KERNEL_NAMES, "cudaLaunchKernel_v7000", "cudaStreamSynchronize_v3020", *trace.range_names]
    launch, sync = len(KERNEL_NAMES), len(KERNEL_NAMES) + 1
    with sqlite3.connect(path) as connection:
        connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;" + TABLES)
        connection.executemany("INSERT INTO StringIds VALUES (?, ?)", enumerate(strings))
        connection.execute("INSERT INTO PROCESSES VALUES (?, ?, 'python')", (_GLOBAL_PID, _PID))
        connection.execute("INSERT INTO TARGET_INFO_GPU VALUES (?, 0, 'generated')", (1 << 48,))
        ids = range(1, len(trace.call_start) + 1)
        gpu = zip(trace.kernel_start.tolist(), trace.kernel_end.tolist(), ids, trace.kernel_name.tolist(), strict=True)
        connection.executemany(
            f"INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES (?1,?2,0,1,7,?3,{_GLOBAL_PID},?4,?4,?4,1,3,32,"
            "108,1,1,256,1,1,0,0,0,0,?3,0,NULL,0)",
            gpu,
        )
        runtime = f"INSERT INTO CUPTI_ACTIVITY_KIND_RUNTIME VALUES (?,?,0,{_GLOBAL_TID},?,?,0,NULL)"
        host = zip(trace.call_start.tolist(), trace.call_end.tolist(), ids, strict=True)
        connection.executemany(runtime, ((start, end, number, launch) for start, end, number in host))
        waits = zip(trace.sync_start.tolist(), trace.sync_end.tolist(), strict=True)
        connection.executemany(runtime, ((start, end, len(ids) + n, sync) for n, (start, end) in enumerate(waits, 1)))
        spans = zip(
            trace.range_start.tolist(), trace.range_end.tolist(), (trace.range_name + sync + 1).tolist(), strict=True
        )
        connection.executemany(
            "INSERT INTO NVTX_EVENTS (start, end, eventType, globalTid, textId, domainId)"
            f" VALUES (?,?,59,{_GLOBAL_TID},?,0)",
            spans,
        )
    connection.close()


def write_kineto(path: Path, trace: Trace) -> None:
    """Write the trace as torch.profiler writes it: its keys, its order of keys and its spacing."""
    with path.open("w") as file:
        file.write('\n  {\n    "schemaVersion": 1,\n    "deviceProperties": [{"id": 0, "name": "generated"}],\n')
        file.write('      "distributedInfo": {"backend": "nccl", "rank": 0, "world_size": 1},\n')
        file.write('  "displayTimeUnit": "ms",\n  "baseTimeNanoseconds": 1767189312000000000,\n  "traceEvents": [\n')
        for line in _kineto_events(trace):
            file.write(line)
        file.write('  {\n    "name": "Record Window End", "ph": "i", "s": "g",\n')
        file.write('    "pid": "", "tid": "", "ts": 6512245146891.787\n  }\n  ],\n  "traceName": "generated.json"\n}')


def _kineto_events(trace: Trace) -> Iterator[str]:
    names = [json.dumps(name) for name in KERNEL_NAMES]
    rows = zip(trace.range_start.tolist(), trace.range_end.tolist(), trace.range_name.tolist(), strict=True)
    for number, (start, end, name) in enumerate(rows):
        category = "user_annotation" if name < 2 else "cpu_op"
        yield _EVENT % (category, json.dumps(trace.range_names[name]), _PID, _TID, _us(start), _us(end - start))
        yield f'      "External id": {number + 1},"Record function id": 0, "Ev Idx": {number}\n    }}\n  }},\n'
    waits = enumerate(zip(trace.sync_start.tolist(), trace.sync_end.tolist(), strict=True), len(trace.call_start) + 1)
    for number, (start, end) in waits:
        yield _EVENT % ("cuda_runtime", '"cudaStreamSynchronize"', _PID, _TID, _us(start), _us(end - start))
        yield f'      "cbid": 131, "correlation": {number}\n    }}\n  }},\n'
    columns = (trace.call_start, trace.call_end, trace.kernel_start, trace.kernel_end, trace.kernel_name)
    for number, (a, b, start, end, name) in enumerate(zip(*(c.tolist() for c in columns), strict=True), 1):
        yield _EVENT % ("cuda_runtime", '"cudaLaunchKernel"', _PID, _TID, _us(a), _us(b - a))
        yield f'      "External id": {number}, "cbid": 211, "correlation": {number}\n    }}\n  }},\n'
        yield _EVENT % ("kernel", names[name], 0, 7, _us(start), _us(end - start))
        yield _KERNEL_ARGS % (number, number)


_EVENT = """  {
    "ph": "X", "cat": "%s", "name": %s, "pid": %d, "tid": %d,
    "ts": %s, "dur": %s,
    "args": {
"""
_KERNEL_ARGS = """      "External id": %d, "queued": 0, "device": 0, "context": 1,
      "stream": 7, "correlation": %d,
      "registers per thread": 32,
      "shared memory": 0,
      "blocks per SM": 0.818182,
      "warps per SM": 6.545455,
      "grid": [108, 1, 1],
      "block": [256, 1, 1],
      "est. achieved occupancy %%": 10
    }
  },
"""


def _us(ns: int) -> str:
    return f"{ns // 1000}.{ns % 1000:03d}"

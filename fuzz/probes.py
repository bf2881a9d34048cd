"""Large inputs that are made to take much more memory or time than their size: one of each kind per reader."""

from __future__ import annotations

import gzip
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

from tests.profiling.ncu_files import L2_HIT, TIME, long_csv, wide_csv

from .ncu_report_maker import METRICS, report, result
from .target import Target

_MIB = 1 << 20


def _times(piece: bytes, mib: float = 2.0) -> bytes:
    return piece * int(mib * _MIB / len(piece))


def _trace(events: bytes, end: bytes = b'{"ph":"i"}]}') -> bytes:
    return b'{"traceEvents":[' + events + end


def _record(setup: bytes) -> bytes:
    return b'{"schema_version":1,"setup":' + setup + b"}\n"


def _table(sql: str, rows: int) -> bytes:
    """A database with ``rows`` rows made by ``sql``, which may use n."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE StringIds (id INTEGER PRIMARY KEY, value TEXT)")
        db.execute("INSERT INTO StringIds VALUES (1, 'gemm')")
        head, _, values = sql.partition("|")
        db.execute(f"CREATE TABLE {head}")
        name = head.split()[0]
        count = f"WITH RECURSIVE c(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM c WHERE n < {rows})"  # noqa: S608
        db.execute(f"INSERT INTO {name} {count} SELECT {values} FROM c")  # noqa: S608
        db.commit()
        return db.serialize()


_KERNEL = "CUPTI_ACTIVITY_KIND_KERNEL (start, end, deviceId, streamId, correlationId, globalPid, demangledName)"
_NVTX = "NVTX_EVENTS (start, end, eventType, text, globalTid, domainId)"

PROBES: dict[str, dict[str, Callable[[], bytes]]] = {
    "nsys": {
        "kernels, every cell 0 or 1": lambda: _table(f"{_KERNEL}|0, 1, 0, 0, 1, 1, 1", 100_000),
        "kernels, every cell of 8 bytes": lambda: _table(f"{_KERNEL}|n, n + 1, 0, 0, 1 << 60, 1 << 50, 1", 60_000),
        "as many threads as ranges": lambda: _table(f"{_NVTX}|n, n + 1, 59, 'x', n << 24, 1", 90_000),
        "as many names as ranges": lambda: _table(f"{_NVTX}|n, n + 1, 59, hex(n), 1 << 24, 1", 90_000),
        "as many domains as ranges": lambda: _table(f"{_NVTX}|n, n + 1, 59, 'x', 1 << 24, n", 90_000),
        "start/end ranges, all open at once": lambda: _table(f"{_NVTX}|n, 9999999, 60, 'x', 1 << 24, 1", 90_000),
        "short texts": lambda: _table("TARGET (x)|hex(n)", 1),
    },
    "kineto": {
        "no event but one text": lambda: _trace(b'{"name":"' + _times(b"x", 8)),
        "empty events": lambda: _trace(_times(b"{},")),
        "events of one field": lambda: _trace(_times(b'{"":0},')),
        "numbers for events": lambda: _trace(_times(b"1,")),
        "texts for numbers": lambda: _trace(_times(b'{"ph":"X","ts":"1","args":{"a":{}}},')),
        "nested events": lambda: _trace(b'{"args":[' + _times(b'{"":1},', 8) + b"{}]}]}", b""),
        "as many names as events": lambda: _trace(
            b"".join(b'{"ph":"X","cat":"cpu_op","name":"%x","ts":1,"dur":1,"tid":%d},' % (n, n) for n in range(40_000))
        ),
        "the least events there are": lambda: _trace(_times(b'{"ph":"X","cat":"kernel","ts":1,"dur":1},', 4)),
        "letters of four bytes": lambda: _trace(b'{"name":"' + _times(b"x", 4) + "\U0001f600".encode() + b'"}]}', b""),
        "gzip of the least events": lambda: gzip.compress(
            _trace(_times(b'{"ph":"X","cat":"kernel","ts":1,"dur":1},', 15))
        ),
        "gzip of 32 MiB": lambda: (
            gzip.compress(gzip.compress(b"[" + bytes(32 * _MIB), 1), 1)[:0] or gzip.compress(b"[" + bytes(32 * _MIB), 1)
        ),
    },
    "ncu-csv": {
        "line ends": lambda: _times(b"\n"),
        "empty cells": lambda: wide_csv([(TIME, "ns")], [("k", ["1"])]).encode() + _times(b'"",'),
        "many launches": lambda: wide_csv([(TIME, "ns")], [("k", ["1"])] * 10_000).encode(),
        "many metrics": lambda: wide_csv(
            [(f"a__{n}.sum", "ns") for n in range(10_000)], [("k", ["1"] * 10_000)]
        ).encode(),
        "many launches and metrics": lambda: wide_csv(
            [(f"a__{n}.sum", "") for n in range(300)], [("k", ["1"] * 300)] * 200
        ).encode(),
        "rows of one metric": lambda: long_csv([(n, "k", L2_HIT, "", "1") for n in range(4_000)]).encode(),
        "as many metrics as rows": lambda: long_csv([(n, "k", f"m__{n}", "", "1") for n in range(3_000)]).encode(),
        "a number of a million digits": lambda: long_csv([(0, "k", TIME, "ns", "9" * 100_000 + "x")]).encode() * 20,
        "open quotes": lambda: wide_csv([(TIME, "ns")], [("k", ["1"])]).encode() + _times(b'"1,\n'),
        "chatter": lambda: _times(b"==WARNING== x\n"),
        "letters of four bytes": lambda: _times(b"x\n") + "\U0001f600".encode(),
    },
    "ncu-report": {
        "many metrics": lambda: report(
            [result("k", [(n % len(METRICS), 1.0) for n in range(40_000)])], [name for name, _ in METRICS]
        ),
        "many results": lambda: report([result("k", [(0, 1.0)])] * 6_000, ["a"]),
        "many names": lambda: report(
            [result("k", [(n, 1.0) for n in range(30_000)])], [f"m{n}" for n in range(30_000)]
        ),
    },
    "records": {
        "empty lists": lambda: _record(b"[" + _times(b"[],") + b"0]"),
        "small objects": lambda: _record(b"[" + _times(b'{"a":1},') + b"0]"),
        "nested lists": lambda: _record(b"[" * 100_000),
        "short keys": lambda: _record(b"{" + b",".join(b'"%x":1' % n for n in range(200_000)) + b"}"),
        "whole numbers": lambda: _record(b"[" + _times(b"300,") + b"0]"),
        "fractions": lambda: _record(b"[" + _times(b"1.5,") + b"0]"),
        "line ends": lambda: _times(b"\n"),
        "letters of four bytes": lambda: _record(b'"' + _times(b"x") + "\U0001f600".encode() + b'"'),
        "gzip of 32 MiB": lambda: gzip.compress(bytes(32 * _MIB), 1),
    },
    "host-samples": {
        "one stack of empty names": lambda: _times(b";") + b" 1",
        "one stack of short names": lambda: _times(b"a;b;") + b" 1",
        "as many frames as names": lambda: b";".join(b"%x" % n for n in range(200_000)) + b" 1",
        "as many stacks as lines": lambda: b"\n".join(b"%x 1" % n for n in range(200_000)),
        "as many deep stacks": lambda: b"".join(b"a;b;%x 1\n" % n for n in range(150_000)),
        "empty stacks": lambda: (
            b'{"shared":{"frames":[]},"profiles":[{"type":"sampled","unit":"","samples":[' + _times(b"[],")
        ),
        "one deep stack": lambda: (
            b'{"shared":{"frames":[{"name":"a"}]},"profiles":[{"type":"sampled","unit":"",'
            b'"samples":[[' + _times(b"0,") + b'0]],"weights":[1]}]}'
        ),
        "gzip of 32 MiB": lambda: gzip.compress(bytes(32 * _MIB), 1),
    },
    "samples": {
        "line ends": lambda: _times(b"\n"),
        "empty lists": lambda: b'{"task_id":"HumanEval/0","x":[' + _times(b"[],") + b'0],"solution":""}',
        "short programs": lambda: _times(b'{"task_id":"HumanEval/0","solution":""}\n'),
        "gzip of 32 MiB": lambda: gzip.compress(bytes(32 * _MIB), 1),
    },
}


def measured_probes(target: Target) -> dict[str, Any]:
    """Each probe of the target's reader: its size, the most memory that reading it took by either way of measuring, and
    what came of it."""
    for data in target.reader.seeds():
        target.run(data)  # what is imported or compiled once belongs to no input
    found = {}
    for name, make in PROBES[target.reader.name].items():
        data = make()
        size, outcomes = target.reader.size(data), [target.run(data), target.run(data, traced=True)]
        peak = max(outcome.peak for outcome in outcomes)
        found[name] = {
            "bytes": len(data),
            "unpacked_bytes": size,
            "peak_bytes": peak,
            "times_the_input": round(peak / size, 1),
            "processor_s": round(outcomes[0].seconds, 2),
            "outcome": outcomes[0].kind,
            "fault": next((outcome.fault for outcome in outcomes if outcome.fault), ""),
        }
    return found

"""Small traces of other people's programs, made in tests: what happened, in microseconds, as either tool writes it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Story:
    """Rows in microseconds; ``pid`` numbers processes from 1, thread 1 is each one's main thread."""

    ranges: list[tuple[str, float, float, int, int]] = field(default_factory=list)
    calls: list[tuple[str, float, float, int, int, int]] = field(default_factory=list)
    kernels: list[tuple[str, float, float, int, int, int, int]] = field(default_factory=list)
    copies: list[tuple[str, float, float, int, int, int]] = field(default_factory=list)
    operators: list[tuple[str, float, float, int, int]] = field(default_factory=list)
    _ids: int = 0

    def range(self, name: str, start: float, length: float, pid: int = 1, tid: int = 1) -> Story:
        self.ranges.append((name, start, length, pid, tid))
        return self

    def operator(self, name: str, start: float, length: float, pid: int = 1, tid: int = 1) -> Story:
        self.operators.append((name, start, length, pid, tid))
        return self

    def call(self, name: str, start: float, length: float, pid: int = 1, tid: int = 1) -> Story:
        """A call that asks for no work."""
        self._ids += 1
        self.calls.append((name, start, length, pid, tid, self._ids))
        return self

    def kernel(
        self, name: str, called: float, start: float, length: float, *, api: str = "cudaLaunchKernel", took: float = 5,
        pid: int = 1, tid: int = 1, device: int = 0, nodes: int = 1,
    ) -> Story:  # fmt: skip
        """A kernel with its launch; ``nodes``: so many, one after the other, by one launch of a graph."""
        self.call(api, called, took, pid, tid)
        for node in range(nodes):
            self.kernels.append(
                (name, start + node * length, length, device, self._ids, pid, node if nodes > 1 else -1)
            )
        return self

    def copy(
        self, kind: str, called: float, start: float, length: float, size: int, *, api: str = "cudaMemcpyAsync",
        took: float = 5,
    ) -> Story:  # fmt: skip
        self.call(api, called, took)
        self.copies.append((kind, start, length, size, self._ids, 1))
        return self

    def renumbered(self, given: Callable[[int], int]) -> Story:
        """With other correlation ids than 1, 2, 3 …: what is ``given`` for each."""
        self.calls = [(*row[:5], given(row[5])) for row in self.calls]
        self.kernels = [(*row[:4], given(row[4]), *row[5:]) for row in self.kernels]
        self.copies = [(*row[:4], given(row[4]), row[5]) for row in self.copies]
        return self

    def kineto(
        self, path: Path, category: str = "cuda_runtime", range_category: str = "user_annotation", **head: Any
    ) -> Path:
        """As torch.profiler writes it; one process only."""
        path.write_text(json.dumps({"schemaVersion": 1, **head, "traceEvents": self.events(category, range_category)}))
        return path

    def events(self, category: str = "cuda_runtime", range_category: str = "user_annotation") -> list[dict[str, Any]]:
        """Those of a Chrome trace."""
        events = [_event(range_category, n, s, d, p, t) for n, s, d, p, t in self.ranges]
        events += [_event("cpu_op", n, s, d, p, t) for n, s, d, p, t in self.operators]
        events += [_event(category, n, s, d, p, t, correlation=c) for n, s, d, p, t, c in self.calls]
        for name, start, length, device, c, _, node in self.kernels:
            more = {"graph node id": node + 1} if node >= 0 else {}
            events.append(
                _event("kernel", name, start, length, device, 7, correlation=c, device=device, stream=7, **more)
            )
        for kind, start, length, size, c, _ in self.copies:
            args = {"correlation": c, "device": 0, "stream": 7, "bytes": size}
            events.append(_event("gpu_memcpy", f"Memcpy {kind} (a -> b)", start, length, 0, 7, **args))
        return events

    def nsys(self, path: Path, extra: str = "") -> Path:
        """As an nsys export has it; without operators."""
        names = {row[0] for rows in (self.calls, self.kernels) for row in rows}
        ids = {name: number for number, name in enumerate(sorted(names), 1)}
        path.unlink(missing_ok=True)
        with sqlite3.connect(path) as db:
            db.executescript(_SCHEMA + extra)
            db.executemany("INSERT INTO StringIds VALUES (?, ?)", [(number, name) for name, number in ids.items()])
            db.executemany(
                "INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES (?,?,?,7,?,?,?,?,?)",
                [(_ns(s), _ns(s + d), dev, c, _pid(p), ids[n], ids[n], None if node < 0 else node + 1)
                 for n, s, d, dev, c, p, node in self.kernels],
            )  # fmt: skip
            db.executemany(
                "INSERT INTO CUPTI_ACTIVITY_KIND_RUNTIME VALUES (?,?,?,?,?)",
                [(_ns(s), _ns(s + d), _pid(p) + t, c, ids[n]) for n, s, d, p, t, c in self.calls],
            )
            db.executemany(
                "INSERT INTO CUPTI_ACTIVITY_KIND_MEMCPY VALUES (?,?,0,7,?,?,?,?)",
                [(_ns(s), _ns(s + d), c, _pid(p), size, _COPY[kind]) for kind, s, d, size, c, p in self.copies],
            )
            db.executemany(
                "INSERT INTO NVTX_EVENTS VALUES (?,?,59,?,?,NULL,0)",
                [(_ns(s), _ns(s + d), n, _pid(p) + t) for n, s, d, p, t in self.ranges],
            )
        db.close()
        return path


_COPY = {"HtoD": 1, "DtoH": 2, "DtoD": 8}
_SCHEMA = """
CREATE TABLE META_DATA_EXPORT (name TEXT, value TEXT);
CREATE TABLE StringIds (id INTEGER PRIMARY KEY, value TEXT);
CREATE TABLE CUPTI_ACTIVITY_KIND_KERNEL (start INTEGER, end INTEGER, deviceId INTEGER, streamId INTEGER,
  correlationId INTEGER, globalPid INTEGER, demangledName INTEGER, shortName INTEGER, graphNodeId INTEGER);
CREATE TABLE CUPTI_ACTIVITY_KIND_RUNTIME (start INTEGER, end INTEGER, globalTid INTEGER, correlationId INTEGER,
  nameId INTEGER);
CREATE TABLE CUPTI_ACTIVITY_KIND_MEMCPY (start INTEGER, end INTEGER, deviceId INTEGER, streamId INTEGER,
  correlationId INTEGER, globalPid INTEGER, bytes INTEGER, copyKind INTEGER);
CREATE TABLE NVTX_EVENTS (start INTEGER, end INTEGER, eventType INTEGER, text TEXT, globalTid INTEGER, textId INTEGER,
  domainId INTEGER);
"""


def _ns(us: float) -> int:
    return round(us * 1000)


def _pid(number: int) -> int:
    return 1 << 48 | (number * 100) << 24


def _event(cat: str, name: str, ts: float, dur: float, pid: int, tid: int, **args: Any) -> dict[str, Any]:
    return {"ph": "X", "cat": cat, "name": name, "ts": ts, "dur": dur, "pid": pid, "tid": tid, "args": args}


def steady(names: list[str], *, step: float = 1000, gemm: float = 300, pid: int = 1, device: int = 0) -> Story:
    """A step of this name each, back to back: a launch after 20 us, the product from 100 us on, then nothing."""
    story = Story()
    for number, name in enumerate(names):
        start = 1000 + number * step
        story.range(name, start, step, pid)
        story.kernel("toy_gemm", start + 20, start + 100, gemm, pid=pid, device=device)
    return story

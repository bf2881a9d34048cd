"""Writes a timeline as a Chrome trace (Trace Event Format), for Perfetto and chrome://tracing.

Host threads show ranges, operators and calls; each GPU stream shows kernels and copies; one more row per device
shows the gaps in which nothing ran, named by their cause. ``cname`` colours a slice by its class. Slices of a row lie
inside or beside each other, because viewers drop those that cross: what would cross has a further row. Events are
written one by one, so that the document never exists as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from gzip import GzipFile
from pathlib import Path
from typing import IO, Any

import numpy as np

from bench.analysis.timeline import Analysis
from bench.record.codes import distinct, encode
from bench.record.errors import StorageError
from bench.record.files import replacing
from bench.record.timeline import CALL_KINDS, COPY_KINDS, Spans, Timeline
from profiling.readers.lanes import spread

# How an exported trace begins: an earlier one is written over, another file is not.
BEGINNING = b'{"displayTimeUnit":"ns","otherData":{"writer":"bitledger"},"traceEvents":[\n'

Event = dict[str, Any]
Classify = Callable[[str, str], str]

# Class → one of the colour names that trace viewers know.
COLOURS = {
    "gemm": "good",
    "dequantise": "terrible",
    "quantise_activations": "bad",
    "outliers": "cq_build_attempt_failed",
    "cast": "yellow",
    "attention": "thread_state_running",
    "norm_elementwise": "thread_state_runnable",
    "lm_head": "rail_response",
    "sampling": "rail_animation",
    "memcpy": "rail_load",
    "communication": "light_memory_dump",
    "sync_stall": "thread_state_iowait",
    "host_gap": "grey",
    "other": "generic_work",
}
_GPU_PID, _GAPS_TID = 1_000_000_000, 1_000_000_000
# Ids of the further rows of a thread or stream; those of a system are far below.
_FURTHER_TID = 1_000_000_001


def no_class(_kernel: str, _range: str) -> str:
    """The class of every kernel where nobody tells better."""
    return "other"


def export(timeline: Timeline, out: Path, classify: Classify = no_class) -> int:
    """Write the trace to ``out`` (gzipped where it ends in .gz); returns the number of events.

    ``classify``: kernel name and name of its innermost range → a class of COLOURS. Raises StorageError.
    """
    try:
        with replacing(out) as stream, _packed(stream, out) as file:
            file.write(BEGINNING)
            count = 0
            for count, event in enumerate(_events(Analysis(timeline), classify), 1):
                file.write(((",\n" if count > 1 else "") + json.dumps(event, separators=(",", ":"))).encode())
            file.write(b"\n]}\n")
    except OSError as error:
        raise StorageError(f"{out}: cannot be written ({error.strerror or error})") from error
    return count


def _packed(stream: IO[bytes], out: Path) -> AbstractContextManager[IO[bytes]]:
    return GzipFile("", "wb", fileobj=stream, mtime=0) if out.suffix == ".gz" else nullcontext(stream)  # type: ignore[return-value]


def _events(analysis: Analysis, classify: Classify) -> Iterator[Event]:
    timeline, further = analysis.timeline, _Further()
    yield from _labels(analysis)
    for category, spans in (("range", timeline.ranges), ("operator", timeline.operators)):
        yield from _spans(timeline, category, spans, further)
    yield from _calls(timeline)
    streams = _stream_rows(timeline, further)
    yield from _kernels(analysis, classify, streams[: len(timeline.kernels)])
    yield from _copies(timeline, streams[len(timeline.kernels) :])
    yield from _gaps(analysis)
    yield from further.labels()


@dataclass
class _Further:
    """Rows beside those of threads and streams, for what would cross on these."""

    known: dict[tuple[int, int, int, str], int] = field(default_factory=dict)

    def tid(self, pid: int, tid: int, lane: int, what: str) -> int:
        """The row of a lane of a thread or stream: its own for the first."""
        return tid if lane == 0 else self.known.setdefault((pid, tid, lane, what), _FURTHER_TID + len(self.known))

    def labels(self) -> Iterator[Event]:
        """The names of the rows."""
        for (pid, tid, lane, what), row in self.known.items():
            yield _label("thread_name", pid, row, f"{what} {tid} ({lane + 1})")


def _stream_rows(timeline: Timeline, further: _Further) -> list[int]:
    """[kernels, then copies] the row of each: where work of one stream overlaps, as a kernel that begins before the
    earlier one is over, it is spread over several."""
    tables = timeline.kernels, timeline.copies
    columns = ((table.device, table.stream, table.start, table.end) for table in tables)
    device, stream, start, end = (np.concatenate(parts).astype(np.int64) for parts in zip(*columns, strict=True))
    track = encode((device << 32) + stream)[1]
    order = np.lexsort((end, start, track))
    same = track[order][1:] == track[order][:-1]
    overlapping = distinct(track[order][1:][same & (start[order][1:] < end[order][:-1])])
    lanes = spread(track, start, end, np.isin(track, overlapping))
    places = zip(device.tolist(), stream.tolist(), lanes.tolist(), strict=True)
    return [further.tid(_GPU_PID + gpu, row, lane, "stream") for gpu, row, lane in places]


def _labels(analysis: Analysis) -> Iterator[Event]:
    for pid in sorted(set(analysis.timeline.threads.pid.tolist())):
        yield _label("process_name", pid, 0, f"host, process {pid}")
    for device in analysis.devices:
        yield _label("process_name", _GPU_PID + device, 0, f"GPU {device}")
        yield _label("thread_name", _GPU_PID + device, _GAPS_TID, "idle, by cause")
        for stream in _streams(analysis.timeline, device):
            yield _label("thread_name", _GPU_PID + device, stream, f"stream {stream}")


def _streams(timeline: Timeline, device: int) -> list[int]:
    tables = timeline.kernels, timeline.copies
    return sorted({stream for table in tables for stream in table.stream[table.device == device].tolist()})


def _label(what: str, pid: int, tid: int, name: str) -> Event:
    return {"ph": "M", "name": what, "pid": pid, "tid": tid, "args": {"name": name}}


def _slice(category: str, name: str, pid: int, tid: int, start: int, end: int, kind: str, **args: Any) -> Event:
    event: Event = {"ph": "X", "cat": category, "name": name, "pid": pid, "tid": tid}
    # Microseconds with three decimals are exact: the numbers are whole nanoseconds below 2^53.
    event |= {"ts": start / 1000, "dur": (end - start) / 1000}
    if kind in COLOURS:
        event["cname"] = COLOURS[kind]
    return {**event, "args": {"class": kind, **args}}


def _rows(*columns: np.ndarray) -> Iterable[tuple[Any, ...]]:
    return zip(*(column.tolist() for column in columns), strict=True)


def _spans(timeline: Timeline, category: str, spans: Spans, further: _Further) -> Iterator[Event]:
    threads, strings = timeline.threads, timeline.strings
    order = np.lexsort((-spans.end, spans.start))
    thread = threads.pid[spans.thread], threads.tid[spans.thread]
    columns = (spans.name, spans.domain, *thread, spans.lane, spans.start, spans.end)
    for name, domain, pid, tid, lane, start, end in _rows(*(column[order] for column in columns)):
        row = further.tid(pid, tid, lane, "thread")
        yield _slice(category, strings[name], pid, row, start, end, category, domain=strings[domain])


def _calls(timeline: Timeline) -> Iterator[Event]:
    calls, threads, strings = timeline.calls, timeline.threads, timeline.strings
    where = threads.pid[calls.thread], threads.tid[calls.thread]
    columns = (calls.name, *where, calls.start, calls.end, calls.kind, calls.correlation)
    for name, pid, tid, start, end, kind, correlation in _rows(*columns):
        yield _slice("call", strings[name], pid, tid, start, end, CALL_KINDS[kind], correlation=correlation)


def _kernels(analysis: Analysis, classify: Classify, rows: Sequence[int]) -> Iterator[Event]:
    kernels, ranges, strings = analysis.timeline.kernels, analysis.timeline.ranges, analysis.timeline.strings
    range_name = np.where(analysis.range >= 0, ranges.name[analysis.range], -1) if len(ranges) else analysis.range
    columns = (
        kernels.name,
        range_name,
        kernels.device,
        np.array(rows, np.int64),
        kernels.start,
        kernels.end,
        kernels.correlation,
    )
    for name, inside, device, stream, start, end, correlation in _rows(*columns):
        around = strings[inside] if inside >= 0 else ""
        kind = classify(strings[name], around)
        args = {"range": around, "correlation": correlation}
        yield _slice("kernel", strings[name], _GPU_PID + device, stream, start, end, kind, **args)


def _copies(timeline: Timeline, rows: Sequence[int]) -> Iterator[Event]:
    copies = timeline.copies
    for kind, size, device, stream, start, end in _rows(
        copies.kind, copies.bytes, copies.device, np.array(rows, np.int64), copies.start, copies.end
    ):
        name = f"copy {COPY_KINDS.get(kind, 'unknown')}"
        yield _slice("copy", name, _GPU_PID + device, stream, start, end, "memcpy", bytes=size)


def _gaps(analysis: Analysis) -> Iterator[Event]:
    """Idle time between the first and the last GPU work, split into waiting and the host's other work."""
    for device, busy in analysis.busy.items():
        if not len(busy.start):
            continue
        idle = busy.gaps(int(busy.start[0]), int(busy.end[-1]))
        stalled = idle.both(analysis.waiting)
        window = int(busy.start[0]), int(busy.end[-1])
        gaps = idle.both(analysis.waiting.gaps(*window))
        for kind, cover in (("sync_stall", stalled), ("host_gap", gaps)):
            for start, end in _rows(cover.start, cover.end):
                yield _slice("idle", kind, _GPU_PID + device, _GAPS_TID, start, end, kind)

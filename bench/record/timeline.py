"""The normal form of a trace: what the host and the GPU did, as columns.

Every reader fills this form and every analysis starts from it. A row is an index into equally long numpy
arrays; there is no object per kernel, because a decode trace holds millions. Times are int64 nanoseconds on
one clock. Names are indices into ``Timeline.strings``; threads are indices into ``Timeline.threads``.
An index of -1 means "none" or "not known". Rows are in no particular order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .errors import RecordError

Times = NDArray[np.int64]
Index = NDArray[np.int32]
Codes = NDArray[np.int8]

# What a host call does (Calls.kind). A blocking copy both copies and makes the host wait.
OTHER, LAUNCH, SYNC, COPY, BLOCKING_COPY = range(5)
CALL_KINDS = ("other", "launch", "sync", "copy", "blocking copy")

# What a copy does (Copies.kind): CUPTI's CUpti_ActivityMemcpyKind, and one code of our own for memset.
MEMSET = 100
COPY_KINDS = {0: "unknown", 1: "HtoD", 2: "DtoH", 8: "DtoD", 9: "HtoH", 10: "PtoP", MEMSET: "memset"}

# Follows by its number: the name of a kernel that is all of a CUDA graph.
WHOLE_GRAPH = "CUDA graph "

_VERSIONED = re.compile(r"_v\d{4,5}$")
# hipMemcpyWithStream takes a stream and waits for it all the same.
_BLOCKING = re.compile(r"^(cuda|cu|hip)Memcpy(?!.*Async)")
_LAUNCHES = re.compile(r"Launch(?!HostFunc)|[gG]raph_?Launch|urCommandBufferEnqueue")
# Besides CUDA's and HIP's: SYCL's Unified Runtime (ur…) and plug-in interface (pi…), Level Zero (ze…), OpenCL (cl…).
_SYNCS = re.compile(r"Synchronize|^(ur|pi)(QueueFinish|Events?Wait$)|^cl(Finish|WaitForEvents)$")
_COPIES = re.compile(
    r"Mem[cC](py|opy)|Mem[sS]et|^(ur|pi)Enqueue(USM|Mem)|^zeCommandListAppendMemory|^clEnqueue(Read|Write|Copy|Fill)"
)


def api_name(raw: str) -> str:
    """The call's name without the ABI version that CUPTI appends (``cudaMalloc_v3020`` is ``cudaMalloc``)."""
    return _VERSIONED.sub("", raw)


def call_kind(name: str) -> int:
    """Which of OTHER, LAUNCH, SYNC, COPY, BLOCKING_COPY a CUDA, HIP or SYCL call is, from its name alone.

    A copy from pageable memory waits although it is called asynchronous; the name does not tell, so it is COPY.
    """
    if _LAUNCHES.search(name):
        return LAUNCH
    if _SYNCS.search(name):
        return SYNC
    if _BLOCKING.match(name):
        return BLOCKING_COPY
    return COPY if _COPIES.search(name) else OTHER


@dataclass(frozen=True, eq=False)
class ColumnTable:
    """Equally long columns; the subclasses name them."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    @classmethod
    def empty(cls) -> Self:
        """The table without rows."""
        return cls(**{f.name: np.empty(0, _dtype(f.name)) for f in fields(cls)})

    @classmethod
    def build(cls, **columns: Any) -> Self:
        """The table from anything array-like, each column converted to its own integer type."""
        return cls(**{name: np.ascontiguousarray(values, _dtype(name)) for name, values in columns.items()})

    def where(self, kept: NDArray[np.bool_]) -> Self:
        """The rows that are kept."""
        return type(self)(**{f.name: getattr(self, f.name)[kept] for f in fields(self)})


def _dtype(column: str) -> type[np.signedinteger[Any]]:
    wide = ("start", "end", "correlation", "bytes", "graph_node", "pid", "tid")
    return np.int64 if column in wide else np.int8 if column == "kind" else np.int32


def known_ids(ids: Times) -> Times:
    """Correlation ids as a tool of CUDA wrote them, -1 where it knew none: 0 is CUPTI_CORRELATION_ID_UNKNOWN."""
    return np.where(ids > 0, ids, -1)


@dataclass(frozen=True, eq=False)
class Kernels(ColumnTable):
    """Kernels as the GPU ran them. ``correlation`` joins the launching call of the same ``process``; -1: not known."""

    start: Times
    end: Times
    device: Index
    stream: Index
    process: Index
    correlation: Times
    name: Index
    graph_node: Times


@dataclass(frozen=True, eq=False)
class Calls(ColumnTable):
    """Calls of the CUDA runtime or driver, as the host saw them. ``kind`` is one of CALL_KINDS."""

    start: Times
    end: Times
    thread: Index
    correlation: Times
    name: Index
    kind: Codes


@dataclass(frozen=True, eq=False)
class Copies(ColumnTable):
    """Copies and memsets as the GPU ran them. ``kind`` is a key of COPY_KINDS."""

    start: Times
    end: Times
    device: Index
    stream: Index
    process: Index
    correlation: Times
    kind: Codes
    bytes: Times


@dataclass(frozen=True, eq=False)
class Spans(ColumnTable):
    """Host intervals with a name: NVTX ranges, profiler annotations, operators or Python frames.

    Spans of one ``thread`` and ``lane`` lie inside or beside each other. Each NVTX domain is a lane, because
    domains have stacks of their own; start/end ranges, which may cross, are spread over further lanes.
    """

    start: Times
    end: Times
    thread: Index
    name: Index
    domain: Index
    lane: Index


@dataclass(frozen=True, eq=False)
class Threads(ColumnTable):
    """The host threads: ``process`` is an index shared with Kernels.process; ``pid`` and ``tid`` are the system's."""

    process: Index
    pid: Times
    tid: Times


@dataclass(frozen=True, eq=False)
class Timeline:
    """One trace. ``source`` is "nsys" or "kineto"; ``notes`` say what is missing or was left out.

    ``epoch_ns`` is the Unix time of the clock's zero, where the trace tells it. ``facts``: what it says of the tool and
    the hardware, as (what, value).
    """

    source: str
    strings: tuple[str, ...]
    threads: Threads
    kernels: Kernels = field(default_factory=Kernels.empty)
    calls: Calls = field(default_factory=Calls.empty)
    copies: Copies = field(default_factory=Copies.empty)
    ranges: Spans = field(default_factory=Spans.empty)
    operators: Spans = field(default_factory=Spans.empty)
    frames: Spans = field(default_factory=Spans.empty)
    epoch_ns: int | None = None
    notes: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        for name in ("kernels", "calls", "copies", "ranges", "operators", "frames"):
            self._check(name, getattr(self, name))

    def _check(self, what: str, table: ColumnTable) -> None:
        columns = {f.name: getattr(table, f.name) for f in fields(table)}
        if len({len(column) for column in columns.values()}) != 1:
            raise RecordError(f"malformed trace: the columns of its {what} differ in length")
        if not len(table):
            return
        self._check_times(what, columns["start"], columns["end"])
        for column, size in (("name", len(self.strings)), ("domain", len(self.strings)), ("thread", len(self.threads))):
            if column in columns and not _inside(columns[column], size):
                raise RecordError(f"malformed trace: its {what} refer to a {column} that the trace does not hold")

    @staticmethod
    def _check_times(what: str, start: Times, end: Times) -> None:
        # Within ±2^61 ns (73 years) differences cannot overflow; real clocks stay within this.
        if min(start.min(), end.min()) < -(2**61) or max(start.max(), end.max()) > 2**61:
            raise RecordError(f"malformed trace: impossible times among its {what}")
        if (end < start).any():
            raise RecordError(f"malformed trace: its {what} include one that ends before it starts")


def whole_graphs(timeline: Timeline) -> NDArray[np.bool_]:
    """[kernels] whether each stands for all of a CUDA graph, as nsys records them without --cuda-graph-trace=node."""
    named = np.array([text.startswith(WHOLE_GRAPH) for text in timeline.strings] or [False], bool)
    return named[timeline.kernels.name]


@contextmanager
def about(path: Path) -> Iterator[None]:
    """Let what a Timeline says of itself name the file that it is read from."""
    try:
        yield
    except RecordError as error:
        raise RecordError(f"{path}: {error}") from error


def _inside(index: Index, size: int) -> bool:
    return bool(index.min() >= 0 and index.max() < size)

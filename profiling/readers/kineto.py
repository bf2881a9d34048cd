"""Reads torch.profiler (Kineto) Chrome traces, plain or gzipped, into the normal form of a trace.

Times are microseconds with a fraction. A double holds a nanosecond up to 2^43 µs, which is why Kineto subtracts
``baseTimeNanoseconds``; in older traces, whose times count from 1970, they are exact only to the double's spacing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from bench.record.errors import RecordError
from bench.record.timeline import (
    COPY_KINDS,
    MEMSET,
    Calls,
    ColumnTable,
    Copies,
    Kernels,
    Spans,
    Timeline,
    about,
    api_name,
    call_kind,
    known_ids,
)
from profiling.annotate import MARK

from .facts import Facts
from .kineto_events import Args, Event, EventStream
from .kineto_facts import facts
from .kineto_halves import HALVES, joined
from .kineto_ranks import MergedRanks, Pid, labelled

_COPY_CODES = {name: code for code, name in COPY_KINDS.items()}
_NO_ARGS = Args()

AnyTable = TypeVar("AnyTable", bound=ColumnTable)


def read_kineto(path: Path) -> Timeline:
    """Read a Chrome trace of torch.profiler. Raises RecordError where it is damaged or holds no events to time."""
    stream, builder = EventStream(path), _ColumnBuilder()
    try:
        for events in stream:
            builder.add(events)
        with about(path):
            timeline = builder.timeline(stream.base_ns, facts(stream.header, stream.trailer), stream.notes)
    except (ValueError, OverflowError, TypeError, RecursionError) as error:
        raise RecordError(f"{path}: corrupt Chrome trace ({error}); record it again") from error
    tables = timeline.kernels, timeline.calls, timeline.copies, timeline.ranges, timeline.operators, timeline.frames
    if not any(len(table) for table in tables):
        of = ", ".join(name for name, _ in builder.other.most_common(3))
        told = f": its events are of other kinds ({of}), as other tools write them" if of else ""
        told = told or "".join(f": {note}" for note in timeline.notes if note.endswith(_LOST))
        raise RecordError(
            f"{path}: this Chrome trace holds no kernels, calls, annotations or operators{told}; give a trace of "
            "torch.profiler or Nsight Systems"
        )
    return timeline


class _Numbered(dict[Any, int]):
    """Each key's number, in the order in which they turn up: looking one up adds it, without a call from Python."""

    def __missing__(self, key: Any) -> int:
        number = self[key] = len(self)
        return number

    def column(self, keys: Iterable[Any]) -> np.ndarray:
        return np.array(list(map(self.__getitem__, keys)), np.int32)


@dataclass
class _ColumnBuilder:
    """Collects columns block by block, so that no event outlives its block."""

    strings: _Numbered = field(default_factory=lambda: _Numbered({"": 0}))
    threads: _Numbered = field(default_factory=_Numbered)  # (pid, tid)
    gpu_pids: _Numbered = field(default_factory=_Numbered)
    parts: dict[str, list[dict[str, np.ndarray]]] = field(default_factory=dict)
    untimed: int = 0
    halves: list[Event] = field(default_factory=list)
    lone: int = 0
    other: Counter[str] = field(default_factory=Counter)

    def add(self, events: Iterable[Event]) -> None:
        """Sort one block's complete events by category and keep what the normal form needs of each."""
        by_category: dict[str | None, list[Event]] = defaultdict(list)
        for event in events:
            if event.ph == "X":
                by_category[event.cat].append(event)
            elif event.ph in HALVES:
                self.halves.append(event)
        _marked_ranges(by_category)
        for category, found in by_category.items():
            target = _CATEGORIES.get((category or "").lower())
            if target is None:
                if (category or "").lower() not in _LEFT_OUT:
                    self.other[(category or "none")[:_NAMED]] += len(found)
            else:
                name, columns = target
                timed, times = _timed(found)
                self.untimed += len(found) - len(timed)
                if timed:
                    self.parts.setdefault(name, []).append({**times, **columns(self, timed)})

    def names(self, events: list[Event]) -> np.ndarray:
        return self.strings.column([event.name or "" for event in events])

    def thread(self, events: list[Event]) -> np.ndarray:
        return self.threads.column([(event.pid, event.tid) for event in events])

    def kernel(self, events: list[Event]) -> dict[str, np.ndarray]:
        nodes = np.array([-1 if a.graph_node is None else a.graph_node for a in _args(events)], np.int64)
        return {**self.place(events), "name": self.names(events), "graph_node": nodes}

    def copy(self, events: list[Event]) -> dict[str, np.ndarray]:
        kinds = np.array([_copy_kind(event.name or "") for event in events], np.int8)
        return {**self.place(events), "kind": kinds, "bytes": np.array([a.bytes or 0 for a in _args(events)], np.int64)}

    def place(self, events: list[Event]) -> dict[str, np.ndarray]:
        """Where GPU work ran, by the pid that the file gives it. Older traces tell the device and the stream only as
        pid and tid."""
        args = _args(events)
        pairs = list(zip(events, args, strict=True))
        return {
            "device": np.array([_number_of(e.pid) if a.device is None else a.device for e, a in pairs], np.int32),
            "stream": np.array([_number_of(e.tid) if a.stream is None else a.stream for e, a in pairs], np.int32),
            "process": self.gpu_pids.column([e.pid for e in events]),
            "correlation": _ids(args),
        }

    def call(self, events: list[Event]) -> dict[str, np.ndarray]:
        return {"correlation": _ids(_args(events)), "name": self.names(events), "thread": self.thread(events)}

    def span(self, events: list[Event]) -> dict[str, np.ndarray]:
        zero = np.zeros(len(events), np.int32)
        return {"name": self.names(events), "thread": self.thread(events), "domain": zero, "lane": zero}

    def timeline(self, base_ns: int | None, told: Facts = (), odd: tuple[str, ...] = ()) -> Timeline:
        """The columns of all blocks together. ``odd``: what is odd about the file."""
        complete, self.lone = joined(self.halves)
        self.add(complete)
        texts = tuple(self.strings)
        kinds = np.array([call_kind(api_name(text)) for text in texts], np.int8)
        for part in self.parts.get("calls", []):
            part["kind"] = kinds[part["name"]]
        notes = _notes(self.parts, self.untimed, self.lone, self.other)
        calls = self.table("calls", Calls)
        work = self.table("kernels", Kernels), self.table("copies", Copies)
        operators = self.table("operators", Spans)
        of_ranks = MergedRanks(list(self.threads), calls, operators)
        found = of_ranks.given(work, list(self.gpu_pids))
        return Timeline(
            "kineto",
            texts,
            of_ranks.threads,
            found.kernels,
            calls,
            found.copies,
            self.table("ranges", Spans),
            operators,
            self.table("frames", Spans),
            epoch_ns=base_ns,
            facts=told,
            notes=(*odd, *notes, *found.notes),
        )

    def table(self, name: str, kind: type[AnyTable]) -> AnyTable:
        parts = self.parts.pop(name, [])
        if not parts:
            return kind.empty()
        return kind.build(**{column: np.concatenate([part[column] for part in parts]) for column in parts[0]})


_Columns = Callable[[_ColumnBuilder, list[Event]], dict[str, np.ndarray]]

# Of Intel's GPUs (SYCL's Unified Runtime and Level Zero), and of other back ends that torch.profiler knows.
_OTHER_RUNTIMES = (
    "xpu_runtime",
    "xpu_driver",
    "glow_runtime",
    "mtia_runtime",
    "privateuse1_runtime",
    "privateuse1_driver",
)

# Kineto's categories, and the capitalised ones of PyTorch before 1.12. gpu_user_annotation is left out on purpose:
# it repeats an annotation where its kernels ran, which the join of kernels to ranges finds by itself.
_CATEGORIES: dict[str, tuple[str, _Columns]] = {
    "kernel": ("kernels", _ColumnBuilder.kernel),
    **dict.fromkeys(("gpu_memcpy", "gpu_memset", "memcpy", "memset"), ("copies", _ColumnBuilder.copy)),
    **dict.fromkeys(
        ("cuda_runtime", "cuda_driver", "hip_runtime", "runtime", *_OTHER_RUNTIMES), ("calls", _ColumnBuilder.call)
    ),
    "user_annotation": ("ranges", _ColumnBuilder.span),
    **dict.fromkeys(("cpu_op", "operator"), ("operators", _ColumnBuilder.span)),
    "python_function": ("frames", _ColumnBuilder.span),
}

# What Kineto records beside these: annotations where their work ran, its own windows and costs, waiting as the GPU saw
# it, flows and moments.
_NAMED = 40  # letters of a kind of event in a message
_LEFT_OUT = {
    "gpu_user_annotation", "trace", "overhead", "cuda_sync", "cuda_event", "cuda_profiler_range", "collective_comm",
    "cpu_instant_event", "ac2g", "async_cpu_to_gpu", "fwdbwd", "gpu_memory", "memory",
}  # fmt: skip

# torch 1.8 to 1.10 keep the steps of the profiler's schedule among the operators, as it does our own module ranges.
_ANNOTATED = (MARK, "ProfilerStep#")


def _marked_ranges(by_category: dict[str | None, list[Event]]) -> None:
    """Move annotations that Kineto keeps among the operators to the others."""
    for category in ("cpu_op", "Operator"):
        operators = by_category.get(category, [])
        marked = [event for event in operators if (event.name or "").startswith(_ANNOTATED)]
        if not marked:
            continue
        by_category[category] = [event for event in operators if not (event.name or "").startswith(_ANNOTATED)]
        for event in marked:
            event.name = (event.name or "").removeprefix(MARK)
        by_category["user_annotation"] = [*by_category.get("user_annotation", []), *marked]


def _args(events: list[Event]) -> list[Args]:
    return [event.args or _NO_ARGS for event in events]


def _ids(args: list[Args]) -> np.ndarray:
    return known_ids(np.array([a.correlation or 0 for a in args], np.int64))


def _timed(events: list[Event]) -> tuple[list[Event], dict[str, np.ndarray]]:
    """The events with a usable time and duration, and these."""
    moment = np.array([event.ts for event in events], np.float64)  # which makes NaN of None
    length = np.array([event.dur for event in events], np.float64)
    usable = ~np.isnan(moment) & (length >= 0)
    if not usable.all():
        events = list(compress(events, usable))
        moment, length = moment[usable], length[usable]
    start = _ns(moment)
    return events, {"start": start, "end": start + _ns(length)}


def _ns(us: np.ndarray) -> np.ndarray:
    """Microseconds as whole nanoseconds. Whole and fraction apart: their product would round a second time."""
    if not (np.abs(us) < 2.0**51).all():
        raise ValueError("an impossible time")
    whole = np.floor(us)
    ns: np.ndarray = whole.astype(np.int64) * 1000 + np.rint((us - whole) * 1000).astype(np.int64)
    return ns


def _number_of(ident: Pid) -> int:
    return ident if isinstance(ident, int) else max(labelled(ident)[1], 0)


def _copy_kind(name: str) -> int:
    """From names like "Memcpy DtoH (Device -> Pageable)" and "Memset (Device)"."""
    if name.startswith("Memset"):
        return MEMSET
    words = name.split()
    return _COPY_CODES.get(words[1], 0) if len(words) > 1 else 0


_LOST = "were left out"


def _notes(tables: Iterable[str], untimed: int, lone: int, other: Counter[str]) -> tuple[str, ...]:
    present = set(tables)
    notes = []
    if "kernels" not in present:
        notes.append("the trace holds no GPU kernels: operators of the CPU are summed instead")
    if "ranges" not in present:
        notes.append("the trace holds no annotations (torch.profiler.record_function)")
    if other:
        of = ", ".join(f"{name} {count}" for name, count in other.most_common(3))
        notes.append(f"events of kinds that are not known here were left out: {of}")
    if untimed:
        notes.append(f"{untimed} events without a usable time or duration {_LOST}")
    if lone:
        notes.append(f"{lone} events that begin and do not end, or end only, {_LOST}")
    return tuple(notes)

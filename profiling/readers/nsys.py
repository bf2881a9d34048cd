"""Reads Nsight Systems exports (SQLite, schemas of 2021 to 2025) into the normal form of a trace.

Tables and columns appear lazily, so every one but the obvious is optional. Text is either inline (``text``) or an
id into StringIds. ``globalTid`` and ``globalPid`` carry the process in their upper bits and the thread in the
lower 24. Row order is not relied upon.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.record.codes import distinct, encode
from bench.record.errors import MachineError, RecordError
from bench.record.timeline import (
    MEMSET,
    WHOLE_GRAPH,
    Calls,
    Copies,
    Kernels,
    Spans,
    Threads,
    Timeline,
    about,
    api_name,
    call_kind,
    known_ids,
)
from profiling.surroundings import cleaned

from .lanes import spread
from .nsys_facts import diagnostics, facts, version_of_report
from .nsys_strings import StringIds, text_of
from .sqlite_columns import Column, columns_of, opened, read_integers

_KERNEL, _RUNTIME, _NVTX = "CUPTI_ACTIVITY_KIND_KERNEL", "CUPTI_ACTIVITY_KIND_RUNTIME", "NVTX_EVENTS"
_MEMCPY, _MEMSET, _GRAPH = "CUPTI_ACTIVITY_KIND_MEMCPY", "CUPTI_ACTIVITY_KIND_MEMSET", "CUPTI_ACTIVITY_KIND_GRAPH_TRACE"

# NVTX event types: push/pop, start/end, and the same two as told by imported text.
_PUSH_POP, _START_END, _NEW_DOMAIN = (59, 70), (60, 71), 75

# Each thread, process or domain becomes a Python object, and each lane is analysed for itself; what has more of them
# than this is damaged.
_MOST_DISTINCT = 10_000
_RECORD = "record with `nsys profile -t cuda,nvtx`"


def read_nsys_rep(path: Path) -> Timeline:
    """Read a ``.nsys-rep`` by letting ``nsys`` export it first. Raises MachineError where nsys is missing."""
    nsys = shutil.which("nsys")
    if nsys is None:
        raise MachineError(
            f"{path}: reading .nsys-rep needs `nsys` on PATH; or export it where nsys is:"
            f" nsys export --type sqlite {path.name}"
        )
    with tempfile.TemporaryDirectory(prefix="bitledger-") as folder:
        out = Path(folder) / "export.sqlite"
        command = [nsys, "export", "--type", "sqlite", "--force-overwrite", "true", "--output", str(out), str(path)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", env=cleaned())
        if done.returncode or not out.exists():
            said = (done.stderr or done.stdout).strip().splitlines()
            told = said[-1] if said else f"exit {done.returncode}"
            raise RecordError(f"{path}: `nsys export` failed: {told}{_versions(path, nsys)}")
        try:
            return read_nsys(out)
        except RecordError as error:
            raise RecordError(str(error).replace(str(out), str(path))) from error


def _versions(path: Path, nsys: str) -> str:
    """Which nsys wrote the report and which one is here, where that may be the reason."""
    wrote = version_of_report(path)
    done = subprocess.run([nsys, "--version"], capture_output=True, text=True, errors="replace", env=cleaned())
    here = re.search(r"\d{4}\.\d+(\.\d+)?", done.stdout)
    if wrote is None or here is None:
        return ""
    return (
        f"; nsys {wrote} wrote it and nsys {here[0]} is here: a newer one's report is exported with its own nsys: "
        f"nsys export --type sqlite {path.name}"
    )


def read_nsys(path: Path) -> Timeline:
    """Read an nsys SQLite export. Raises RecordError where it is damaged or holds neither CUDA nor NVTX events."""
    with opened(path) as connection:
        export = _Export(connection, path)
        kernels, copies, calls = export.kernels(), export.copies(), export.calls()
        ranges = export.ranges(_last_moment(kernels, copies, calls))
        if not (len(kernels) or len(copies) or len(calls) or len(ranges)):
            raise RecordError(
                f"{path}: {_other_database(connection)}" + "".join(f" ({text})" for text in diagnostics(connection)[:1])
            )
        with about(path):
            return Timeline(
                "nsys",
                tuple(export.strings.texts),
                export.threads.table(),
                kernels,
                calls,
                copies,
                ranges,
                epoch_ns=export.epoch(),
                notes=(*diagnostics(connection), *_notes(kernels, ranges, export.nameless)),
                facts=facts(connection),
            )


def _other_database(connection: sqlite3.Connection) -> str:
    """What a SQLite file is that holds neither CUDA nor NVTX events."""
    tables = {
        str(name) for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' LIMIT 1000")
    }
    if any(name.startswith("rocpd") for name in tables):
        return "a database of rocprof, which is not read: record with torch.profiler, which works on ROCm"
    if tables and not tables & {"StringIds", "META_DATA_EXPORT", "EXPORT_META_DATA", "TARGET_INFO_SESSION_START_TIME"}:
        return f"a SQLite file that nsys did not write (its tables: {', '.join(sorted(tables)[:4])}); {_RECORD}"
    return f"this nsys export holds no CUDA and no NVTX events; {_RECORD}"


def read_nsys_kernels(path: Path) -> Timeline:
    """Only the times and names of the kernels of an export, which is a fifth of the work. Raises RecordError where it
    is damaged or holds none."""
    with opened(path) as connection:
        export = _Export(connection, path)
        kernels = export.bare_kernels()
        if not len(kernels):
            raise RecordError(f"{path}: this nsys export holds no CUDA kernels; record with `nsys profile -t cuda`")
        with about(path):
            return Timeline("nsys", tuple(export.strings.texts), Threads.empty(), kernels)


def _notes(kernels: Kernels, ranges: Spans, nameless: Collection[int]) -> tuple[str, ...]:
    notes = []
    if nameless:
        notes.append(f"the export lacks {len(nameless)} of its names (in StringIds): their numbers stand for them")
    if not len(kernels):
        notes.append("the trace holds no GPU kernels: only calls and ranges of the host")
    if not len(ranges):
        notes.append("the trace holds no NVTX ranges (record with -t cuda,nvtx)")
    return tuple(notes)


def _last_moment(*tables: Kernels | Copies | Calls) -> int:
    return max((int(table.end.max()) for table in tables if len(table)), default=0)


@dataclass
class _Strings:
    """The string table under construction: StringIds' values and whatever the reader adds, each text once."""

    texts: list[str] = field(default_factory=list)
    index: dict[str, int] = field(default_factory=dict)

    def add(self, text: str) -> int:
        if text not in self.index:
            self.index[text] = len(self.texts)
            self.texts.append(text)
        return self.index[text]


@dataclass
class _Threads:
    """Serialised process and thread ids, numbered as they turn up."""

    processes: dict[int, int] = field(default_factory=dict)
    threads: dict[int, int] = field(default_factory=dict)

    def process(self, global_id: Column) -> Column:
        return _numbered(self.processes, global_id >> 24)

    def thread(self, global_tid: Column) -> Column:
        self.process(global_tid)
        return _numbered(self.threads, global_tid)

    def table(self) -> Threads:
        ids = np.array(list(self.threads), np.int64)
        process = [self.processes[int(i) >> 24] for i in ids]
        return Threads.build(process=process, pid=(ids >> 24) & 0xFFFFFF, tid=ids & 0xFFFFFF)


def _numbered(known: dict[int, int], ids: Column) -> Column:
    """Replace each id by a small number, the same one every time."""
    values, place = encode(ids)
    if len(values) > _MOST_DISTINCT:
        raise ValueError(f"more than {_MOST_DISTINCT} processes or threads")
    return np.array([known.setdefault(int(i), len(known)) for i in values], np.int64)[place]


class _Export:
    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.connection, self.path = connection, path
        self.strings, self.threads = _Strings(), _Threads()
        self.texts = StringIds(connection)
        self.nameless: set[int] = set()

    def read(
        self, table: str, wanted: dict[str, str], only: tuple[str, tuple[int, ...]] | None = None
    ) -> dict[str, Column] | None:
        """Columns of a table by our name for them; None where it is missing. ``wanted``: ours → theirs[=default], which
        must be there where it has no default; "=value" is that value everywhere. ``only``: their column → values."""
        present = columns_of(self.connection, table)
        if not present:
            return None
        theirs = [column.partition("=") for column in wanted.values()]
        for name, optional, _ in theirs:
            if not optional and name not in present:
                raise RecordError(f"{self.path}: {table} has no column {name}: this nsys schema is not known")
        asked = {name: int(default) if optional else None for name, optional, default in theirs if name}
        read = dict(zip(asked, read_integers(self.connection, self.path, table, asked, only), strict=True))
        rows = len(next(iter(read.values())))
        return {
            ours: read[name] if name else np.full(rows, int(default), np.int64)
            for ours, (name, _, default) in zip(wanted, theirs, strict=True)
        }

    def names(self, ids: Column, *, of_calls: bool = False) -> Column:
        """Our string indices of some StringIds ids. Where the table lacks one its number stands for it, but not of
        calls: only their names tell which of them wait."""
        values, place = encode(ids)
        found = []
        for ident in values.tolist():
            text = self.texts.get(ident)
            if text is None and of_calls:
                raise RecordError(f"{self.path}: corrupt export: its StringIds lack id {ident}; export it again")
            if text is None:
                self.nameless.add(ident)
                text = f"(name {ident})"
            found.append(self.strings.add(api_name(text) if of_calls else text))
        return np.array(found, np.int64)[place]

    def kernels(self) -> Kernels:
        parts = self._kernels({**_GPU, "graph_node": "graphNodeId=-1"}, _GPU)
        return Kernels.build(**self._of_process(_stacked(parts))) if parts else Kernels.empty()

    def bare_kernels(self) -> Kernels:
        """Their times and names; all else is 0."""
        times = {"start": "start", "end": "end"}
        parts = self._kernels(times, times)
        if not parts:
            return Kernels.empty()
        columns = _stacked(parts)
        nothing = np.zeros(len(columns["start"]), np.int64)
        return Kernels.build(**{name: columns.get(name, nothing) for name in Kernels.__dataclass_fields__})

    def _kernels(self, of_kernels: dict[str, str], of_graphs: dict[str, str]) -> list[dict[str, Column]]:
        name = "demangledName" if "demangledName" in columns_of(self.connection, _KERNEL) else "shortName"
        read = self.read(_KERNEL, {**of_kernels, "name": name})
        graphs = self.read(_GRAPH, {**of_graphs, "name": "graphId=0"})
        parts = []
        if read is not None:
            parts.append({**read, "name": self.names(read["name"])})
        if graphs is not None:
            titles = {int(i): self.strings.add(f"{WHOLE_GRAPH}{i}") for i in distinct(graphs["name"])}
            graphs["name"] = np.array([titles[int(i)] for i in graphs["name"]], np.int64)
            parts.append({**graphs, "graph_node": np.full(len(graphs["name"]), -1, np.int64)})
        return parts

    def copies(self) -> Copies:
        parts = [
            self.read(_MEMCPY, {**_GPU, "kind": "copyKind=0", "bytes": "bytes=0"}),
            self.read(_MEMSET, {**_GPU, "kind": f"={MEMSET}", "bytes": "bytes=0"}),
        ]
        found = [part for part in parts if part is not None]
        return Copies.build(**self._of_process(_stacked(found))) if found else Copies.empty()

    def _of_process(self, columns: dict[str, Column]) -> dict[str, Column]:
        ids = known_ids(columns["correlation"])
        return {**columns, "correlation": ids, "process": self.threads.process(columns["process"])}

    def calls(self) -> Calls:
        wanted = {"start": "start", "end": "end", "thread": "globalTid=0", "correlation": "correlationId=-1"}
        read = self.read(_RUNTIME, {**wanted, "name": "nameId"})
        if read is None:
            return Calls.empty()
        name = self.names(read["name"], of_calls=True)
        kinds = np.array([call_kind(text) for text in self.strings.texts] or [0])
        thread, ids = self.threads.thread(read["thread"]), known_ids(read["correlation"])
        return Calls.build(**{**read, "name": name, "thread": thread, "correlation": ids}, kind=kinds[name])

    def ranges(self, last: int) -> Spans:
        """Push/pop ranges in one lane per domain; start/end ranges spread over lanes. An open range ends at last."""
        kinds = _PUSH_POP + _START_END
        domain = {"thread": "globalTid=0", "domain": "domainId=0"}
        wanted = {"start": "start", "end": "end=-1", "type": "eventType", **domain, "id": "textId=-1"}
        read = self.read(_NVTX, wanted, ("eventType", kinds))
        if read is None or not len(read["start"]):
            return Spans.empty()
        last = max(last, int(read["start"].max()), int(read["end"].max()))
        end = np.where(read["end"] < 0, last, read["end"])
        number, title = self._domains(read["thread"], read["domain"])
        thread = self.threads.thread(read["thread"])
        crossing = np.isin(read["type"], _START_END)
        spread_over = spread(thread, read["start"], end, crossing)
        if spread_over.max() > _MOST_DISTINCT:
            raise ValueError(f"more than {_MOST_DISTINCT} ranges open at once")
        lane = np.where(crossing, len(title) + spread_over, number)
        name = self._range_names(read["id"], f"eventType IN {kinds}")
        return Spans.build(start=read["start"], end=end, thread=thread, name=name, domain=title[number], lane=lane)

    def _range_names(self, ids: Column, where: str) -> Column:
        """Inline text where there is any, else the registered string."""
        inline = np.full(len(ids), -1, np.int64)
        if self._has_inline_text():
            rows = self.connection.execute(f"SELECT text FROM {_NVTX} NOT INDEXED WHERE {where}")  # noqa: S608
            add, none = self.strings.add, -1
            inline = np.fromiter((none if text is None else add(text_of(text)) for (text,) in rows), np.int64, len(ids))
        registered = (inline < 0) & (ids >= 0)
        inline[registered] = self.names(ids[registered])
        inline[inline < 0] = self.strings.add("")
        return inline

    def _has_inline_text(self) -> bool:
        if "text" not in columns_of(self.connection, _NVTX):
            return False
        query = f"SELECT 1 FROM {_NVTX} WHERE text IS NOT NULL AND eventType != {_NEW_DOMAIN} LIMIT 1"  # noqa: S608
        return self.connection.execute(query).fetchone() is not None

    def _domains(self, thread: Column, domain: Column) -> tuple[Column, Column]:
        """[n] the number of each range's domain, and the string index of each domain's name."""
        titles = self._domain_titles()
        processes, process = encode(thread >> 24)
        domains, place = encode(domain)
        if len(domains) > _MOST_DISTINCT:
            raise ValueError(f"more than {_MOST_DISTINCT} domains")
        pairs, place = encode(process * len(domains) + place)
        known = [(int(processes[pair // len(domains)]), int(domains[pair % len(domains)])) for pair in pairs]
        texts = [titles.get(pair, "" if pair[1] == 0 else f"domain {pair[1]}") for pair in known]
        order = {text: number for number, text in enumerate(dict.fromkeys(texts))}
        number = np.array([order[text] for text in texts], np.int64)[place]
        return number, np.array([self.strings.add(text) for text in order], np.int64)

    def _domain_titles(self) -> dict[tuple[int, int], str]:
        """Names of NVTX domains by (process, domain id)."""
        columns = columns_of(self.connection, _NVTX)
        if not {"domainId", "globalTid"} <= columns:
            return {}
        text = "text" if "text" in columns else "NULL"
        ident = "textId" if "textId" in columns else "NULL"
        rows = self.connection.execute(
            f"SELECT globalTid, domainId, {text}, {ident} FROM {_NVTX}"  # noqa: S608
            f" WHERE eventType = {_NEW_DOMAIN} LIMIT {_MOST_DISTINCT}"
        )
        return {(int(tid or 0) >> 24, int(domain or 0)): self._title(text, ident) for tid, domain, text, ident in rows}

    def _title(self, text: Any, ident: Any) -> str:
        return text_of(text) if text is not None else self.texts.get(int(ident or 0)) or ""

    def epoch(self) -> int | None:
        """Unix ns of the trace's zero, where the export tells."""
        if "utcEpochNs" not in columns_of(self.connection, "TARGET_INFO_SESSION_START_TIME"):
            return None
        row = self.connection.execute("SELECT utcEpochNs FROM TARGET_INFO_SESSION_START_TIME").fetchone()
        return int(row[0]) if row and row[0] is not None else None


_GPU = {
    "start": "start",
    "end": "end",
    "device": "deviceId=0",
    "stream": "streamId=0",
    "process": "globalPid=0",
    "correlation": "correlationId=-1",
}


def _stacked(parts: list[dict[str, Column]]) -> dict[str, Column]:
    """The columns that the first part has."""
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

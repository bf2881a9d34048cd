"""The rows of a timeline as its Record keeps them, and the Record's lines by today's table of classes.

Names stand in the document once; a path of names is a node of a tree, [its parent, its last name], -1 the empty one.
Records from before rows were kept hold lines instead, which nobody can classify again: they are taken as they are.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bench.record import causes as c
from bench.record.errors import RecordError
from bench.record.metrics import S_PER_NS
from bench.record.packed import unpacked as gunzipped
from bench.record.schema import Metric, Record, metric

from .classes import table_for
from .costs import IdleSource, Ns, StepCosts
from .cpu import CpuRows
from .paths import Names
from .rows import Columns, GpuRows, Launched
from .segments import OperatorKind, Places, StepPlace

Rows = GpuRows | CpuRows
Document = Mapping[str, Any]


class _Written:
    """Names and paths as they are numbered in one document."""

    def __init__(self) -> None:
        self.names: dict[str, int] = {}
        self.nodes: dict[tuple[int, int], int] = {}

    def name(self, text: str | None) -> int:
        return -1 if text is None else self.names.setdefault(text, len(self.names))

    def path(self, names: Names) -> int:
        node = -1
        for text in names:
            node = self.nodes.setdefault((node, self.name(text)), len(self.nodes))
        return node

    def document(self) -> dict[str, Any]:
        return {"names": list(self.names), "paths": [list(node) for node in self.nodes]}


def packed_rows(rows: Rows, undisturbed: GpuRows | None = None) -> dict[str, str]:
    """What a Record's ledger keeps of its rows, and of the same work without its observer, where that is known."""
    found = {"rows": packed(document_of(rows))}
    return found if undisturbed is None else {**found, "undisturbed": packed(_columns_of(undisturbed))}


def document_of(rows: Rows) -> dict[str, Any]:
    """The rows as plain JSON types: for a GPU ``busy`` (and ``stalls``, ``gaps``) are [kind, ns of each step]; for a
    CPU ``ns`` (and ``operators``, ``range_ends``) hold a row of steps for each place, one value where all are equal."""
    written = _Written()
    if isinstance(rows, GpuRows):
        kinds = [[written.name(k.name), written.path(k.operators), written.path(k.ranges)] for k in rows.kinds]
        return {**written.document(), "kinds": kinds, **_columns_of(rows)}
    places = rows.places
    kinds = [
        [kind.parent, written.path(kind.path), written.path(kind.ranges), written.name(kind.after), int(kind.calls)]
        for kind in places.kinds
    ]
    return {
        **written.document(), "kinds": kinds, "chains": [list(chain) for chain in places.chains],
        "places": [list(place) for place in places.places], "wall": rows.ns.sum(axis=0).tolist(), "ns": _short(rows.ns),
        "operators": _short(rows.operators), "range_ends": _short(rows.ranges), "attention": _listed(rows.attention),
    }  # fmt: skip


def _columns_of(rows: GpuRows) -> dict[str, Any]:
    return {
        "wall": rows.wall.tolist(), "busy": _listed(rows.busy), "stalls": _listed(rows.stalls),
        "gaps": _listed(rows.gaps), "attention": rows.attention.tolist(), "lengths": rows.lengths.tolist(),
    }  # fmt: skip


def packed(document: Document) -> str:
    """A document as text that takes little room in a Record: its JSON, gzipped, as base64."""
    return base64.b64encode(gzip.compress(json.dumps(document, separators=(",", ":")).encode(), mtime=0)).decode()


def unpacked(text: str) -> Any:
    """The document again. Raises RecordError where it is damaged."""
    try:
        return json.loads(gunzipped(base64.b64decode(text, validate=True)))
    except (ValueError, RecursionError) as error:
        raise RecordError(f"malformed record: the rows of its ledger cannot be unpacked ({error})") from error


def _listed(columns: Columns) -> list[list[int]]:
    return [[number, *ns.tolist()] for number, ns in columns.items()]


def _short(table: Ns) -> list[list[int]]:
    return [row[:1] if len(set(row)) == 1 else row for row in table.tolist()]


def rows_of(document: Document) -> Rows:
    """The rows that a document holds. Raises RecordError for one that holds none."""
    try:
        return (_of_cpu if "places" in document else _of_gpu)(document, _paths(document))
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise RecordError(f"malformed record: the rows of its ledger contradict each other ({error})") from error


def _paths(document: Document) -> Callable[[int], Names]:
    names = document["names"]
    made: list[Names] = []
    for parent, name in document["paths"]:
        made.append((*_value_at(made, parent, ()), _value_at(names, name)))
    return lambda node: _value_at(made, node, ())


def _value_at(values: Sequence[Any], place: int, none: Any = None) -> Any:
    """The value at a place, ``none`` for -1. Raises IndexError for a place that is not there."""
    if place < -1:
        raise IndexError(place)
    return none if place == -1 else values[place]


def _of_gpu(document: Document, path: Callable[[int], Names]) -> GpuRows:
    kinds = tuple(
        Launched(_value_at(document["names"], name), path(operators), path(ranges))
        for name, operators, ranges in document["kinds"]
    )
    return with_columns(kinds, document)


def with_columns(kinds: tuple[Launched, ...], document: Document) -> GpuRows:
    """Rows of kinds that are known. Raises ValueError where they do not fit."""
    steps = len(document["wall"])
    wall, attention = (_column(document[name], steps) for name in ("wall", "attention"))
    busy = _numbered(document["busy"], len(kinds), steps)
    stalls, gaps = (_numbered(document[name], len(kinds) + 2, steps) for name in ("stalls", "gaps"))
    return GpuRows(kinds, wall, busy, stalls, gaps, attention, _column(document["lengths"], len(kinds)))


def _of_cpu(document: Document, path: Callable[[int], Names]) -> CpuRows:
    kinds, steps = list[OperatorKind](), len(document["wall"])
    for parent, own, ranges, after, calls in document["kinds"]:
        _value_at(kinds, parent)
        kinds.append(OperatorKind(parent, path(own), path(ranges), _value_at(document["names"], after), bool(calls)))
    chains = tuple(tuple(chain) for chain in document["chains"])
    places = tuple(StepPlace(*place) for place in document["places"])
    _all_at(kinds, (kind for chain in chains for kind in chain))
    _all_at(kinds, (kind for place in places for kind in place[:2]))
    _all_at(chains, (place.chain for place in places))
    ns, operators, ends = (_table(document[name], len(places), steps) for name in ("ns", "operators", "range_ends"))
    attention = _numbered(document["attention"], len(places), steps)
    return CpuRows(Places(tuple(kinds), chains, places), ns, operators, ends, attention)


def _all_at(values: Sequence[Any], places: Iterable[int]) -> None:
    for place in places:
        _value_at(values, place)


def _column(values: Sequence[int], size: int) -> Ns:
    if len(values) != size:
        raise ValueError(f"{len(values)} values instead of {size}")
    return np.array(values, np.int64)


def _table(rows: Sequence[Sequence[int]], size: int, steps: int) -> Ns:
    if len(rows) != size:
        raise ValueError(f"{len(rows)} rows instead of {size}")
    whole = [_column(row * steps if len(row) == 1 else row, steps) for row in map(list, rows)]
    return np.array(whole, np.int64).reshape(size, steps)


def _numbered(rows: Iterable[Sequence[int]], size: int, steps: int) -> dict[int, Ns]:
    found = {number: _column(ns, steps) for number, *ns in rows}
    if found and not (min(found) >= 0 and max(found) < size):
        raise ValueError(f"a row of {max(found)}, of {size}")
    return found


def with_lines(record: Record) -> Record:
    """The Record with the lines of its ledger, classified now, where it has rows. Raises RecordError where they are
    damaged."""
    told = record.setup.get("ledger", {})
    if "rows" not in told or record.status != "ok":
        return record
    classes, rows = table_for(told["bitsandbytes"]), rows_of(unpacked(told["rows"]))
    observed = best = rows.costs(classes)
    metrics = lines("observed", observed)
    if "undisturbed" in told and isinstance(rows, GpuRows):
        best = with_columns(rows.kinds, unpacked(told["undisturbed"])).costs(classes)
        metrics += lines("ledger", best)
    others = {name: value for name, value in told.items() if name not in ("rows", "undisturbed")}
    setup = {**record.setup, "ledger": {**others, **_ledger(observed, best)}}
    return replace(record, metrics=(*record.metrics, *metrics), setup=setup)


def _ledger(observed: StepCosts, best: StepCosts) -> dict[str, Any]:
    """What stands beside the lines. ``best``: the costs without the observer, where these are known."""
    ranked = sorted(best.sources.items(), key=lambda item: -float(abs(item[1]).sum()))
    return {
        "sources": [
            {**vars(source), "seconds": (ns * S_PER_NS).tolist(), **_events(best, source)} for source, ns in ranked
        ],
        "unknown": dict(observed.unknown),
        "events": {name: _events(observed, name) for name in observed.causes if name in observed.events},
        "attention_call": {name: (ns * S_PER_NS).tolist() for name, ns in best.attention.items()},
    }


def lines(kind: str, costs: StepCosts) -> tuple[Metric, ...]:
    """Each line of the observed steps, as ``kind``: "observed", or "ledger" for those without the observer."""
    known = ((name, ns) for name, ns in costs.causes.items() if name in c.OBSERVED)
    return tuple(metric(f"{kind}_{name}_per_step", ns * S_PER_NS) for name, ns in known)


def _events(costs: StepCosts, key: str | IdleSource) -> dict[str, list[int]]:
    """What the observer recorded inside the time of a cause or source, per step."""
    if key not in costs.events:
        return {}
    operators, ends = costs.events[key]
    return {"operators": operators.tolist(), "range_ends": ends.tolist()}

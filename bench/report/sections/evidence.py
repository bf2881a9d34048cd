"""The section on what the hardware and the host did: timelines, counters, host stacks and flamegraphs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from bench.analysis import evidence
from bench.analysis.dispatch import dispatch
from bench.analysis.generation import GenerationGroup
from bench.record.schema import Artifact, Record
from bench.report.content import FigureSpec, Section, Table

from . import tables_evidence as tables

ANCHOR = "evidence"
MOST_FLAMEGRAPHS = 6
_SVG_PATH = re.compile(r"artifacts/[\w.-]+/[\w-]+\.svg")  # inside the run folder
_ELEMENTS = frozenset(("svg", "g", "rect", "text", "title", "style"))
# A style in the page applies to the whole page: what it may say is what our own flamegraphs say.
_RULE = r"\.flamegraph[\w .-]*\{(?:(?:fill|color|font):[\w #.,%-]+;?)*\}"
_STYLE = re.compile(rf"(?:{_RULE}|@media \(prefers-color-scheme:dark\)\{{(?:{_RULE})*\}})*", re.ASCII)
_ATTRIBUTES = frozenset(("viewBox", "class", "role", "aria-label", "x", "y", "width", "height"))


@dataclass(frozen=True)
class Flamegraph:
    """A drawing that an observer made. ``artifact`` is relative to the run folder."""

    name: str
    title: str
    caption: str
    artifact: Artifact


def section(records: Sequence[Record], groups: Sequence[GenerationGroup] = ()) -> Section | None:
    """The section; None where nothing was observed. ``groups``: the run's end-to-end times."""
    issued = tables.dispatch(dispatch(records, groups))
    if issued is None and not any(record.instrument in evidence.INSTRUMENTS for record in records):
        return None
    steps, counters, host = evidence.steps(records), evidence.counters(records), evidence.host(records)
    found: tuple[Table | None, ...] = (
        tables.steps(steps), tables.counters(counters), tables.host(host), issued,
        tables.top(evidence.top(records)),
    )  # fmt: skip
    text = (
        "One observer per run, apart from the timed runs: a profiler slows the host down, so no time here is a timing.",
        *tables.missing((*steps, *host)),
    )
    figures = tuple(FigureSpec(item.name, item.title, item.caption, _drawn) for item in flamegraphs(records))
    title = "What the hardware and the host did"
    return Section(ANCHOR, title, text, figures, tuple(item for item in found if item))


def _drawn() -> None:
    """The observer has drawn it: ``pictures`` has it."""
    raise AssertionError("this figure is an artifact of the run: take it from evidence.pictures")


def flamegraphs(records: Sequence[Record]) -> tuple[Flamegraph, ...]:
    """The flamegraphs of the decode loop with native frames, one per Case; where there is none, Python's own."""
    chosen: dict[str, Record] = {}
    for record in evidence.latest(records, evidence.HOST):
        if record.status == "ok":
            chosen[record.case_id] = record  # "everything" is the later of the two
    drawn = [(record, artifact) for record in chosen.values() for artifact in record.artifacts]
    found = [(record, artifact) for record, artifact in drawn if _SVG_PATH.fullmatch(artifact.path)]
    return tuple(_flamegraph(record, artifact, place) for place, (record, artifact) in enumerate(found))[
        :MOST_FLAMEGRAPHS
    ]


def _flamegraph(record: Record, artifact: Artifact, place: int) -> Flamegraph:
    title = f"Host stacks in the decode loop: {record.case.scheme}"
    caption = (
        f"Measured: py-spy samples of {record.case.model} in {record.case.scheme}, batch {record.case.batch_size}, on "
        f"{record.case.device}. Width: share of samples. Point at a box for its name. File: {artifact.path}."
    )
    return Flamegraph(f"flamegraph-{place}", title, caption, artifact)


def pictures(run_folder: Path, records: Sequence[Record]) -> dict[str, str]:
    """By name of the figure: what stands for it in the page, the drawing itself or a line that it cannot be shown."""
    gone = "<p>Not shown: the drawing is missing, was changed since it was recorded, or is no plain drawing.</p>"
    return {item.name: drawing(run_folder, item) or gone for item in flamegraphs(records)}


def paths(records: Sequence[Record]) -> dict[str, str]:
    """By name of the figure: its file in the run folder."""
    return {item.name: item.artifact.path for item in flamegraphs(records)}


def drawing(run_folder: Path, flamegraph: Flamegraph) -> str | None:
    """The SVG, fit to stand in a page; None where the file is gone, was changed, or holds more than a drawing."""
    try:
        content = (run_folder / flamegraph.artifact.path).read_bytes()
    except OSError:
        return None
    if hashlib.sha256(content).hexdigest() != flamegraph.artifact.sha256:
        return None
    text = content.decode(errors="replace")
    return text if only_a_drawing(text) else None


def only_a_drawing(text: str) -> bool:
    """True for an SVG of boxes and texts alone: a run folder may come from elsewhere, and a page runs what it holds."""
    if "<!" in text or "<?" in text:
        return False
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - no DOCTYPE, so no entities
    except ElementTree.ParseError:
        return False
    return all(map(_is_drawn, root.iter()))


def _is_drawn(element: ElementTree.Element) -> bool:
    name = element.tag.rpartition("}")[2]
    fit = name != "style" or (len(element) == 0 and _STYLE.fullmatch(element.text or "") is not None)
    return name in _ELEMENTS and set(element.attrib) <= _ATTRIBUTES and fit

"""Drawings that an observer made, such as a flamegraph: shown in a page where they are plain drawings, unchanged."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from xml.etree import ElementTree

from bench.record.schema import Artifact

_SVG_PATH = re.compile(r"artifacts/[\w.-]+/[\w-]+\.svg")  # inside the run folder
_ELEMENTS = frozenset(("svg", "g", "rect", "text", "title", "style"))
# A style in the page applies to the whole page: what it may say is what our own flamegraphs say.
_RULE = r"\.flamegraph[\w .-]*\{(?:(?:fill|color|font):[\w #.,%-]+;?)*\}"
_STYLE = re.compile(rf"(?:{_RULE}|@media \(prefers-color-scheme:dark\)\{{(?:{_RULE})*\}})*", re.ASCII)
_ATTRIBUTES = frozenset(("viewBox", "class", "role", "aria-label", "x", "y", "width", "height"))
_GONE = "<p>Not shown: the drawing is missing, was changed since it was recorded, or is no plain drawing.</p>"


def is_svg(artifact: Artifact) -> bool:
    """Whether its path is that of an SVG inside the run folder."""
    return _SVG_PATH.fullmatch(artifact.path) is not None


def picture(run_folder: Path, artifact: Artifact) -> str:
    """What stands for it in the page: the drawing itself, or a line that it cannot be shown."""
    return drawing(run_folder, artifact) or _GONE


def drawing(run_folder: Path, artifact: Artifact) -> str | None:
    """The SVG, fit to stand in a page; None where the file is gone, was changed, or holds more than a drawing."""
    try:
        content = (run_folder / artifact.path).read_bytes()
    except OSError:
        return None
    if hashlib.sha256(content).hexdigest() != artifact.sha256:
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

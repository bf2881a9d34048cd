"""matplotlib's figures as files, and as SVG that can live inside a page; and drawings that an observer made, such as a
flamegraph, shown in a page where they are plain drawings, unchanged.

The inline form of a figure carries no address, no metadata and no ids that another figure could share, and takes its
colours from the page's CSS variables.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from bench.record.files import replace_bytes, replacing
from bench.record.schema import Artifact

from .palette import ROLES
from .visible import visible

# A style that more elements have than this becomes a class.
_SHARED = 3
# Begins the id of what has a text of its own; matplotlib escapes ids as it does texts.
_TIP = "tip "
_NAME = re.compile(r"[A-Za-z0-9][\w-]*", re.ASCII)
_PNG_BEGINS, _PNG_ENDS = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
DOTS_PER_INCH = 160  # of the PNG
_RULES = {"svg.fonttype": "none", "text.parse_math": False, "axes.unicode_minus": True}
_SVG_PATH = re.compile(r"artifacts/[\w.-]+/[\w-]+\.svg")  # inside the run folder
_ELEMENTS = frozenset(("svg", "g", "rect", "text", "title", "style"))
# A style in the page applies to the whole page: what it may say is what our own flamegraphs say.
_RULE = r"\.flamegraph[\w .-]*\{(?:(?:fill|color|font):[\w #.,%-]+;?)*\}"
_STYLE = re.compile(rf"(?:{_RULE}|@media \(prefers-color-scheme:dark\)\{{(?:{_RULE})*\}})*", re.ASCII)
_ATTRIBUTES = frozenset(("viewBox", "class", "role", "aria-label", "x", "y", "width", "height"))
_GONE = "<p>Not shown: the drawing is missing, was changed since it was recorded, or is no plain drawing.</p>"


def rendered(figure: Any, name: str) -> str:
    """The figure as a whole SVG document; ``name`` seeds its ids, so that the text is the same each time."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    buffer = io.StringIO()
    # Not by savefig, which draws twice: once for the layout alone, which drawing finds by itself.
    with mpl.rc_context(_RULES | {"svg.hashsalt": name}):
        FigureCanvasSVG(figure).print_svg(
            buffer, metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
    text = visible(buffer.getvalue())  # XML knows no control characters, and matplotlib writes them
    return re.sub(rf'<g id="{_TIP}([^"]*)">', r"<g><title>\1</title>", text)


def tell(artist: Any, text: str) -> None:
    """What a reader is told who points at this part of a figure."""
    artist.set_gid(_TIP + text)


def files(folder: Path, name: str) -> tuple[Path, Path]:
    """Where ``save`` writes."""
    return folder / f"{name}.svg", folder / f"{name}.png"


def save(figure: Any, folder: Path, name: str) -> tuple[str, list[Path]]:
    """Write ``name``.svg and ``name``.png in ``folder``; returns the SVG document and the paths. Where both are there
    already, as of a report made again, the PNG is not drawn again: that is a third of all drawing. A figure that is an
    SVG document already has no PNG.

    Raises ValueError for a name that is not a plain word: it becomes a file's name and an id in the page.
    """
    import matplotlib as mpl

    if not _NAME.fullmatch(name):
        raise ValueError(f"not a figure's name: {name!r}")

    vector, raster = files(folder, name)
    if isinstance(figure, str):
        replace_bytes(vector, figure.encode())
        return figure, [vector]
    document = rendered(figure, name)
    if _drawn(vector, document) and _is_complete(raster):
        return document, [vector, raster]
    figure.set_layout_engine("none")  # the SVG's layout serves the PNG: finding it is a third of all drawing
    with mpl.rc_context(_RULES), replacing(raster) as stream:
        figure.savefig(stream, format="png", dpi=DOTS_PER_INCH)
    replace_bytes(vector, document.encode())  # last: until then the old document says that the new PNG is not of it
    return document, [vector, raster]


def _drawn(vector: Path, document: str) -> bool:
    """Whether the file holds this very document: then its PNG is of it too."""
    return vector.is_file() and vector.read_bytes() == document.encode()


def _is_complete(raster: Path) -> bool:
    return raster.is_file() and (data := raster.read_bytes()).startswith(_PNG_BEGINS) and data.endswith(_PNG_ENDS)


def inline(document: str, name: str, title: str) -> str:
    """An SVG element for a page, from a whole document. ``title`` is escaped text for screen readers."""
    body = document[document.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", body)
    body = _shortened(body.replace("xlink:href=", "href="))
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'(href="|url\()#', rf"\1#{name}-", body)
    for role in ROLES:
        body = re.sub(re.escape(role.light), f"var({role.variable})", body, flags=re.IGNORECASE)
    body = re.sub(r'(<svg[^>]*?)\swidth="[^"]*"', r"\1", body, count=1)
    body = re.sub(r'(<svg[^>]*?)\sheight="[^"]*"', r"\1", body, count=1)
    body = _classed(body, name)
    return body.replace("<svg", f'<svg role="img" aria-label="{visible(title)}"', 1)


def _shortened(body: str) -> str:
    """The same drawing in about half as many characters: no ids that nothing refers to, no spaces that nothing needs,
    coordinates to a hundredth of a point."""
    used = dict.fromkeys(re.findall(r"""(?:href="|url\()#([^")]+)""", body))
    short = {name: str(place) for place, name in enumerate(used)}
    body = re.sub(r' id="([^"]*)"', lambda found: f' id="{short[found[1]]}"' if found[1] in short else "", body)
    body = re.sub(r"""((?:href="|url\()#)([^")]+)""", lambda found: found[1] + short[found[2]], body)
    return re.sub(r"<[^>]+>\s*(?=<)|<[^>]+>", lambda found: _short_tag(found[0].rstrip()), body)


def _short_tag(tag: str) -> str:
    if tag.startswith("<text"):
        tag = tag.replace("font-family: 'DejaVu Sans'; ", "")  # the page's own font stands in its place
        tag = re.sub(r' transform="rotate\(-?0 [^"]*"', "", tag)
    tag = re.sub(r"-?\d+\.\d{3,}", lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), tag)
    return re.sub(r"\s*\n\s*", " ", re.sub(r"(?<=[:;]) |\s*\n\s*(?=\")", "", tag))


def _classed(body: str, name: str) -> str:
    """Each style that many elements share once, as a class that starts with ``name``."""
    shared = [style for style, count in Counter(re.findall(r' style="([^"]*)"', body)).items() if count > _SHARED]
    rules = {style: f"{name}-s{place}" for place, style in enumerate(shared)}
    body = re.sub(
        r' style="([^"]*)"', lambda found: f' class="{rules[found[1]]}"' if found[1] in rules else found[0], body
    )
    style_rules = "".join(f".{rule}{{{style}}}" for style, rule in rules.items())
    return body.replace(">", f"><style>{style_rules}</style>", 1) if style_rules else body


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

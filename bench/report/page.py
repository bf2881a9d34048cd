"""Writes the report of a run: report.md, one self-contained report.html, and the figures. Nothing else in this room
writes files."""

from __future__ import annotations

import base64
import hashlib
import html
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

from bench.record.files import replace_bytes
from bench.record.schema import Artifact

from . import markdown, palette, svg, units
from .content import FIRST_TITLE, NOTHING, Report, Section, Table
from .svg import picture
from .visible import visible

# Not folded in a page with tabs: what a reader who knows the answer asks next.
OPEN = ("ledger",)
TRACE_HELP = (
    "In Perfetto: ui.perfetto.dev, “Open trace file”, choose the file. In speedscope: speedscope.app, “Browse”. Both "
    "read it in the browser and send it nowhere."
)
OF_NSYS = " Neither reads what nsys wrote: make a Chrome trace of it with the verb 'export'."
_MOST_COLUMNS = 24


def write(run_folder: Path, report: Report) -> list[Path]:
    """Write a report into a run folder; returns the paths written. Raises OSError where it cannot be written."""
    folder = run_folder / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    ready = {figure.name: picture(run_folder, figure.artifact) for figure in report.figures if figure.artifact}
    drawn, written = drawn_figures(report, folder)
    return [
        _write(run_folder / "report.md", markdown.render(report, figure_paths(report))),
        _write(run_folder / "report.html", render_html(report, drawn | ready)),
        *written,
    ]


def figure_paths(report: Report) -> dict[str, str]:
    """By name of the figure: its file in the run folder."""
    return {
        figure.name: figure.artifact.path if figure.artifact else f"figures/{figure.name}.svg"
        for figure in report.figures
    }


def drawn_figures(report: Report, folder: Path) -> tuple[dict[str, str], list[Path]]:
    """By name: each figure as SVG for the page; and the files that were written into ``folder``. Not those that another
    program drew."""
    inline: dict[str, str] = {}
    written: list[Path] = []
    for figure in report.figures:
        if figure.artifact:
            continue
        document, paths = svg.save(figure.draw(), folder, figure.name)
        inline[figure.name] = svg.inline(document, figure.name, html.escape(figure.title))
        written += paths
    return inline, written


def render_html(report: Report, figures: Mapping[str, str]) -> str:
    """The page. ``figures``: name → inline SVG, whose own texts matplotlib has escaped; all else is escaped here."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    template = Environment(
        autoescape=True, finalize=_shown, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).from_string(_own("page.html"))
    script = _own("page.js")
    return template.render(
        report=report,
        first_title=FIRST_TITLE,
        nothing=NOTHING,
        open_sections=OPEN,
        trace_help=_trace_help,
        right_columns=_right_columns,
        counts_of=_counts_of,
        style=Markup(_style()),  # noqa: S704 — our own file
        script=Markup(script),  # noqa: S704 — our own file
        script_hash=f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}",
        figures={name: Markup(text) for name, text in figures.items()},  # noqa: S704 — escaped by matplotlib
    )


def _own(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _style() -> str:
    colours = f":root{{{palette.css(False)}}}@media (prefers-color-scheme:dark){{:root{{{palette.css(True)}}}}}"
    places = range(1, _MOST_COLUMNS + 1)
    right = ",".join(f".r{place} td:nth-child({place}),.r{place} th:nth-child({place})" for place in places)
    return f"{colours}{_own('page.css')}{right}{{text-align:right}}"


def _trace_help(traces: Sequence[Artifact]) -> str:
    """How these files are opened."""
    chrome = all(trace.path.endswith((".json", ".json.gz")) for trace in traces)
    return TRACE_HELP + ("" if chrome else OF_NSYS)


def _counts_of(section: Section) -> str:
    """Beside the title of a section that is folded: what its findings are."""
    counts = Counter(item.finding.severity for item in section.findings)
    return ", ".join(units.plural(count, severity) for severity, count in counts.items())


def _right_columns(table: Table) -> str:
    """Classes for the columns that end at the right: a class for each cell would be a fifth of a page."""
    return " ".join(f"r{place}" for place, column in enumerate(table.columns, 1) if column.right)


def _shown(value: object) -> object:
    """What the page shows of a value; Markup is a str of ours, and goes as it is."""
    return visible(value) if type(value) is str else value


def _write(path: Path, text: str) -> Path:
    replace_bytes(path, text.encode())
    return path

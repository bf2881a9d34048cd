"""Writes a page of the study: Markdown, HTML and figures. Nothing else in this room writes files."""

from __future__ import annotations

from pathlib import Path

from bench.record.files import replace_bytes
from bench.report import markdown, page, svg
from bench.report.content import Report


def write(folder: Path, report: Report, name: str = "study") -> list[Path]:
    """``name``.md, ``name``.html and figures/ in ``folder``; the paths written. Raises OSError."""
    figures = folder / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    inline, written = page.drawn_figures(report, figures)
    pages = {
        folder / f"{name}.md": markdown.render(report, {name: f"figures/{name}.svg" for name in inline}),
        folder / f"{name}.html": page.render_html(report, inline),
    }
    for path, text in pages.items():
        replace_bytes(path, text.encode())
    return [*pages, *written]


def write_paper(file: Path, report: Report) -> list[Path]:
    """The Markdown alone as ``file``, its figures as SVG in a folder of its name beside it. Raises OSError."""
    folder = file.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    written = [file]
    for figure in report.figures:
        written.append(folder / f"{figure.name}.svg")
        replace_bytes(written[-1], svg.rendered(figure.draw(), figure.name).encode())
    places = {figure.name: f"{folder.name}/{figure.name}.svg" for figure in report.figures}
    replace_bytes(file, markdown.render(report, places).encode())
    return written

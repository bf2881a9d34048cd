"""The report as Markdown."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping

from .content import FIRST_TITLE, NOTHING, Answer, CountedFinding, Point, Report, Section, Table
from .visible import visible

_SPECIAL = re.compile(r"([\\`*_\[\]|#~])")
# What would begin a list or a rule, had it not stood in a sentence.
_LEADING = re.compile(r"^(?:[-+=](?=\s|$)|(?=[-=]{3})|(?:\d{1,9})(?=[.)](?:\s|$)))")


def escape(text: str) -> str:
    """Text that Markdown shows as it is: no markup, no HTML, one line."""
    line = _SPECIAL.sub(r"\\\1", html.escape(" ".join(visible(text).split()), quote=False))
    return _LEADING.sub(lambda found: found[0] + "\\" if found[0][:1].isdigit() else "\\" + found[0], line)


def render(report: Report, figures: Mapping[str, str]) -> str:
    """The whole document. ``figures``: name → path of its picture, relative to the run folder."""
    lines = [f"# {escape(report.title)}", "", f"Run {escape(report.run_id)}. {escape(report.counts)}", ""]
    if report.answer:
        lines += _answer(report.answer, figures)
    verdicts = [
        f"- **{escape(line.verdict)}** {escape(line.sentence)}" for line in (*report.headlines, *report.not_measured)
    ]
    lines += verdicts or [NOTHING]
    lines += ["", f"Machine: {escape(report.machine)}", ""]
    lines += [f"> {escape(label)}\n" for label in report.labels]
    for table in report.summary:
        lines += _table(table, 3)
    for section in report.sections:
        lines += _section(section, figures)
    return "\n".join(lines).rstrip() + "\n"


def _answer(answer: Answer, figures: Mapping[str, str]) -> Iterable[str]:
    yield from (f"**{escape(answer.sentence)}**", "")
    if answer.figure:
        yield from (f"![{escape(answer.figure.title)}]({figures[answer.figure.name]})", "")
        yield from (f"*{escape(answer.figure.caption)}*", "")
    for title, points in (("Why", answer.causes), (FIRST_TITLE, answer.first), ("What to do", answer.actions)):
        if points:
            yield from (f"## {title}", "")
            yield from _points(points)
    if answer.preamble:
        yield from ("Before any of this code:", "", *fenced(answer.preamble, ""), "")


def _points(points: Iterable[Point]) -> Iterable[str]:
    for place, point in enumerate(points, 1):
        yield f"{place}. **{escape(point.title)}.** {escape(point.text)}".rstrip()
        if point.code:
            yield from ("", *fenced(point.code, "   "), "")
    yield ""


def fenced(text: str, indent: str) -> list[str]:
    """A block of code, its lines as they are: with more backticks around than it holds in a row."""
    lines = [visible(line) for line in text.splitlines()]
    fence = "`" * max(3, max((len(run) for line in lines for run in re.findall("`+", line)), default=0) + 1)
    return [f"{indent}{line}".rstrip() for line in (fence, *lines, fence)]


def _section(section: Section, figures: Mapping[str, str]) -> Iterable[str]:
    yield from (f"## {escape(section.title)}", "")
    for text in section.text:
        yield from (escape(text), "")
    for figure in section.figures:
        yield from (f"![{escape(figure.title)}]({figures[figure.name]})", "", f"*{escape(figure.caption)}*", "")
    for table in section.tables:
        yield from _table(table, 3)
    yield from _points(section.points) if section.points else ()
    for finding in section.findings:
        yield _finding(finding)
    if section.findings:
        yield ""


def _table(table: Table, level: int) -> Iterable[str]:
    yield from ("#" * level + f" {escape(table.title)}", "")
    yield "| " + " | ".join(escape(column.name) for column in table.columns) + " |"
    yield "|" + "|".join("---:" if column.right else "---" for column in table.columns) + "|"
    for row in table.rows:
        yield "| " + " | ".join(escape(cell.text) or " " for cell in row) + " |"
    yield ""
    if table.note:
        yield from (escape(table.note), "")


def _finding(item: CountedFinding) -> str:
    finding = item.finding
    text = f"- **{escape(finding.severity)}** {escape(finding.message)}"
    text += f" ({escape(finding.evidence)})" if finding.evidence else ""
    text += f". Remedy: {escape(finding.remedy)}" if finding.remedy else ""
    return text + (f". In {item.count} records." if item.count > 1 else ".")

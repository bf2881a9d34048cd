"""The report and the comparison in a terminal, readable at 80 columns and better at 140."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from bench.analysis.comparison import ComparisonRow
from bench.record.schema import Finding

from . import units
from .content import (
    FIRST_TITLE,
    Answer,
    Cell,
    Column,
    CountedFinding,
    Point,
    Report,
    Section,
    Table,
    Tone,
    table,
)
from .words import TONES, case_text, interval_text, verdict_cell

# Below this width the columns marked as detail are left out.
WIDE = 110
# A table with more rows than this is left to the report's files.
LONG = 60
STYLES: dict[Tone, str] = {
    "bad": "bold red",
    "good": "bold green",
    "same": "bold",
    "unsure": "bold yellow",
    "muted": "dim",
}


def print_built(report: Report, console: Console) -> None:
    """Print the verdicts, the main tables and the warnings."""
    _head(report, console)
    for item in report.summary:
        print_table(item, console)
    for section in report.sections:
        if not section.files_only:
            _section(section, console, report)


def print_section(section: Section, console: Console) -> None:
    """Print a section that is not part of a report."""
    _section(section, console, None)


def _section(section: Section, console: Console, report: Report | None) -> None:
    for text in section.text:
        console.print(Text(f"{section.title}: {text}", style="dim"))
    for item in section.tables:
        _section_table(item, report, console)
    if section.points:
        console.print(Text("The code of each: in the report's files, and with 'explain --json'.\n", style="dim"))
    for finding in section.findings:
        _finding(finding, console)


def _section_table(item: Table, report: Report | None, console: Console) -> None:
    """The table, unless it is long or the summary has said it all."""
    if len(item.rows) > LONG:
        console.print(Text(f"{item.title}: {len(item.rows)} rows, in the report's files.\n", style="dim"))
    elif not (report and item.title == "Decode throughput" and len(item.rows) == _summarised(report)):
        print_table(item, console)


def _summarised(report: Report) -> int:
    return sum(len(each.rows) for each in report.summary)


def _head(report: Report, console: Console) -> None:
    console.print(Text(report.title, style="bold"))
    if report.answer:
        print_answer(report.answer, console)
    for line in report.headlines:
        verdict = Text(f"{line.verdict:<10}", style=STYLES.get(line.tone, ""))
        console.print(verdict + Text(line.sentence, style="default"))
    console.print(Text(f"Machine: {report.machine}", style="dim"))
    console.print(Text(report.counts, style="dim"))
    for label in report.labels:
        console.print(Text(label, style="yellow"))
    console.print()


def print_answer(answer: Answer, console: Console) -> None:
    """The verdict, the causes and what to do."""
    console.print(Text(answer.sentence, style=STYLES.get(answer.tone, "bold")))
    for title, points in (("Why", answer.causes), (FIRST_TITLE, answer.first), ("What to do", answer.actions)):
        if points:
            console.print(Text(title, style="bold"))
        for place, point in enumerate(points, 1):
            _point(place, point, console)
    if answer.preamble:
        console.print(Text("Before any of this code", style="dim"))
        print_code(answer.preamble, console)
    console.print()


def _point(place: int, point: Point, console: Console) -> None:
    console.print(Text(f" {place}. {point.title}.") + Text(f" {point.text}", style="dim"))
    if point.code:
        print_code(point.code, console)


def print_code(text: str, console: Console) -> None:
    """Code as it is, from the first column on and not wrapped, so that it can be copied."""
    console.print(Text(text, style="cyan"), soft_wrap=True)


def print_table(source: Table, console: Console) -> None:
    """Print one table; columns marked as detail only where there is room for them."""
    wide = console.width >= WIDE
    shown = [index for index, column in enumerate(source.columns) if wide or not column.detail]
    console.print(Text(source.title, style="bold"))
    made = RichTable(header_style="bold", box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False)
    for index in shown:
        column = source.columns[index]
        made.add_column(Text(column.name), justify="right" if column.right else "left", overflow="fold")
    for row in source.rows:
        made.add_row(*(Text(row[index].text, style=STYLES.get(row[index].tone, "")) for index in shown))
    console.print(made)
    if source.note:
        console.print(Text(source.note, style="dim"))
    console.print()


def print_finding_line(finding: Finding, console: Console) -> None:
    """Print a finding that is not part of a report."""
    _finding(CountedFinding(finding, 1, ""), console)


def _finding(item: CountedFinding, console: Console) -> None:
    finding = item.finding
    style = {"error": "bold red", "warning": "bold yellow"}.get(finding.severity, "bold")
    text = Text(finding.severity, style=style) + Text(f": {finding.message}", style="default")
    text += Text(f" ({finding.evidence})" if finding.evidence else "", style="dim")
    console.print(text)
    if finding.remedy:
        console.print(Text(f"  → {finding.remedy}"))


def print_comparison(rows: Sequence[ComparisonRow], console: Console) -> None:
    """Print B against A, a row per Case and quantity, each ratio with its interval."""
    print_table(comparison_table(rows), console)
    counts = {word: sum(row.verdict == word for row in rows) for word in TONES}
    console.print(Text(", ".join(f"{count} {word}" for word, count in counts.items() if count), style="bold"))


def comparison_table(rows: Sequence[ComparisonRow]) -> Table:
    """The comparison as plain data."""
    columns = (
        Column("Case"),
        Column("Quantity"),
        Column("A", right=True, detail=True),
        Column("B", right=True, detail=True),
        Column("B ÷ A", right=True),
        Column("B is"),
    )
    several = len({row.case.model for row in rows}) > 1
    body = [_comparison(row, several) for row in rows]
    return table("B against A", columns, body, f"Above 1, B takes more. {interval_text(row.ratio for row in rows)}.")


def _comparison(row: ComparisonRow, several: bool) -> tuple[Cell | str, ...]:
    return (
        (f"{row.case.model} · " if several else "") + case_text(row.case, row.label_a),
        row.quantity,
        units.estimate(row.a, row.unit),
        units.estimate(row.b, row.unit),
        units.ratio(row.ratio),
        verdict_cell(row.verdict, amounts=row.unit == "J"),
    )

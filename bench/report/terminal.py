"""The report and the comparison in a terminal, readable at 80 columns and better at 140."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from bench.analysis.comparison import ComparisonRow
from bench.analysis.user_code import is_code
from bench.record.schema import Finding
from bench.record.suggested import broken

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
from .visible import visible
from .words import case_text, interval_text, verdict_cell

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
    for line in (*report.headlines, *report.not_measured):
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
    """Code as it is, from the first column on and not wrapped, so that it can be copied; a command that is too wide in
    several lines that a shell reads as one."""
    if is_code(text):
        console.print(Text(text, style="cyan"), soft_wrap=True)
    else:
        for each in text.splitlines():
            print_command(each, console, style="cyan")


def print_command(text: str, console: Console, *, style: str = "") -> None:
    """A command, perhaps with what it is for before it: never cut, and in lines that a shell reads as one."""
    console.print(Text(broken(text, console.width), style=style), soft_wrap=True)


def print_written(paths: Sequence[Path], console: Console) -> None:
    """What a reader opens of the files that were written."""
    for path in paths:
        if path.suffix in (".md", ".html"):
            print_path("written", path, console)


def print_path(what: str, path: Path, console: Console) -> None:
    """What was done, and the path that it was done to: in one line, or the path in one of its own, never cut."""
    text = f"{what}: {path}"
    shown = text if cell_len(text) <= console.width else f"{what}:\n{path}"
    console.print(Text(shown), soft_wrap=True)


def print_table(source: Table, console: Console, *, most: int | None = None) -> None:
    """Print one table; columns marked as detail only where there is room for them, the first ones first. ``most``: so
    many rows of it and no note, each row in one line where its figures leave room for its name."""
    widths = _widths(source, most)
    shown = _fitting(source, widths, console.width)
    console.print(Text(source.title, style="bold"))
    kept = [tuple(row[index] for index in shown) for row in source.rows[:most]]
    columns = [source.columns[index] for index in shown]
    if most is None or not print_lines(columns, kept, console):
        console.print(_rich(columns, kept))
    if most is not None and len(source.rows) > most:
        console.print(Text(f"… and {units.plural(len(source.rows) - most, 'more row')}", style="dim"))
    if source.note and most is None:
        console.print(Text(source.note, style="dim"))
    console.print()


def _rich(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> RichTable:
    made = RichTable(header_style="bold", box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False)
    for column in columns:
        made.add_column(Text(column.name), justify="right" if column.right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(Text(cell.text, style=STYLES.get(cell.tone, "")) for cell in row))
    return made


# A name that is cut to fewer letters tells nothing.
_NAME = 10


def print_lines(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], console: Console) -> bool:
    """Print each row in one line, the widest column of words cut to what the others leave. Where that is too little,
    nothing is printed, and the answer is False."""
    texts = [
        [visible(text) for text in (column.name, *(row[index].text for row in rows))]
        for index, column in enumerate(columns)
    ]
    widths = [max(map(cell_len, column)) for column in texts]
    words = [index for index, column in enumerate(columns) if not column.right]
    widest = max(words, key=lambda index: widths[index], default=0)
    room = console.width - sum(widths) + widths[widest] - 2 * (len(columns) - 1)
    if room < min(_NAME, widths[widest]):
        return False
    widths[widest] = min(room, widths[widest])
    for place in range(len(rows) + 1):
        line = Text()
        for index, column in enumerate(columns):
            text = texts[index][place]
            style = "bold" if place == 0 else STYLES.get(rows[place - 1][index].tone, "")
            line.append(_sized(text, widths[index], column.right), style)
            line.append("  " if index + 1 < len(columns) else "")
        line.rstrip()
        console.print(line, no_wrap=True)
    return True


def _sized(text: str, width: int, right: bool) -> str:
    if cell_len(text) > width:
        return set_cell_size(text, width - 1) + "…"
    return " " * (width - cell_len(text)) + text if right else set_cell_size(text, width)


# Columns of words are folded at about this width where figures need the room.
_FOLDED = 24


def _widths(source: Table, most: int | None) -> list[int]:
    """Of each column, in letters."""
    columns = zip(*(map(len, _texts(row)) for row in source.rows[:most]), strict=True) if source.rows[:most] else ()
    wide = [max(column) for column in columns] or [0] * len(source.columns)
    return [max(len(column.name), width) for column, width in zip(source.columns, wide, strict=True)]


def _texts(row: Sequence[Cell]) -> list[str]:
    return [cell.text for cell in row]


def _together(widths: Sequence[int], shown: Sequence[int]) -> int:
    return sum(widths[index] + 2 for index in shown) - 1


def _fitting(source: Table, widths: Sequence[int], width: int) -> list[int]:
    """The columns that are shown: those marked as detail go, the last first, until the rest fit. A long name is
    taken to be folded, or cut."""
    widths = [
        min(wide, width if column.right else _FOLDED) for column, wide in zip(source.columns, widths, strict=True)
    ]
    shown = list(range(len(source.columns)))
    for index in [index for index in shown if source.columns[index].detail][::-1]:
        if _together(widths, shown) <= width:
            break
        shown.remove(index)
    return shown


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


def comparison_counts(rows: Sequence[ComparisonRow]) -> list[Text]:
    """A line for each quantity: how many Cases B is slower in, and so on; decoding first."""
    verdicts: dict[str, Counter[str]] = {}
    for row in comparison_order(rows):
        verdicts.setdefault(row.quantity, Counter())[_verdict(row).text] += 1
    return [
        Text(f"B's {quantity}: ")
        + Text(", ".join(f"{count} {word}" for word, count in counts.most_common()), style="bold")
        for quantity, counts in verdicts.items()
    ]


def comparison_order(rows: Sequence[ComparisonRow]) -> list[ComparisonRow]:
    """Whole generations before single products, and of these decoding first: what a user waits for."""
    return sorted(rows, key=lambda row: (row.case.layer is not None, not row.quantity.startswith("decode")))


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
    body = [_comparison(row, several) for row in comparison_order(rows)]
    return table("B against A", columns, body, f"Above 1, B takes more. {interval_text(row.ratio for row in rows)}.")


def _comparison(row: ComparisonRow, several: bool) -> tuple[Cell | str, ...]:
    return (
        (f"{row.case.model} · " if several else "") + case_text(row.case, row.label_a),
        row.quantity,
        units.estimate(row.a, row.unit),
        units.estimate(row.b, row.unit),
        units.ratio(row.ratio),
        _verdict(row),
    )


def _verdict(row: ComparisonRow) -> Cell:
    return verdict_cell(row.verdict, amounts=row.unit == "J")

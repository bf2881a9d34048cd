"""What a report is made of, before it is Markdown, HTML or terminal text. Plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from bench.analysis.statistics.assumed import WORD
from bench.record.schema import Artifact, Finding

from .units import ASSUMED_NOTE

if TYPE_CHECKING:
    from bench.analysis.explain import Explanation

    from .analysed import Analysed

# Where the first screen has nothing to say of any scheme.
NOTHING = "No scheme was compared with a reference in this run."
# Above what the first screen says of first generations.
FIRST_TITLE = "Generating once, with every length new"

Tone = Literal["", "bad", "good", "same", "unsure", "muted"]


@dataclass(frozen=True)
class Cell:
    """One entry of a table; ``tone`` colours it where colour can be had, and never says more than the text."""

    text: str
    tone: Tone = ""


# Entries of a table, one a column.
Row = tuple[Cell | str, ...]


@dataclass(frozen=True)
class Column:
    """``detail`` columns are left out where the width is small (a terminal of 80 columns)."""

    name: str
    right: bool = False
    detail: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of Cells under Columns; ``note`` says how the figures were made."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class FigureSpec:
    """A figure that is still to be drawn: ``draw`` imports matplotlib and returns its Figure, or returns an SVG
    document in the palette's light colours. One with an ``artifact`` an observer has drawn into the run folder: its
    ``draw`` raises."""

    name: str
    title: str
    caption: str
    draw: Callable[[], Any]
    artifact: Artifact | None = None


@dataclass(frozen=True)
class CountedFinding:
    """A finding and in how many records it was made."""

    finding: Finding
    count: int
    where: str


@dataclass(frozen=True)
class Point:
    """One cause or one thing to do: ``title`` says it, ``text`` gives the evidence, ``code`` is what to write (several
    lines, or a command). ``sure``: False where the evidence does not exclude that it is nothing; ``text`` says why."""

    title: str
    text: str
    code: str = ""
    sure: bool = True


@dataclass(frozen=True)
class Section:
    """A part of the report, in order: text, figures, tables, points, findings. ``folded``: closed in the page until
    opened. ``files_only``: too long for a terminal."""

    anchor: str
    title: str
    text: tuple[str, ...] = ()
    figures: tuple[FigureSpec, ...] = ()
    tables: tuple[Table, ...] = ()
    points: tuple[Point, ...] = ()
    findings: tuple[CountedFinding, ...] = ()
    folded: bool = False
    files_only: bool = False

    @property
    def holds_something(self) -> bool:
        return bool(self.text or self.figures or self.tables or self.points or self.findings)


@dataclass(frozen=True)
class Entry:
    """One of the page's sections in the list. ``section`` makes it of what was analysed, None where there is nothing to
    say; ``document``: what "explain --json" says of the same, under its keys; ``why``: the section of an explanation
    alone, for "explain -v"."""

    anchor: str
    section: Callable[[Analysed], Section | None]
    document: Callable[[Explanation], Mapping[str, Any]] | None = None
    why: Callable[[Explanation], Section | None] | None = None


def of_why(
    anchor: str,
    section: Callable[[Explanation], Section | None],
    document: Callable[[Explanation], Mapping[str, Any]] | None = None,
) -> Entry:
    """The entry of a section that is made of the explanation alone."""
    return Entry(anchor, lambda analysed: section(analysed.explanation), document, section)


@dataclass(frozen=True)
class Headline:
    """One scheme's verdict in one sentence. ``verdict`` is the word in it that carries the colour."""

    scheme: str
    verdict: str
    sentence: str
    tone: Tone


@dataclass(frozen=True)
class Answer:
    """Why, by how much, what to do: for the first screen. ``figure`` is the waterfall of one scheme; ``preamble`` is
    what the actions' Python code expects before it, "" where none of them has any; ``first``: what someone who
    generates once waits for."""

    sentence: str
    tone: Tone
    figure: FigureSpec | None
    causes: tuple[Point, ...]
    actions: tuple[Point, ...]
    note: str
    preamble: str = ""
    first: tuple[Point, ...] = ()


@dataclass(frozen=True)
class Tab:
    """What the page says of one scheme of the setting that the first screen is about. ``verdict``: the word that
    carries the colour; ``ratio``: beside it, in few letters; ``answer``: its sentence is of this scheme alone;
    ``tables``: its ledger, folded; ``lane``: one of its decode steps; ``traces``: of its timelines, and ``missing`` why
    there is no lane or trace."""

    scheme: str
    verdict: str
    tone: Tone
    ratio: str
    answer: Answer
    tables: tuple[Table, ...] = ()
    lane: FigureSpec | None = None
    traces: tuple[Artifact, ...] = ()
    missing: str = ""


@dataclass(frozen=True)
class Commands:
    """What a user may type next, ready to be pasted: ``again`` measures the same with more processes, in another
    folder; ``intervene`` tries interventions in this run folder, and takes "--schemes NAME" behind it."""

    again: str
    intervene: str


@dataclass(frozen=True)
class Report:
    """The whole: what the first screen says, then the sections. ``not_measured``: the schemes without a time, and why.
    ``tabs``: of the page, the scheme that the answer is
    about first; what they hold, the page's sections do not repeat."""

    title: str
    run_id: str
    setting: str
    headlines: tuple[Headline, ...]
    summary: tuple[Table, ...]
    machine: str
    labels: tuple[str, ...]
    counts: str
    sections: tuple[Section, ...]
    answer: Answer | None = None
    tabs: tuple[Tab, ...] = ()
    not_measured: tuple[Headline, ...] = ()

    @property
    def figures(self) -> tuple[FigureSpec, ...]:
        """All figures, each once, the first screen's first."""
        answers = (self.answer, *(tab.answer for tab in self.tabs))
        found = [answer.figure for answer in answers if answer and answer.figure]
        found += [tab.lane for tab in self.tabs if tab.lane]
        found += [figure for section in self.sections for figure in section.figures]
        return tuple({figure.name: figure for figure in reversed(found)}.values())[::-1]

    @property
    def page_sections(self) -> tuple[Section, ...]:
        """The sections less what the tabs hold already."""
        figures = {tab.answer.figure.name for tab in self.tabs if tab.answer.figure}
        tables = [table for tab in self.tabs for table in tab.tables]
        kept = (
            replace(
                section,
                figures=tuple(figure for figure in section.figures if figure.name not in figures),
                tables=tuple(table for table in section.tables if table not in tables),
            )
            for section in self.sections
        )
        return tuple(section for section in kept if section.holds_something)


def table(title: str, columns: Sequence[Column], rows: Sequence[Sequence[Cell | str]], note: str = "") -> Table:
    """A Table from rows of texts or Cells. The note says what "assumed" is where a cell has it. Raises ValueError for a
    row that does not fit the columns."""
    made = tuple(tuple(cell if isinstance(cell, Cell) else Cell(cell) for cell in row) for row in rows)
    for row in made:
        if len(row) != len(columns):
            raise ValueError(f"table {title!r}: a row has {len(row)} cells, not {len(columns)}")
    if any(WORD in cell.text.split() for row in made for cell in row):
        note = " ".join(filter(None, (note, ASSUMED_NOTE[0].upper() + ASSUMED_NOTE[1:])))
    return Table(title, tuple(columns), made, note)


def drop_uniform(source: Table, name: str) -> Table:
    """The table less the column ``name`` where that says the same in every row."""
    names = [column.name for column in source.columns]
    if name not in names:
        return source
    index = names.index(name)
    if len({row[index].text for row in source.rows}) > 1:
        return source
    return without(source, name)


def without(source: Table, name: str) -> Table:
    """The table less the column ``name``."""
    index = [column.name for column in source.columns].index(name)
    return Table(
        source.title,
        source.columns[:index] + source.columns[index + 1 :],
        tuple(row[:index] + row[index + 1 :] for row in source.rows),
        source.note,
    )

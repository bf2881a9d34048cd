"""A report straight from Records, for tests: the program builds it once from a run folder (bench/verbs/report.py)."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from rich.console import Console

from bench.record.schema import Finding, Record
from bench.report import page
from bench.report.analysed import analyse
from bench.report.build import build
from bench.report.content import Report
from bench.report.page import write
from bench.report.terminal import print_built
from bench.schemes import REFERENCE


def _names(report: Report) -> list[str]:
    return [figure.name for figure in report.figures]


@contextlib.contextmanager
def undrawn() -> Iterator[None]:
    """Pages get an empty figure for each: drawing takes most of the time of a report."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "drawn_figures", lambda report, _: (dict.fromkeys(_names(report), "<svg></svg>"), []))
        yield


def write_report(
    folder: Path,
    records: Sequence[Record],
    findings: Sequence[Finding],
    *,
    reference: str = REFERENCE,
    drawn: bool = True,
) -> list[Path]:
    """The paths that were written into ``folder``; of a page whose words alone are looked at nothing is ``drawn``."""
    with contextlib.nullcontext() if drawn else undrawn():
        return write(folder, build(analyse(records, findings, reference=reference)))


def print_report(
    records: Sequence[Record], findings: Sequence[Finding], console: Console, *, reference: str = REFERENCE
) -> None:
    """The verdicts, the main tables and the warnings."""
    print_built(build(analyse(records, findings, reference=reference)), console)

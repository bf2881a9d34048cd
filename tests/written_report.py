"""A report straight from Records, for tests: the program builds it once from a run folder (bench/verbs/report.py)."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bench.record.schema import Finding, Record
from bench.report.analysed import analyse
from bench.report.build import build
from bench.report.page import write
from bench.report.terminal import print_built
from bench.schemes import REFERENCE


def write_report(
    folder: Path, records: Sequence[Record], findings: Sequence[Finding], *, reference: str = REFERENCE
) -> list[Path]:
    """The paths that were written into ``folder``."""
    return write(folder, build(analyse(records, findings, reference=reference)))


def print_report(
    records: Sequence[Record], findings: Sequence[Finding], console: Console, *, reference: str = REFERENCE
) -> None:
    """The verdicts, the main tables and the warnings."""
    print_built(build(analyse(records, findings, reference=reference)), console)

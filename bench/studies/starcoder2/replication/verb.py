"""``report --study``: runs beside the study's figures, written and told."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench.record.store import load
from bench.report.console import console as make_console
from bench.report.short import Passage, line, print_passages
from bench.report.terminal import print_written
from bench.verbs.report import unwritable

from ..published import published as read
from .page import write_study


def report_study(folders: Sequence[Path]) -> None:
    """Write study.md and study.html into the first folder, and print the claims and where they are."""
    published = read()
    runs = [load(folder).records for folder in dict.fromkeys(folders)]
    try:
        report, written = write_study(folders[0], runs, published)
    except OSError as error:
        raise unwritable(folders[0], error) from error
    console = make_console()
    parts = [line(f"{each.verdict}: {each.sentence}") for each in report.headlines]
    print_passages(
        [*parts, Passage(partial(print_written, written))], console, "Each claim with its evidence: in these files"
    )

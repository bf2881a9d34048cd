"""Where this room hangs on the core: judging after a run, the sections on quality, and its part of "explain --json"."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from bench.analysis.explain import Explanation
    from bench.record.schema import Environment, Finding
    from bench.record.store import Writer
    from bench.report.analysed import Analysed, Attached, AttachedDocument


def before_run(instruments: Collection[str]) -> tuple[Finding, ...]:
    """That programs will be written which nothing here can judge, while it can still be mended."""
    from .verbs.evaluate_run import before_run as look

    return look(instruments)


def after_run(writer: Writer, machine: Environment, argv: tuple[str, ...], workers: int) -> None:
    """Judge what the run's arms wrote; where no sandbox can be had, a skipped Record says so."""
    from .verbs.evaluate_run import after_run as judge

    judge(writer, machine, argv, workers)


def attached(analysed: Analysed) -> Attached | None:
    """Quality, the trade-off, and where quantising lowers joules. None for a run without programs."""
    from .report.section import of_run

    return of_run(analysed)


def attached_document(found: Explanation) -> AttachedDocument:
    """pass@1, and what a passed task costs in joules."""
    from .report.document import attached_document as made

    return made(found)

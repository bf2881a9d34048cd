"""The progress of a run, told by the runner's events."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from rich.console import Console

from bench.record.schema import Finding, Record
from bench.report.console import console as make_console
from bench.run.plan import Block
from bench.run.progress import StepProgress


def make_progress(blocks: Sequence[Block], headline: str, noticed: Sequence[Finding]) -> RunProgress:
    """Progress for these blocks on standard output."""
    console = make_console()
    console.print(headline, highlight=False, markup=False, soft_wrap=True)
    progress = RunProgress(blocks, console)
    progress.notice(noticed)
    return progress


class RunProgress:
    """Told of each block's start and end and of each Record."""

    def __init__(self, blocks: Sequence[Block], console: Console) -> None:
        self._steps = StepProgress(len(blocks), sum(map(_weight, blocks)), console)
        self._failed, self._skipped = 0, dict[str, int]()
        self._noticed: set[str] = set()

    def __enter__(self) -> RunProgress:
        self._steps.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._steps.__exit__(kind, error, trace)

    def notice(self, findings: Sequence[Finding]) -> None:
        """Warnings, each told once."""
        for finding in findings:
            if finding.severity != "info" and finding.message not in self._noticed:
                self._noticed.add(finding.message)
                self._steps.note(
                    f"{finding.severity}: {finding.message}" + (f"; {finding.remedy}" if finding.remedy else "")
                )

    def start(self, block: Block) -> None:
        """A block begins."""
        self._failed, self._skipped = 0, {}
        self._steps.start(block.label)

    def record(self, block: Block, record: Record) -> None:
        """A Record of the block has arrived."""
        if record.status == "failed":
            self._failed += 1
            self._steps.note(f"failed: {block.label}{_record_label(block, record)}: {record.reason}")
        elif record.status == "skipped":
            self._skipped[record.reason] = self._skipped.get(record.reason, 0) + 1
        self.notice([finding for finding in record.findings if finding.code.startswith("gpu-")])
        # A matmul block gives hundreds of records while it measures: drawing each would disturb it.
        self._steps.advance(_weight(block) / len(block.requests), draw=block.kind != "matmul")

    def end(self, block: Block) -> None:
        """What came of the block; one of which nothing was measured is not ok."""
        nothing = sum(self._skipped.values()) == len(block.requests)
        why = f"skipped: {'; '.join(self._skipped)}" if nothing else "ok"
        self._steps.end(f"{self._failed} failed" if self._failed else why, keep=nothing)


def _record_label(block: Block, record: Record) -> str:
    """Which of the block's Records it is, where there are several."""
    case = record.case
    if len(block.requests) == 1:
        return ""
    if block.kind == "matmul":
        return f" ({case.scheme}, {case.op}, {case.residency}, m = {case.m})"
    return f" ({record.instrument}, batch {case.batch_size})" if case.batch_size else f" ({case.scheme})"


def _weight(block: Block) -> float:
    """Rough relative length: what a block does, plus the start of its process."""
    if block.kind == "matmul":
        return 6 + 0.15 * len(block.requests)
    return 8 + 2 * (len(block.requests) - 1)

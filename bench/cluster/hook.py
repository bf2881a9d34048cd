"""Where this room hangs on the core: the options of ``run``, a run that goes elsewhere, and a report of many nodes."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.report.analysed import Analysed, Attached


def add_run_options(parser: ArgumentParser) -> None:
    """--on and what belongs to it."""
    from .options import add_cluster_options

    add_cluster_options(parser)


def run_elsewhere(options: Namespace) -> int | None:
    """The exit code of a sweep; None for a run of one process here. Raises UsageError for options that do nothing."""
    from .folder import is_sweep
    from .options import refuse_stray

    refuse_stray(options)
    if not (options.on or options.watch or options.cancel or (options.out and is_sweep(options.out))):
        return None
    from .verbs import sweep

    return sweep.main(options)


def attached(analysed: Analysed) -> Attached | None:
    """The section on nodes, findings about them, and all machines in place of one. None for a run on one node."""
    from .report.attached import of_run

    return of_run(analysed)

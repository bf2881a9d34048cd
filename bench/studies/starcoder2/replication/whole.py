"""The whole comparison with the study, made once from the records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.explain import explain
from bench.analysis.hypotheses import Judged
from bench.record.errors import RecordError
from bench.record.schema import Record

from ..published import Published
from ..raw.claims import claims as settled
from ..raw.claims import grounds as raw_grounds
from ..raw.grounds import Grounds, RawClaim
from .claims import Claim, ClaimGrounds, claims
from .confounds import Confound, confounds
from .pruning import pruned_series
from .quality import pass_rows
from .rows import energy_rows, time_rows
from .settings import INSTRUMENTS, settings


@dataclass(frozen=True)
class Study(ClaimGrounds):
    """The grounds and what is judged by them. ``raw`` and ``settled``: the study's own raw data, and its claims judged
    on them."""

    confounds: tuple[Confound, ...]
    claims: tuple[Claim, ...]
    raw: Grounds
    settled: tuple[RawClaim, ...]


def compare(published: Published, runs: Sequence[Sequence[Record]]) -> Study:
    """The records of one or more runs beside the study.

    Raises RecordError where no record generated text, one sequence at a time, so that nothing stands beside it.
    """
    found = settings(record for run in runs for record in run)
    if not found:
        raise RecordError(
            f"nothing stands beside the study: no record of {', '.join(INSTRUMENTS)} with one sequence at a time"
        )
    grounds = ClaimGrounds(
        published,
        found,
        time_rows(published, found),
        energy_rows(published, found),
        pass_rows(published, found),
        pruned_series(published, found),
        _guesses(runs),
    )
    raw = raw_grounds()
    return Study(
        **vars(grounds),
        confounds=confounds(published, found),
        claims=claims(grounds),
        raw=raw,
        settled=settled(raw),
    )


def _guesses(runs: Sequence[Sequence[Record]]) -> tuple[tuple[Judged, bool], ...]:
    """The study's guesses about causes, as each run judges them: its ledgers and counters are its own."""
    found = []
    for run in (items for items in runs if items):
        on_gpu = any(record.case.device == "cuda" for record in run)
        found += [(one, on_gpu) for one in explain(run).hypotheses if one.paper]
    return tuple(found)

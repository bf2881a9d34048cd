"""What the table of generation says of each scheme. One verdict for headline, hypotheses and table: the ledger's
difference has an interval of its own, which with few repeats can exclude 0 where the ratio's does not exclude 1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .generation import GenerationGroup, GenerationRow
from .grouping import Coordinates
from .verdict import Verdict

Place = tuple[Coordinates, str]


def rows(groups: Iterable[GenerationGroup]) -> Mapping[Place, GenerationRow]:
    """The row of a scheme in a setting, for the schemes that were compared with a reference."""
    return {(group.setting, row.scheme): row for group in groups for row in group.rows if row.verdict}


def verdicts(groups: Iterable[GenerationGroup]) -> Mapping[Place, Verdict]:
    """The verdict of a scheme in a setting."""
    return {place: row.verdict for place, row in rows(groups).items() if row.verdict}

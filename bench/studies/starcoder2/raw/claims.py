"""Each claim of the study, judged on its authors' own raw data: it stands, it falls, or these data cannot tell."""

from __future__ import annotations

from functools import cache, lru_cache

from ..published import published
from . import claims_energy, claims_guesses, claims_passes
from .data import load
from .grounds import Grounds, RawClaim

_JUDGES = claims_energy.JUDGES | claims_passes.JUDGES | claims_guesses.JUDGES


@cache
def grounds() -> Grounds:
    """All that the claims rest on, from the files that travel with the package."""
    return Grounds(load(), published())


@lru_cache(maxsize=2)
def claims(grounds: Grounds) -> tuple[RawClaim, ...]:
    """One for each statement of the study, in its order. Raises KeyError for a statement that nothing judges."""
    return tuple(RawClaim(one, tuple(_JUDGES[one.id](grounds))) for one in grounds.published.claims)

"""The study's guesses about causes: what its own job records leave of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..published import EIGHT_BIT, FOUR_BIT
from . import caches
from .grounds import CANNOT, QUANTISED, ClaimReading, Grounds, Judge, name_of, overall, percent

# A cause that can carry less than this of a slowdown is not its main cause.
MAIN = 0.5


def gpu_work(arm: str) -> Judge:
    """A guess that says that work of the GPU is what takes longer."""

    def judge(g: Grounds) -> Iterable[ClaimReading]:
        found = [one for one in g.host if one.arm == arm]
        outcome = overall(False if one.at_most < MAIN else None for one in found)
        told = ", ".join(f"{name_of(one.model, one.tokens)} {percent(one.at_most)}" for one in found)
        watched = all(one.original for one in found)
        more = "" if watched else " (3B: as if its original's GPU, which was not watched, had been idle)"
        evidence = f"GPU work of any kind carries at most {told} of the slowdown{more}"
        yield ClaimReading("as the main cause of the slowdown", outcome, evidence)
        yield ClaimReading("as a part of the GPU's work", CANNOT, "needs a timeline of the GPU's kernels")

    return judge


def cache_misses(g: Grounds) -> Iterable[ClaimReading]:
    for arm in QUANTISED:
        own = [one for one in g.misses if one.quantised and one.name.endswith(arm)]
        above = [level for level in caches.LEVELS if caches.above_unquantised(g.misses, own, level)]
        rates = "; ".join(_rates(g.misses, own, level) for level in caches.LEVELS)
        grown = ", ".join(f"{level} misses {_more(g, arm, level.lower())}" for level in caches.LEVELS)
        evidence = f"{rates}. 7B/128: {grown}, with CPU cycles {_more(g, arm, 'cycles')}"
        evidence += (
            f". {', '.join(above)}: more often than in any unquantised model, at a price not known" if above else ""
        )
        yield ClaimReading(f"the CPU's caches, {arm}", CANNOT if above else "falls", evidence)
    yield ClaimReading("the GPU's caches", CANNOT, "what EAR counted are the CPU's; the GPU's need its counters (ncu)")


def _rates(found: Sequence[caches.Misses], own: Sequence[caches.Misses], level: str) -> str:
    low, high = caches.span(own, level, "cycle")
    usual = caches.span([one for one in found if not one.quantised], level, "cycle")
    return f"{level} misses per cycle {low:.4f} to {high:.4f}, unquantised {usual[0]:.4f} to {usual[1]:.4f}"


def _more(g: Grounds, arm: str, what: str) -> str:
    return f"{100 * caches.more(g.misses, arm, what):+.0f} %"


JUDGES: dict[str, Judge] = {
    "guess 1": gpu_work(FOUR_BIT),
    "guess 2": cache_misses,
    "guess 3": gpu_work(EIGHT_BIT),
}

"""The study's guesses about causes: what its own job records leave of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ..published import EIGHT_BIT, FOUR_BIT
from . import caches
from .grounds import CANNOT, QUANTISED, Grounds, Reading, name_of, overall, percent

Judge = Callable[[Grounds], Iterable[Reading]]
# A cause that can carry less than this of a slowdown is not its main cause.
MAIN = 0.5


def gpu_work(arm: str) -> Judge:
    """A guess that says that work of the GPU is what takes longer."""

    def judge(g: Grounds) -> Iterable[Reading]:
        found = [one for one in g.host if one.arm == arm]
        outcome = overall(False if one.at_most < MAIN else None for one in found)
        told = ", ".join(f"{name_of(one.model, one.tokens)} {percent(one.at_most)}" for one in found)
        more = (
            "" if all(one.original for one in found) else " (3B: as if its original's GPU, not watched, had been idle)"
        )
        evidence = f"GPU work of any kind carries at most {told} of the slowdown{more}"
        yield Reading("as the main cause of the slowdown", outcome, evidence)
        yield Reading("as a part of the GPU's work", CANNOT, "needs a timeline of the GPU's kernels")

    return judge


def cache_misses(g: Grounds) -> Iterable[Reading]:
    for arm in QUANTISED:
        own = [one for one in g.misses if one.quantised and one.name.endswith(arm)]
        rates = {level: [one.per_cycle(level) for one in own] for level in ("L1", "L2")}
        usual = {level: caches.unquantised(g.misses, level) for level in rates}
        above = [level for level in rates if max(rates[level]) > usual[level][1]]
        told = "; ".join(f"{level} {_span(rates[level])}, unquantised {_span(usual[level])}" for level in rates)
        grown = ", ".join(f"{level} misses {caches.more(g.misses, arm, level.lower()):+.0%}" for level in rates)
        cycles = f"cycles {caches.more(g.misses, arm, 'cycles'):+.0%}"
        evidence = f"per CPU cycle {told}. 7B/128: {grown}, {cycles}: they rose because the CPU ran longer"
        more = (
            f". {' and '.join(above)} misses more often than in unquantised models, at a price not known"
            if above
            else ""
        )
        yield Reading(f"the CPU's caches, {arm}", CANNOT if above else "falls", (evidence + more).replace("%", " %"))
    yield Reading("the GPU's caches", CANNOT, "what EAR counted are the CPU's; the GPU's need its counters (ncu)")


def _span(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:.4f} to {high:.4f}"


JUDGES: dict[str, Judge] = {
    "guess 1": gpu_work(FOUR_BIT),
    "guess 2": cache_misses,
    "guess 3": gpu_work(EIGHT_BIT),
}

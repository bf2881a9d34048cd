"""Fourteen possible reasons, each judged by what the run holds: supported, refuted, ambiguous or not tested.

A cause is *supported* where its part of a slower scheme's difference is at least a tenth of it, with an interval that
excludes 0; *refuted* where the interval's upper end stays under a tenth in every slower scheme; else *ambiguous*. A
measured removal outranks the ledger. What only a GPU can show is not tested on a CPU, and what is judged on a CPU is
said of this CPU. Four of them are the guesses of the StarCoder2 quantisation study.
"""

from __future__ import annotations

from collections.abc import Callable

from .judging import by_fairness, by_measures, by_observers
from .judging.rules import Evidence, Found, Judged
from .statistics.several import small_among

__all__ = ["Evidence", "Judged", "judge"]


def judge(evidence: Evidence) -> tuple[Judged, ...]:
    """H1 to H14, in order; what chance could support of all of them together is ambiguous."""
    found = [decide(evidence) for *_, decide in _HYPOTHESES]
    sure = small_among([one.chance for one in found])
    return tuple(
        Judged(
            f"H{place}", statement.format(place=evidence.place),
            "ambiguous" if one.verdict == "supported" and one.chance is not None and not told else one.verdict,
            one.evidence, paper,
        )
        for place, ((statement, paper, _), one, told) in enumerate(zip(_HYPOTHESES, found, sure, strict=True), 1)
    )  # fmt: skip


_HYPOTHESES: tuple[tuple[str, str, Callable[[Evidence], Found]], ...] = (
    ("Host dispatch: quantised decoding is slower because the host takes longer, on {place}", "", by_observers.host),
    ("Synchronisation: the GPU idles while the host waits for it", "", by_observers.sync),
    ("Outlier detection and decomposition slow int8 down, on {place}", "", by_observers.outliers),
    ("Dequantising weights as a step of its own slows a scheme down, on {place}", "", by_observers.dequantise),
    ("Table look-ups: 4-bit kernels are bound by instructions, not by memory", "guess 1", by_observers.lookups),
    (
        "Misses of the GPU's caches slow quantised products down (the study's own counts were of the CPU's caches)",
        "guess 2",
        by_measures.caches,
    ),
    ("Integer matrix products are slower than floating-point ones, on {place}", "guess 3", by_measures.integer),
    ("Changes of number format slow a scheme down, on {place}", "", by_observers.casts),
    ("Nested absmax (double quantisation) costs time, on {place}", "", by_observers.nested),
    ("4-bit products fall off a cliff between two batch sizes, on {place}", "", by_measures.cliff),
    ("The 16-bit output layer limits what quantising can gain, on {place}", "", by_observers.head),
    ("Lower clocks, power or heat slow a scheme down", "", by_fairness.clocks),
    ("The comparison is unfair: compilation, dtype, attention or token counts differ", "", by_fairness.unfair),
    ("Lower power is outweighed by the longer time", "guess 4", by_measures.joules),
)

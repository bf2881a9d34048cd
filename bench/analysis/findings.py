"""What the figures themselves give reason to warn about, and all findings of a run told once each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.record.schema import Finding, Record

from .annotation import AnnotationRow
from .generation import GenerationGroup
from .matmul import MatmulRow

# The timing loop may cost this share of a decode step before the figures describe the harness as well.
OVERHEAD_LIMIT = 0.005


def of_generation(groups: Sequence[GenerationGroup]) -> tuple[Finding, ...]:
    """Too few repeats, no reference, missing tokens, and a harness that costs too much."""
    rows = [row for group in groups for row in group.rows]
    found: list[Finding] = []
    if any(row.repeats == 1 for row in rows):
        found.append(
            Finding(
                "one-repeat",
                "warning",
                "some schemes ran in one process only: how processes differ is assumed in their intervals, not seen",
                ", ".join(sorted({row.scheme for row in rows if row.repeats == 1})),
                "run with three or more repeats",
            )
        )
    if any(group.reference is None for group in groups):
        found.append(
            Finding(
                "no-reference",
                "warning",
                "no unquantised scheme ran in some settings, so no ratio can be given there",
                remedy="add fp16 to the schemes",
            )
        )
    found += _unsure(groups) + _short(rows_by_scheme(groups)) + _overhead(groups)
    return tuple(found)


def _unsure(groups: Sequence[GenerationGroup]) -> list[Finding]:
    """Every verdict that noise prevented, and what would help."""
    unsure = dict.fromkeys(row.scheme for group in groups for row in group.rows if row.verdict == "AMBIGUOUS")
    if not unsure:
        return []
    message = "the intervals of some schemes are too wide to tell whether they are faster or slower"
    return [Finding("cannot-tell", "info", message, ", ".join(unsure), "run more repeats, or quieten the machine")]


def rows_by_scheme(groups: Sequence[GenerationGroup]) -> tuple[str, ...]:
    """One text per scheme that produced fewer tokens than asked for."""
    return tuple(
        f"{row.scheme}: {row.tokens_produced:.0f} of {row.tokens_requested:.0f}"
        for group in groups
        for row in group.rows
        if row.short
    )


def _short(schemes: Sequence[str]) -> list[Finding]:
    if not schemes:
        return []
    message = "fewer tokens were produced than asked for: the schemes did not do the same work"
    remedy = "force the number of new tokens (stop = length) when you compare throughput"
    return [Finding("tokens-missing", "warning", message, "; ".join(schemes), remedy)]


def _overhead(groups: Sequence[GenerationGroup]) -> list[Finding]:
    shares = [(row.overhead_share, row.scheme) for g in groups for row in g.rows if row.overhead_share is not None]
    if not shares or max(shares)[0] <= OVERHEAD_LIMIT:
        return []
    worst, scheme = max(shares)
    message = f"the harness takes more than {OVERHEAD_LIMIT:.1%} of a decode step"
    return [
        Finding("harness-overhead", "warning", message, f"{scheme}: {worst:.2%}", "measure a larger model or batch")
    ]


def of_matmul(rows: Sequence[MatmulRow]) -> tuple[Finding, ...]:
    """Layers whose measurement ended before it was quiet, or as quiet as they could be."""
    early = [row for row in rows if any(not stop.startswith("noise") for stop in row.stops)]
    own = [row for row in rows if row not in early and any(stop != "noise" for stop in row.stops)]
    remedy = "give them more time, or quieten the machine"
    found = []
    if early:
        message = "some layer timings stopped at a limit before they reached the noise goal"
        found.append(Finding("noise-limit-missed", "info", message, f"{len(early)} of {len(rows)} timings", remedy))
    if own:
        message = "some layer timings stopped at a noise goal of their own, because the one asked for was out of reach"
        found.append(Finding("noise-own-goal", "info", message, f"{len(own)} of {len(rows)} timings", remedy))
    return tuple(found)


def of_annotation(rows: Sequence[AnnotationRow]) -> tuple[Finding, ...]:
    """Annotation that changes what it marks."""
    return tuple(
        Finding(
            "annotation-cost",
            "warning",
            f"annotation slows {row.scheme} down by {row.time_ratio.value - 1:.1%}",
            f"{row.pairs} pairs",
            "do not take timings from annotated runs",
        )
        for row in rows
        if row.verdict == "SLOWER"
    )


def merged(records: Sequence[Record], extra: Iterable[Finding]) -> tuple[tuple[Finding, int, str], ...]:
    """Every finding once, worst first, with the number of records that made it and their schemes."""
    counts: dict[tuple[str, str, str], tuple[Finding, list[str]]] = {}
    made = [(finding, record.case.scheme) for record in records for finding in record.findings]
    for finding, where in [*((finding, "") for finding in extra), *made]:
        key = (finding.code, finding.severity, finding.message)
        counts.setdefault(key, (finding, []))[1].append(where)
    order = ("error", "warning", "info")
    ranked = sorted(counts.values(), key=lambda item: order.index(item[0].severity) if item[0].severity in order else 3)
    return tuple((finding, len(where), ", ".join(dict.fromkeys(filter(None, where)))) for finding, where in ranked)

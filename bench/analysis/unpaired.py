"""What of a sweep has no partner: a block that went on elsewhere after its node was lost, or an arm without a result.

Such Records are in no ratio, because set against another node's they would carry the nodes' difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.record.schema import Finding, Record

from .grouping import REFERENCE, groups, reference_of
from .statistics.pairing import PairPlace, spots

INSTRUMENTS = ("generation", "energy", "codecarbon", "matmul", "kineto", "nsys")
_MOST = 8

# What is missing, such as "block 3: no result of" → the schemes, and how many pairs lack it.
_Told = dict[str, dict[str, int]]


def of_pairing(records: Sequence[Record], reference: str = REFERENCE) -> tuple[Finding, ...]:
    """One Finding where comparisons of a sweep lack pairs; nothing for an ordinary run."""
    told: _Told = {}
    for instrument in INSTRUMENTS:
        for group in groups(records, instrument):
            base = reference_of(group.schemes, reference)
            for scheme, items in group.schemes.items():
                if base and scheme != base:
                    _note(told, items, group.schemes[base], (scheme, base))
    return _finding(told)


def of_comparison(records: Sequence[Record], base: Sequence[Record]) -> tuple[Finding, ...]:
    """The same for the Records of two arms that are set against each other, whatever they are of."""
    told: _Told = {}
    for instrument in INSTRUMENTS:
        there = {group.setting: group.schemes for group in groups(base, instrument)}
        for group in groups(records, instrument):
            for scheme, items in group.schemes.items():
                for other, against in there.get(group.setting, {}).items():
                    _note(told, items, against, (scheme, other))
    return _finding(told)


def _note(told: _Told, items: Sequence[Record], base: Sequence[Record], names: tuple[str, str]) -> None:
    """Add what one comparison lacks; ``names``: the scheme and what it is compared with."""
    here, there = spots(items), spots(base)
    if not here or not there:
        return
    (scheme, reference), blocks = names, _blocks(here) & _blocks(there)
    known = set(there)  # a sweep has thousands
    for spot in here:
        if spot.block not in blocks:
            _count(told, f"block {spot.block}: no result of {reference} for", scheme)
        elif spot not in known:
            _count(told, f"block {spot.block}: not on the node of {reference}:", scheme)
    for spot in there:
        if spot.block not in blocks:
            _count(told, f"block {spot.block}: no result of", scheme)


def _blocks(found: Sequence[PairPlace]) -> set[str]:
    return {spot.block for spot in found}


def _count(told: _Told, what: str, scheme: str) -> None:
    schemes = told.setdefault(what, {})
    schemes[scheme] = schemes.get(scheme, 0) + 1


def _finding(told: Mapping[str, Mapping[str, int]]) -> tuple[Finding, ...]:
    if not told:
        return ()
    count = sum(sum(schemes.values()) for schemes in told.values())
    texts = [f"{what} {', '.join(schemes)}" for what, schemes in told.items()]
    more = f"; and {len(texts) - _MOST} more" if len(texts) > _MOST else ""
    return (
        Finding(
            "unpaired",
            "warning",
            "some arms of the sweep have no partner in their block on the same node, and are in no ratio",
            f"{count} pairs are missing. {'; '.join(texts[:_MOST])}{more}",
            "finish the sweep with --resume, or add blocks with --resume --repeats",
        ),
    )

"""Findings that say the same of many nodes or Records, as one: a page with hundreds of them is read by nobody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bench.record.schema import Finding

MOST = 10
MOST_NAMES = 8


def listed(names: Sequence[str], most: int = MOST_NAMES) -> str:
    """The first names, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def on_nodes(found: Mapping[str, Sequence[Finding]]) -> tuple[Finding, ...]:
    """What was found on each node before it measured, one Finding per code. ``found``: node → its Findings."""
    if len(found) == 1:
        return tuple(finding for findings in found.values() for finding in findings)
    alike: dict[str, list[tuple[str, Finding]]] = {}
    for node, findings in found.items():
        for finding in findings:
            alike.setdefault(finding.code, []).append((node, finding))
    return tuple(_together(items, len(found)) for items in alike.values())


def _together(items: Sequence[tuple[str, Finding]], nodes: int) -> Finding:
    first = items[0][1]
    names = list(dict.fromkeys(node for node, _ in items))
    where = "all nodes" if len(names) == nodes else f"{len(names)} of {nodes} nodes: {listed(names)}"
    same = len({finding.message for _, finding in items}) == 1
    evidence = where if same else f"{where}; the message is that of {names[0]}"
    return Finding(first.code, first.severity, first.message, evidence, first.remedy)


Counted = tuple[Finding, int, str]


def condensed(told: Iterable[Counted]) -> tuple[Counted, ...]:
    """Findings of one code that differ in their figures only, as one where there are more than a page can show: each
    of hundreds of nodes was busy in its own way."""
    alike: dict[tuple[str, str], list[Counted]] = {}
    for item in told:
        alike.setdefault((item[0].code, item[0].severity), []).append(item)
    return tuple(
        made for items in alike.values() for made in (items if len(items) <= MOST + 1 else [_condensed(items)])
    )


def _condensed(items: Sequence[Counted]) -> Counted:
    first, _, where = max(items, key=lambda item: item[1])
    evidence = "; ".join(filter(None, (first.evidence, f"and {len(items) - 1} more messages like it")))
    count = sum(number for _, number, _ in items)
    return Finding(first.code, first.severity, first.message, evidence, first.remedy), count, where

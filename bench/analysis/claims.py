"""Interventions that claim the same output and gave another: failures, never gains.

Where they are measured they are held to their claim (bench/interventions/same_tokens.py), and one that broke it is a
failed Record. Records from before that check are held to it here, against the tokens of the unchanged arm: whether
rounding explains what differs is not in them, so a difference counts as a failure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.record.instruments import TRY
from bench.record.schema import Finding, Record

INSTRUMENT, NONE = "intervention", "none"
# An intervention in processes of its own goes before one that took turns with the unchanged arm in its process.
INSTRUMENTS = (INSTRUMENT, TRY)
OTHER_TOKENS = "other tokens"
# What claimed it before Records said so themselves; a combination claims it where all of its parts do.
CLAIMING = frozenset({"cuda-graph", "static-cache", "logger-silenced", "bare-op", "old-kernel", "no-cudnn-attention"})
# What an intervention may change of a Case.
CHANGED = ("scheme", "intervention", "batch_size", "cache")


@dataclass(frozen=True)
class Broken:
    """An intervention whose claim of the same output was false in at least one Record."""

    model: str
    scheme: str
    name: str
    reason: str


def broken(records: Sequence[Record]) -> tuple[Broken, ...]:
    """Each such intervention once, with the first reason."""
    found: dict[tuple[str, str, str], Broken] = {}
    for record, reason in _judged(records):
        if reason:
            key = (record.case.model, record.case.scheme, str(record.case.intervention))
            found.setdefault(key, Broken(*key, reason))
    return tuple(found.values())


def unbroken(records: Sequence[Record]) -> tuple[Record, ...]:
    """The Records less those of interventions that broke their claim, in any repeat."""
    names = {(item.model, item.scheme, item.name) for item in broken(records)}
    return tuple(
        record
        for record in records
        if record.instrument not in INSTRUMENTS
        or (record.case.model, record.case.scheme, str(record.case.intervention)) not in names
    )


def findings(records: Sequence[Record]) -> tuple[Finding, ...]:
    """One for each intervention that broke its claim."""
    return tuple(
        Finding(
            OTHER_TOKENS.replace(" ", "-"), "error",
            f"{item.name} on {item.scheme} failed: {OTHER_TOKENS} than the unchanged arm's, so its time is no gain",
            item.reason, "do not use it for this model; report it if the claim should hold",
        )
        for item in broken(records)
    )  # fmt: skip


def _judged(records: Sequence[Record]) -> list[tuple[Record, str]]:
    """Every intervention's Record with why its claim is false; "" where it holds, or there is none."""
    mine = [record for record in records if record.instrument in INSTRUMENTS]
    # Tries say themselves what they were compared with.
    unchanged = {_place(r): r for r in mine if r.status == "ok" and r.case.intervention == NONE and r.instrument != TRY}
    return [(record, _reason(record, unchanged.get(_place(record)))) for record in mine]


def _place(record: Record) -> tuple[Any, ...]:
    case = record.case
    return (case.scheme, tuple(item for item in case.coordinates().items() if item[0] not in CHANGED))


def _reason(record: Record, unchanged: Record | None) -> str:
    if record.status == "failed":
        return record.reason if record.reason.startswith(OTHER_TOKENS) else ""
    if record.status != "ok" or "compared" in record.setup or unchanged is None or not _claims(record):
        return ""
    same_batch = (record.case.batch_size or 1) == (unchanged.case.batch_size or 1)
    if not same_batch or _tokens(record) == _tokens(unchanged):
        return ""
    return f"{OTHER_TOKENS} than the unchanged arm's; whether that is rounding was not measured: measure it again"


def _claims(record: Record) -> bool:
    return set(str(record.case.intervention).split("+")) <= CLAIMING


def _tokens(record: Record) -> Any:
    output = record.setup.get("output")
    return output.get("tokens") if isinstance(output, Mapping) else None

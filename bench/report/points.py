"""The causes of a difference as the first screen lists them: the largest, and all others together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.analysis.assumed import mark
from bench.analysis.ledger.accounting import Cause, shares
from bench.analysis.ledger.pairs import REST, Pair
from bench.analysis.verdict import Verdict
from bench.record import causes as c

from . import units
from .content import Point

MOST = 3


def cause_points(pair: Pair, verdict: Verdict | None) -> tuple[Point, ...]:
    """The largest causes with their evidence, then the others as one: together they are the difference."""
    if not pair.instrument:
        return (Point("Not known", f"{pair.missing[:1].upper()}{pair.missing[1:]}."),)
    known = shares(pair.causes)
    told = list(zip(pair.causes, known or (None,) * len(pair.causes), strict=True))
    what = {"SLOWER": "time added", "FASTER": "time saved"}.get(str(verdict), "difference")
    points = [_cause(cause, share, what, pair) for cause, share in told[:MOST]]
    rest = told[MOST:]
    return (*points, _others(rest, what)) if rest else tuple(points)


def _title(name: str, ms: float, share: int | None, what: str) -> str:
    part = "" if share is None else f", {share} % of the {what}"
    return f"{name[0].upper()}{name[1:]}: {units.signed(ms)} ms per token{part}"


def _cause(cause: Cause, share: int | None, what: str, pair: Pair) -> Point:
    bounds = ""
    if cause.low is not None and cause.high is not None:
        bounds = f" 95 % interval{mark(cause.assumed)} {units.signed(cause.low)} to {units.signed(cause.high)} ms."
        bounds += "" if cause.sure else " Not sure: it holds 0."
    elif cause.basis == "one value":
        bounds = " One value only, so no interval."
    return Point(_title(c.LABELS[cause.cause], cause.delta_ms, share, what), _evidence(cause, pair) + bounds)


def _others(rest: Sequence[tuple[Cause, int | None]], what: str) -> Point:
    """Of the others the largest by name."""
    causes = [cause for cause, _ in rest]
    known = [share for _, share in rest if share is not None]
    share = sum(known) if len(known) == len(rest) else None
    named = sorted(causes, key=lambda cause: -abs(cause.delta_ms))[:MOST]
    text = ", ".join(f"{c.LABELS[cause.cause]} {units.signed(cause.delta_ms)} ms" for cause in named)
    more = f" and {len(rest) - len(named)} smaller" if len(rest) > len(named) else ""
    name = "one more cause" if len(rest) == 1 else f"{len(rest)} more causes together"
    return Point(_title(name, sum(cause.delta_ms for cause in causes), share, what), f"{text}{more}.")


def _evidence(cause: Cause, pair: Pair) -> str:
    """What kind of work it is with its two parts, or where the idle time comes from."""
    meaning = f"{c.MEANINGS[cause.cause][0].upper()}{c.MEANINGS[cause.cause][1:]}."
    if cause.cause in c.IDLE:
        return _sources(cause, pair) or meaning
    if not cause.host_ms:
        return meaning
    busy = "GPU" if pair.device != "cpu" else "Operators"
    return f"{meaning} {busy} {units.signed(cause.work_ms or 0.0)} ms, the host on the way there {_ms(cause.host_ms)}."


def _ms(ms: float) -> str:
    return f"{units.signed(ms)} ms"


def _sources(cause: Cause, pair: Pair) -> str:
    """What most of an idle cause waited for; the waits that another cause has taken along are not its own."""
    sign = 1.0 if cause.delta_ms >= 0 else -1.0
    taken = {other.cause for other in pair.causes if other.cause in c.BUSY and other.host_ms}
    totals: dict[str, float] = {}
    for source in pair.sources:
        own = source.cause == cause.cause and source.work not in taken and source.range != REST
        if own and source.delta_ms * sign > 0:
            name = source.operator or source.range or "what is outside modules"
            totals[name] = totals.get(name, 0.0) + source.delta_ms
    return _mostly(totals)


def _mostly(totals: Mapping[str, float]) -> str:
    named = sorted(totals.items(), key=lambda item: -abs(item[1]))[:2]
    return "Mostly at " + " and ".join(f"{name} ({_ms(ms)})" for name, ms in named) + "." if named else ""

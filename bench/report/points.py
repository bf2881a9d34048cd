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
    told, what = with_shares(pair.causes), share_of(verdict)
    points = [_cause(cause, share, what, pair) for cause, share in told[:MOST]]
    rest = told[MOST:]
    return (*points, others(rest, what)) if rest else tuple(points)


Share = tuple[Cause, int | None]


def with_shares(causes: Sequence[Cause]) -> list[Share]:
    """Each with its share of the difference in per cent; None where the causes cancel each other almost."""
    return list(zip(causes, shares(causes) or (None,) * len(causes), strict=True))


def share_of(verdict: Verdict | None) -> str:
    """What a share is a share of."""
    return {"SLOWER": "time added", "FASTER": "time saved"}.get(str(verdict), "difference")


def title(name: str, ms: float, share: int | None, what: str, unit: str = "token") -> str:
    """Such as "Casts: +1.2 ms per token, 12 % of the time added"."""
    part = "" if share is None else f", {share} % of the {what}"
    return f"{name[0].upper()}{name[1:]}: {signed_ms(ms)} per {unit}{part}"


def of_whole(cause: Cause) -> str:
    """A cause within a sentence."""
    told = "is unexplained" if cause.cause == c.UNEXPLAINED else f"for {c.LABELS[cause.cause]}"
    return f"{signed_ms(cause.delta_ms)} {told}"


def _cause(cause: Cause, share: int | None, what: str, pair: Pair) -> Point:
    bounds = ""
    if cause.low is not None and cause.high is not None:
        bounds = f" 95 % interval{mark(cause.assumed)} {units.signed(cause.low)} to {units.signed(cause.high)} ms."
        bounds += "" if cause.sure else " Not sure: it holds 0."
    elif cause.basis == "one value":
        bounds = " One value only, so no interval."
    told = title(c.LABELS[cause.cause], cause.delta_ms, share, what)
    return Point(told, _evidence(cause, pair) + bounds, sure=cause.sure)


def others(rest: Sequence[Share], what: str, unit: str = "token") -> Point:
    """Of the others the largest by name."""
    causes = [cause for cause, _ in rest]
    known = [share for _, share in rest if share is not None]
    share = sum(known) if len(known) == len(rest) else None
    named = sorted(causes, key=lambda cause: -abs(cause.delta_ms))[:MOST]
    text = ", ".join(f"{c.LABELS[cause.cause]} {units.signed(cause.delta_ms)} ms" for cause in named)
    more = f" and {len(rest) - len(named)} smaller" if len(rest) > len(named) else ""
    name = "one more cause" if len(rest) == 1 else f"{len(rest)} more causes together"
    return Point(title(name, sum(cause.delta_ms for cause in causes), share, what, unit), f"{text}{more}.")


def _evidence(cause: Cause, pair: Pair) -> str:
    """What kind of work it is with its two parts, or where the idle time comes from."""
    meaning = f"{c.MEANINGS[cause.cause][0].upper()}{c.MEANINGS[cause.cause][1:]}."
    if cause.cause in c.IDLE:
        return _sources(cause, pair) or meaning
    if not cause.host_ms:
        return meaning
    busy = "GPU" if pair.device != "cpu" else "Operators"
    work, host = signed_ms(cause.work_ms or 0.0), signed_ms(cause.host_ms)
    return f"{meaning} {busy} {work}, the host on the way there {host}."


def signed_ms(ms: float) -> str:
    """A difference in ms with its sign."""
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
    return "Mostly at " + " and ".join(f"{name} ({signed_ms(ms)})" for name, ms in named) + "." if named else ""

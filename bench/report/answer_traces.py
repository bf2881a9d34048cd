"""The answer of two traces in the form of a run's: the verdict, why, what to do; or why there is no verdict."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from bench.analysis.ledger.accounting import SMALL, Cause
from bench.analysis.statistics.verdict import Verdict
from bench.analysis.traces.pair import Timed, TracePair
from bench.analysis.traces.recorded import Recorded, RecordedLine
from bench.record import causes as c
from bench.record.suggested import command

from .content import Answer, Point, Tone
from .lines import MOST, Shared, balance_text, cause_title, of_whole, other_causes, shared, signed_ms
from .words import TONES

# What moves less than this share of it reads 0 %, and is not named.
NOTHING = 5e-3
_WORDS: dict[Verdict, str] = {
    "SLOWER": "Slower:",
    "FASTER": "Faster:",
    "SAME": "As fast:",
    "AMBIGUOUS": "These times cannot tell:",
}


@dataclass(frozen=True)
class TracesAsked:
    """The two traces by the names that are printed, and as they were given, for commands. ``options``: the user's own
    that choose steps and ranks, of both and of the candidate alone."""

    reference: str
    candidate: str
    reference_path: Path
    candidate_path: Path
    options: tuple[str, ...] = ()
    candidate_options: tuple[str, ...] = ()

    def explain(self) -> str:
        """The command that gives an answer on real time."""
        return (
            f"{command('explain --reference')} {_quoted(self.reference_path)} --candidate "
            f"{_quoted(self.candidate_path)}{_words(self.options)} --reference-time MS --candidate-time MS"
        )

    def whatif(self, cause: str, time_ms: float | None) -> str:
        """The command that predicts the candidate without a cause; ``time_ms``: of its step, where known."""
        trace = f"{_quoted(self.candidate_path)}{_words(self.candidate_options)}"
        time = "" if time_ms is None else f" --time {time_ms:.6g}"
        return f"{command('whatif')} {trace} --remove {cause}{time}"


def _words(options: tuple[str, ...]) -> str:
    return f" {shlex.join(options)}" if options else ""


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def answer(pair: TracePair, asked: TracesAsked) -> Answer:
    """What the two traces say."""
    return _on_time(pair, pair.timed, asked) if pair.timed is not None else _as_recorded(pair, asked)


def _on_time(pair: TracePair, timed: Timed, asked: TracesAsked) -> Answer:
    causes = _causes(timed)
    return Answer(
        _sentence(timed, asked), TONES[timed.verdict], None, causes, _actions(timed, asked), basis(timed, pair)
    )


def _sentence(timed: Timed, asked: TracesAsked) -> str:
    closed, balance = timed.closed, balance_text(timed.causes)
    parts = f": {balance}" if balance else ""
    size = (
        f"{asked.candidate} takes ×{timed.ratio.value:.2f} the time per {timed.unit} of {asked.reference} "
        f"({signed_ms(closed.delta.delta_ms)}{parts})"
    )
    first = timed.causes[0] if timed.causes else None
    same_way = first is not None and first.delta_ms * closed.delta.delta_ms > 0
    why = (
        f", the largest cause: {of_whole(first)}" if first is not None and same_way and timed.verdict != "SAME" else ""
    )
    if timed.diagnosis.refused and not timed.causes:
        why = "; its causes are not ranked"
    return f"{_WORDS[timed.verdict]} {size}{why}."


def basis(timed: Timed, pair: TracePair) -> str:
    """What the answer rests on."""
    one, other = timed.times
    times = f"Times: {one.seconds * 1e3:.4g} ms {one.said}, {other.seconds * 1e3:.4g} ms {other.said}."
    taken = timed.diagnosis.played or f"{pair.steps[0]} and {pair.steps[1]} recorded steps"
    steps = f" Lines from {taken}, less what recording cost."
    if timed.run:
        return f"{times} This is the answer of {timed.run}, from its records."
    if timed.diagnosis.refused:
        steps = f" No lines: {timed.diagnosis.refused}."
    if timed.seen:
        return times + steps + " How much processes differ is assumed for the lines: one recording of each."
    return times + steps + " Too few processes: how much another would differ is assumed, here and in every interval."


def _causes(timed: Timed) -> tuple[Point, ...]:
    """The largest causes, then the others as one: together they are the difference."""
    causes = shared(timed.causes, timed.verdict)
    moved = sum(abs(cause.delta_ms) for cause in timed.causes)
    large = [one for one in causes if abs(one.cause.delta_ms) >= SMALL * moved][:MOST]
    points = [_cause(one, timed) for one in large]
    rest = [one for one in causes if one not in large]
    rest = rest if sum(abs(one.cause.delta_ms) for one in rest) >= NOTHING * moved else []
    return (*points, other_causes(rest, timed.unit)) if rest else tuple(points)


def _cause(one: Shared, timed: Timed) -> Point:
    cause = one.cause
    meaning = f"{c.MEANINGS[cause.cause][0].upper()}{c.MEANINGS[cause.cause][1:]}."
    if cause.cause in c.BUSY and cause.host_ms:
        meaning += f" Its work {signed_ms(cause.work_ms or 0.0)}, the host on the way there {signed_ms(cause.host_ms)}."
    title = cause_title(c.LABELS[cause.cause], cause.delta_ms, [one], timed.unit)
    return Point(title, meaning + _bounds(cause), sure=cause.sure)


def _bounds(line: Cause | RecordedLine) -> str:
    if line.low is None or line.high is None:
        return " No interval."
    return f" 95 % interval {signed_ms(line.low)} to {signed_ms(line.high)}." + (
        "" if line.sure else " Not sure: it holds 0."
    )


def _actions(timed: Timed, asked: TracesAsked) -> tuple[Point, ...]:
    if timed.verdict in ("FASTER", "SAME"):
        return (Point("Nothing", f"{asked.candidate} is not slower."),)
    if timed.verdict == "AMBIGUOUS":
        text = (
            "These times do not tell the two apart. A run interleaves processes of both arms, and measures how much "
            "these differ."
        )
        return (Point("Time both in three fresh processes or more", text, command("run --repeats 5")),)
    if timed.diagnosis.refused:
        text = "Each part of the trace has causes of its own. Record them apart, or fewer steps, and explain these."
        return (Point("Explain the parts of the trace", text),)
    found = [cost for cost in timed.diagnosis.costs if cost.mean > 0][:MOST]
    return tuple(
        Point(
            f"Without {c.LABELS[cost.cause]}: {signed_ms(-cost.mean * 1e-6)} per step",
            "Predicted by replay, with that cause alone as in the reference." + _sure_text(cost.sure),
            asked.whatif(cost.cause, timed.times[1].seconds * 1e3),
            sure=cost.sure,
        )
        for cost in found
    ) or (Point("Nothing that a replay could remove", "No cause alone saves time where it is as in the reference."),)


def _sure_text(sure: bool) -> str:
    return "" if sure else " Not sure."


def _as_recorded(pair: TracePair, asked: TracesAsked) -> Answer:
    found = pair.recorded
    note = (
        f"Recorded steps: {found.wall_ms[0]:.4g} and {found.wall_ms[1]:.4g} ms; real ones take at least "
        f"{found.floor_ms[0]:.4g} and {found.floor_ms[1]:.4g} ms. No time is known {pair.missing}."
    )
    text = "Then idle time, causes and a verdict are on real time. A run's own traces need no times: they are found."
    todo = (Point("Time a step of both without a profiler", text, asked.explain()), *_removal_point(found, asked))
    return Answer(_recorded_sentence(pair, asked), _tone(found), None, _work(found), todo, note)


def _removal_point(found: Recorded, asked: TracesAsked) -> tuple[Point, ...]:
    """What to try where the largest difference is sure, and the candidate's: its recorded steps without that cause."""
    sure = max((line for line in found.lines if line.sure), key=lambda line: abs(line.delta_ms), default=None)
    if sure is None or sure.delta_ms <= 0:
        return ()
    text = "Replays the candidate's steps as recorded, without it."
    return (Point(f"See what removing {c.LABELS[sure.cause]} would save", text, asked.whatif(sure.cause, None)),)


def _tone(found: Recorded) -> Tone:
    return TONES[found.verdict] if found.verdict else "unsure"


def _recorded_sentence(pair: TracePair, asked: TracesAsked) -> str:
    found = pair.recorded
    if found.verdict == "SLOWER":
        return (
            f"Slower even without times: a real step of {asked.candidate} takes at least ×{found.low:.2f} of one of "
            f"{asked.reference}."
        )
    if found.verdict == "FASTER" and found.high is not None:
        return (
            f"Faster even without times: a real step of {asked.candidate} takes at most ×{found.high:.2f} of one of "
            f"{asked.reference}."
        )
    cannot = "No overall answer without the times of unprofiled steps: recording slows the host, by an unknown amount."
    if pair.device == "cpu":
        return cannot
    before, after = (sum(getattr(line, side) for line in _gpu(found)) for side in ("reference_ms", "scheme_ms"))
    return f"{cannot} The GPU works {before:.3g} ms per step in {asked.reference}, {after:.3g} ms in {asked.candidate}."


def _gpu(found: Recorded) -> list[RecordedLine]:
    return [line for line in found.lines if not line.inflated]


def _work(found: Recorded) -> tuple[Point, ...]:
    """The largest differences that recording does not touch, or that are larger than it can be."""
    lines = [line for line in found.lines if line.sure or not line.inflated]
    least = SMALL * sum(max(line.reference_ms, line.scheme_ms) for line in lines)
    large = [line for line in lines if line.delta_ms and abs(line.delta_ms) >= least]
    ranked = sorted(large, key=lambda line: (not line.sure, -abs(line.delta_ms)))[:MOST]
    return tuple(
        Point(
            f"{c.LABELS[line.cause][0].upper()}{c.LABELS[line.cause][1:]}: {signed_ms(line.delta_ms)} of "
            f"{_kind(line)} per step",
            _lies(line),
            sure=line.sure,
        )
        for line in ranked
    )


def _kind(line: RecordedLine) -> str:
    if line.cause in c.IDLE:
        return "recorded idle time"
    return f"{'recorded' if line.inflated else 'GPU'} work"


def _lies(line: RecordedLine) -> str:
    if line.inflated and line.low is not None and line.high is not None:
        return f"Less what recording can have cost, it lies between {signed_ms(line.low)} and {signed_ms(line.high)}."
    return _bounds(line).strip()

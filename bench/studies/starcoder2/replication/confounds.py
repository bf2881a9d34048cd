"""How much of the gap comes from how the study was run, and not from quantising.

For each confound: the ratio to the original as the study would have got it, the same with the confound taken away,
and the factor between the two. The share of the gap is taken on logarithms, log(factor) / log(ratio as run), so that
the shares of several confounds add; below 0 the confound hides part of the gap. Where the factor is a ratio of two
ratios, its bounds are combined by the method of variance estimates recovery (Zou & Donner 2008, Statistics in
Medicine 27).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.analysis.statistics import Estimate, Samples
from bench.analysis.statistics.propagation import assumed_in
from bench.record.schema import Record

from ..published import EIGHT_BIT, FOUR_BIT, Published
from .settings import StudySetting, but_stop, ratio_of_means

NVML, CODECARBON_GPU, CODECARBON = "GPU (NVML counter)", "GPU (CodeCarbon's reading)", "CodeCarbon, all parts"


@dataclass(frozen=True)
class Confound:
    """One confound for one scheme. ``as_run`` = ``corrected`` × ``effect``; ``share`` is None where there is no gap
    above 1 for sure. ``missing`` says why nothing was measured (then all else is None)."""

    name: str
    what: str = ""
    setting: StudySetting | None = None
    as_run: Estimate | None = None
    corrected: Estimate | None = None
    effect: Estimate | None = None
    share: float | None = None
    missing: str = ""


def confounds(published: Published, found: Sequence[StudySetting]) -> tuple[Confound, ...]:
    """All five, each at least once."""
    whole = [setting for setting in found if not setting.coordinate("dropped_layers")]
    made: list[Confound] = []
    for name, missing, take in _CONFOUNDS:
        rows = [row for row in take(name, whole, published.tasks) if row.effect is not None]
        made += rows or [Confound(name, missing=missing)]
    return tuple(made)


def _row(
    name: str, what: str, setting: StudySetting, as_run: Estimate | None, corrected: Estimate | None,
    effect: Estimate | None = None,
) -> Confound:  # fmt: skip
    if effect is None and as_run is not None and corrected is not None:
        effect = _quotient(as_run, corrected)
    return Confound(name, what, setting, as_run, corrected, effect, _share(as_run, effect))


def _share(as_run: Estimate | None, effect: Estimate | None) -> float | None:
    if as_run is None or effect is None or as_run.low is None or as_run.high is None:
        return None
    if as_run.low <= 1.0:  # no slowdown for sure, so no gap to share out
        return None
    return math.log(effect.value) / math.log(as_run.value)


def _quotient(top: Estimate, bottom: Estimate) -> Estimate:
    """top / bottom, as if the two were independent."""
    point = math.log(top.value) - math.log(bottom.value)
    assumed = assumed_in((top, bottom))
    value = replace(bottom if bottom.low is None else top, value=math.exp(point), relative_error=None, assumed=assumed)
    if top.low is None or top.high is None or bottom.low is None or bottom.high is None:
        return replace(value, low=None, high=None)
    down = math.hypot(math.log(top.value / top.low), math.log(bottom.high / bottom.value))
    up = math.hypot(math.log(top.high / top.value), math.log(bottom.value / bottom.low))
    return replace(value, low=math.exp(point - down), high=math.exp(point + up))


def _fp32(name: str, found: Sequence[StudySetting], _tasks: int) -> Iterable[Confound]:
    for setting in found:
        slow, matched = setting.times("fp32"), setting.times("fp16")
        effect = ratio_of_means(matched, slow)
        for arm in (FOUR_BIT, EIGHT_BIT):
            scheme = setting.scheme_of(arm, "generation", "samples")
            if scheme and effect:
                times = setting.times(scheme)
                what = f"{scheme}: against fp32, then against fp16"
                yield _row(name, what, setting, ratio_of_means(times, slow), ratio_of_means(times, matched), effect)


def _default(name: str, found: Sequence[StudySetting], _tasks: int) -> Iterable[Confound]:
    for setting in found:
        base, corrected = setting.times(setting.reference or ""), setting.times("nf4")
        for scheme in ("4bit-study", "4bit-default", "fp4"):
            times = setting.times(scheme)
            what = f"{scheme}, then nf4, against {setting.reference}"
            yield _row(
                name,
                what,
                setting,
                ratio_of_means(times, base),
                ratio_of_means(corrected, base),
                ratio_of_means(times, corrected),
            )


def _early_stop(name: str, found: Sequence[StudySetting], _tasks: int) -> Iterable[Confound]:
    ends = (item for item in found if item.coordinate("stop") == "eos" and item.reference and not item.decode_only)
    for setting in ends:
        reference = setting.reference or ""
        forced = next((other for other in found if but_stop(other) == but_stop(setting) and other is not setting), None)
        for arm in (FOUR_BIT, EIGHT_BIT):
            scheme = setting.scheme_of(arm, "generation", "samples") or ""
            as_run = ratio_of_means(setting.times(scheme), setting.times(reference))
            both = forced is not None and forced.times(scheme) and forced.times(reference)
            if forced is not None and both:
                what = f"{scheme}: may stop early, then a forced number of tokens"
                yield _row(name, what, setting, as_run, ratio_of_means(forced.times(scheme), forced.times(reference)))
            else:
                what = f"{scheme}: time of a call, then time of a token really made"
                per_token = ratio_of_means(setting.token_times(scheme), setting.token_times(reference))
                yield _row(name, what, setting, as_run, per_token)


def _warm_up(name: str, found: Sequence[StudySetting], tasks: int) -> Iterable[Confound]:
    """With one cold call among the study's number of tasks, then with none."""
    for setting in found:
        base = _cold(setting.records(setting.reference or "", "generation"), tasks)
        for arm in (FOUR_BIT, EIGHT_BIT):
            scheme = setting.scheme_of(arm, "generation") or ""
            own = _cold(setting.records(scheme, "generation"), tasks)
            if own and base:
                mixed = ratio_of_means(_column(own, 0), _column(base, 0))
                later = ratio_of_means(_column(own, 1), _column(base, 1))
                cost = ratio_of_means(_factor(own), _factor(base))
                what = f"{scheme}: first call among {tasks}, then later calls alone"
                yield _row(name, what, setting, mixed, later, cost)


def _cold(records: Sequence[Record], tasks: int) -> tuple[tuple[float, float], ...]:
    """For each process: the mean over ``tasks`` calls of which one is cold, and the mean of later calls."""
    found = []
    for record in records:
        first, later = _first_and_later(record)
        if first is not None and later:
            mean = math.fsum(later) / len(later)
            found.append(((first + (tasks - 1) * mean) / tasks, mean))
    return tuple(found)


def _first_and_later(record: Record) -> tuple[float | None, Sequence[float]]:
    options = record.setup.get("options")
    known: Mapping[str, Any] = options if isinstance(options, Mapping) else {}
    calls, warm = record.values("generate_time"), record.values("warmup_time")
    if known.get("place_in_process"):
        return None, ()  # the process was warm from an earlier Case
    first = record.values("first_generation_time")
    if first:
        return first[0], calls if warm else calls[1:]
    if not warm:
        return (calls[0], calls[1:]) if len(calls) > 1 else (None, ())
    # Older runs: a shorter warm-up call cannot stand for a first call.
    return (None, ()) if known.get("warmup_tokens") else (warm[0], calls)


def _column(pairs: Sequence[tuple[float, float]], place: int) -> Samples:
    return tuple((pair[place],) for pair in pairs)


def _factor(pairs: Sequence[tuple[float, float]]) -> Samples:
    return tuple((mixed / later,) for mixed, later in pairs)


def _sampling(name: str, found: Sequence[StudySetting], _tasks: int) -> Iterable[Confound]:
    for setting in found:
        reference = setting.reference or ""
        for arm in (FOUR_BIT, EIGHT_BIT):
            scheme = setting.scheme_of(arm, "codecarbon") or ""
            counted = setting.joules(scheme, reference, sources=(NVML,))
            sampled = setting.joules(scheme, reference, sources=(CODECARBON_GPU,)) or setting.joules(
                scheme, reference, sources=(CODECARBON,)
            )
            if counted and sampled:
                what = f"{scheme}: joules by {sampled[0].source}, then by {counted[0].source}"
                as_run = ratio_of_means(sampled[0].values, sampled[1].values)
                yield _row(name, what, setting, as_run, ratio_of_means(counted[0].values, counted[1].values))


_Take = Callable[[str, Sequence[StudySetting], int], Iterable[Confound]]
_CONFOUNDS: tuple[tuple[str, str, _Take], ...] = (
    ("original in fp32", "no setting holds fp32 and fp16 beside a quantised arm", _fp32),
    ("fp4 or the library's default for 4-bit", "no setting holds nf4 beside 4bit-study, 4bit-default or fp4", _default),
    ("early stop", "no arm was allowed to stop early (stop=eos) beside its original", _early_stop),
    (
        "no warm-up",
        "no first call of a fresh process with as many tokens as the later ones was timed for both sides",
        _warm_up,
    ),
    ("CodeCarbon's sampling", "no setting holds joules by CodeCarbon and by the GPU's own counter", _sampling),
)

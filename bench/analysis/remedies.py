"""What to change: everything that made, or by replay would make, a slower scheme faster, with its price and exact code.

A remedy comes from an intervention that was measured, from the same scheme measured in another use (cache, batch), from
another scheme in the same setting, or from a prediction of the replay where nothing was measured, and is called so.
Users quantise to save memory: what keeps that saving comes first, what gives up quantisation last; within these, what
was measured goes before what was predicted, what is sure before what is not, and then the larger gain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.record.instruments import QUALITY
from bench.record.schema import Record
from bench.schemes import is_unquantised

from .generation import GenerationGroup, GenerationRow, call_times
from .grouping import Coordinates, setting_of
from .interventions import InterventionRow, Predicted
from .settings import fits
from .statistics.pairing import Located, difference_between, located
from .statistics.several import more_among
from .user_code import code, known

# In order: the memory saving stays; it stays, for several prompts at a time; part of it stays; none of it does.
KEEPS = ("all", "batch", "part", "nothing")
# More memory than this share above the scheme's own is a part of the saving given up.
_MORE = 1.05


@dataclass(frozen=True)
class Remedy:
    """``gain`` in s per token (low and high where an interval is known), ``memory`` in B more (None: not known).
    ``price``: what it costs in accuracy, in words. ``basis``: where the gain comes from. ``keeps``: of the memory
    saving, see KEEPS. ``predicted``: by replay, not measured; ``foretold``: the gain, s per token, that replay had
    predicted of a measured one. ``assumed``: the spread that its interval assumes. ``instead``: another scheme.
    ``holds_more``: keys and values or a captured step, which ``memory``, that of the weights, does not count.
    ``by_chance``: its interval leaves 0 out, but of so many as were tried one does that where none helps."""

    setting: Coordinates
    scheme: str
    title: str
    gain: float
    low: float | None
    high: float | None
    memory: float | None
    price: str
    basis: str
    code: str
    keeps: str
    predicted: bool = False
    assumed: str = ""
    instead: bool = False
    foretold: float | None = None
    holds_more: bool = False
    freedom: float | None = None
    by_chance: bool = False

    @property
    def sure(self) -> bool:
        return self.low is not None and self.low > 0 and not self.by_chance


_TITLES: Mapping[str, str] = {
    "threshold-0": "switch LLM.int8()'s outlier handling off",
    "compute-matched": "compute in the model's dtype",
    "float16-model": "load the model in float16, which the int8 path needs",
    "logger-silenced": "silence bitsandbytes' log call in every product",
    "double-quant-off": "leave double quantisation off",
    "blocksize-128": "use blocks of 128 weights per scale",
    "fp4-codes": "use fp4 codes",
    "pre-dequantised": "dequantise the weights once, if memory allows",
    "plain-linears": "dequantise the weights once, if memory allows",
    "bare-op": "call bitsandbytes' operator without its Python layers",
    "cuda-graph": "capture the decode step in a CUDA graph",
    "no-cudnn-attention": "switch cuDNN's attention off",
    "static-cache": "use a static cache",
}
_GIVE_UP = ("pre-dequantised", "plain-linears")


def remedies(
    interventions: Sequence[InterventionRow],
    groups: Sequence[GenerationGroup],
    records: Sequence[Record],
    predicted: Sequence[Predicted] = (),
) -> tuple[Remedy, ...]:
    """All that helps a scheme which is slower than its reference, in order."""
    slower = [(group.setting, row.scheme) for group in groups for row in group.rows if row.verdict == "SLOWER"]
    found = [_of_intervention(row, home) for row in interventions for home in _homes(row, slower)]
    found += [_of_prediction(row, home) for row in predicted for home in _homes(row, slower)]
    found = [remedy for remedy in found if remedy.code]  # arms that no user can load, such as planted ones
    for group in groups:
        found += [*_of_arms(group, records), *_of_other_uses(group, groups, records)]
    useful = [remedy for remedy in _together(found) if remedy.gain > 0]
    return tuple(sorted(useful, key=_rank))


def _together(found: Sequence[Remedy]) -> Iterator[Remedy]:
    """With all that was tried on one scheme taken together. What is assumed stays as it is: it is called so."""
    for place in dict.fromkeys((remedy.setting, remedy.scheme) for remedy in found):
        own = [remedy for remedy in found if (remedy.setting, remedy.scheme) == place]
        seen = [(one.gain, None if one.assumed or one.predicted else one.low, one.freedom) for one in own]
        for one, (_, low, _), sure in zip(own, seen, more_among(seen), strict=True):
            yield replace(one, by_chance=low is not None and low > 0 and not sure)


def _rank(remedy: Remedy) -> tuple[int, bool, bool, float]:
    return KEEPS.index(remedy.keeps), remedy.predicted, not remedy.sure, -remedy.gain


BESIDE = "beside the unchanged arm"
# Coordinates in which an intervention may have been measured otherwise and still be about the same loss.
_LOOSE = ("new_tokens", "stop")


def _homes(row: InterventionRow | Predicted, slower: Sequence[tuple[Coordinates, str]]) -> list[Coordinates]:
    """The settings in which the row's scheme is slower and to which it belongs: its own, else one that differs in how
    long it generates."""
    places = [setting for setting, scheme in slower if scheme == row.scheme] if _title(row.name) else []
    if row.setting in places:
        return [row.setting]
    return [setting for setting in places if same_but_length(setting, row.setting)]


def same_but_length(one: Coordinates, other: Coordinates) -> bool:
    """Whether two settings differ in nothing but how long they generate."""
    first, second = ([item for item in setting if item[0] not in _LOOSE] for setting in (one, other))
    return first == second


def _title(name: str) -> str:
    """Of an intervention or a combination; "" where it is no remedy."""
    parts = name.split("+")
    if not all(map(known, parts)):
        return ""
    return " and ".join(_batch_title(part) if part.startswith("batch-") else _TITLES.get(part, "") for part in parts)


def _batch_title(name: str) -> str:
    return f"generate {name.removeprefix('batch-')} sequences together"


def _of_intervention(row: InterventionRow, home: Coordinates) -> Remedy:
    before, after = row.footprint
    tokens = dict(row.setting).get("new_tokens")
    other = "" if row.setting == home else f", with {tokens} new tokens"
    beside = "in turns with the unchanged arm, in one process" if row.gain.basis == "in turns" else BESIDE
    return Remedy(
        home, row.scheme, _title(row.name), row.gain.value, row.gain.low, row.gain.high, after - before,
        _price(row), f"intervention {row.name}, measured {beside}{other}",
        code(row.arm, row.name.split("+"), row.batch_size), _keeps(row.name, row.arm, after / before),
        assumed=row.gain.assumed, foretold=row.predicted, holds_more=any(map(_holds_more, row.name.split("+"))),
        freedom=row.gain.freedom,
    )  # fmt: skip


def _holds_more(name: str) -> bool:
    return name.startswith("batch-") or name in ("static-cache", "cuda-graph")


def _of_prediction(row: Predicted, home: Coordinates) -> Remedy:
    return Remedy(
        home, row.scheme, _title(row.name), row.gain, None, None, None,
        "not measured: the output may differ", f"predicted by replay of a recorded step for intervention {row.name}",
        code(row.arm, row.name.split("+"), row.batch_size), _keeps(row.name, row.arm, 1.0), predicted=True,
    )  # fmt: skip


def _keeps(name: str, arm: Any, ratio: float) -> str:
    """Of the memory saving; ``ratio``: of the model's bytes with and without."""
    parts = name.split("+")
    if any(part in _GIVE_UP for part in parts) and not is_unquantised(arm):
        return "nothing"
    if ratio > _MORE:
        return "part"
    return "batch" if any(part.startswith("batch-") for part in parts) else "all"


def _price(row: InterventionRow) -> str:
    output = row.output
    if output.agreement is None:
        return "the output was not compared"
    if output.same and output.error == 0.0:
        return "the output is the same"
    same = "the tokens are the same" if output.same else f"{output.agreement:.0%} of the tokens are the same"
    error = "" if output.error is None else f", logits off by {output.error:.2g}"
    return same + error


def _of_arms(group: GenerationGroup, records: Sequence[Record]) -> list[Remedy]:
    """From each slower scheme to each other scheme of its setting that is faster."""
    timed = [record for record in records if record.instrument == "generation"]
    facts = {record.case.scheme: record.setup.get("arm") for record in timed}
    arms = _located(group, timed)
    known_rows = [row for row in group.rows if row.time_per_token]
    passed = _passed(group, records)
    return [
        _switch(group, slow, other, facts, _quality(passed.get(slow.scheme), passed.get(other.scheme)), arms)
        for slow in known_rows
        for other in known_rows
        if slow.verdict == "SLOWER" and other is not slow and _time(other) < _time(slow)
        if _meant(other, facts.get(other.scheme), group.reference)
        if _adapter(facts.get(slow.scheme)) == _adapter(facts.get(other.scheme))  # without it, it is another model
    ]


def _located(group: GenerationGroup, timed: Sequence[Record]) -> dict[str, Located]:
    """Scheme → its decode times in this setting, and where each was measured."""
    of: dict[str, list[Record]] = {}
    for record in timed:
        if record.status == "ok" and setting_of(record.case) == group.setting:
            of.setdefault(record.case.scheme, []).append(record)
    return {scheme: located(found, call_times) for scheme, found in of.items()}


def _passed(group: GenerationGroup, records: Sequence[Record]) -> dict[str, tuple[int, int]]:
    """Scheme → tasks of HumanEval+ that its programs passed, and how many there were; of the group's whole models."""
    model = dict(group.setting).get("model")
    judged = [
        record
        for record in records
        if record.instrument == QUALITY and record.case.model == model and not record.case.dropped_layers
    ]
    return {
        record.case.scheme: (int(sum(values)), len(values))
        for record in judged
        if (values := record.values("passed_plus"))
    }


def _quality(before: tuple[int, int] | None, after: tuple[int, int] | None) -> str:
    if before is None or after is None or before[1] != after[1]:
        return "quality was not measured here"
    return f"passes {after[0]} of {after[1]} tasks where it passed {before[0]}"


def _meant(row: GenerationRow, arm: Any, reference: str | None) -> bool:
    """Schemes that a user may choose instead: the reference, quantised ones with no outliers planted, and of an adapter
    those that it was merged into."""
    if _adapter(arm):
        return isinstance(arm, Mapping) and arm.get("adapter") == "merged"
    quantised = isinstance(arm, Mapping) and not is_unquantised(arm) and not arm.get("planted_columns")
    return row.scheme == reference or quantised


def _adapter(arm: Any) -> bool:
    return isinstance(arm, Mapping) and bool(arm.get("adapter"))


def _time(row: GenerationRow) -> float:
    assert row.time_per_token is not None
    return row.time_per_token.value


def _switch(
    group: GenerationGroup, slow: GenerationRow, other: GenerationRow, facts: Mapping[str, Any], price: str,
    arms: Mapping[str, Located],
) -> Remedy:  # fmt: skip
    gain = difference_between(arms[slow.scheme], arms[other.scheme])
    before, after = (row.memory.get("model_footprint") for row in (slow, other))
    more = after - before if after is not None and before is not None else None
    arm = facts.get(other.scheme)
    how = "both schemes measured in this run" + ("" if code(arm) else "; this tool's own module, so no code for users")
    gives_up = is_unquantised(arm) and not is_unquantised(facts.get(slow.scheme))
    keeps = "nothing" if gives_up else _keeps("", arm, after / before if after and before else 1.0)
    return Remedy(
        group.setting, slow.scheme, _instead(other.scheme, arm), gain.value, gain.low, gain.high, more,
        price, how, code(arm), keeps, assumed=gain.assumed, instead=True, freedom=gain.freedom,
    )  # fmt: skip


def _instead(scheme: str, arm: Any) -> str:
    merged = " (merge_and_unload)" if is_unquantised(arm) else " (merge_and_unload, then quantise)"
    return f"merge the adapter: use {scheme} instead{merged}" if _adapter(arm) else f"use {scheme} instead"


def _cautious(slow: GenerationRow, other: GenerationRow) -> tuple[float, float | None, float | None]:
    """s per token, with an interval from the nearer to the farther ends of the two settings' own."""
    before, after = slow.time_per_token, other.time_per_token
    assert before is not None and after is not None
    gain = before.value - after.value
    if before.low is None or before.high is None or after.low is None or after.high is None:
        return gain, None, None
    return gain, before.low - after.high, before.high - after.low


# Coordinates in which the same scheme may have been timed otherwise, and how a user gets there.
_USES = ("cache", "batch_size")


def _of_other_uses(
    group: GenerationGroup, groups: Sequence[GenerationGroup], records: Sequence[Record]
) -> Iterator[Remedy]:
    """A slower scheme timed in settings that differ in one such coordinate only: a static cache, or a larger batch."""
    facts = {record.case.scheme: record.setup.get("arm") for record in records if record.instrument == "generation"}
    here = dict(group.setting)
    for name in (name for name in _USES if name in here):
        rest = {key: value for key, value in here.items() if key != name}
        for other in groups:
            there = dict(other.setting)
            if there.keys() == here.keys() and fits(there, rest) and _further(name, here[name], there[name]):
                yield from _in_use(group, other, facts)


def _further(name: str, here: Any, there: Any) -> bool:
    return bool(there == "static" != here if name == "cache" else there > here)


def _in_use(group: GenerationGroup, other: GenerationGroup, facts: Mapping[str, Any]) -> Iterator[Remedy]:
    there = {row.scheme: row for row in other.rows if row.time_per_token}
    batch = dict(other.setting).get("batch_size") or 1
    change = f"batch-{batch}" if batch != (dict(group.setting).get("batch_size") or 1) else "static-cache"
    price = "each sequence waits for the others" if change != "static-cache" else "the output was not compared"
    for slow in group.rows:
        if slow.verdict == "SLOWER" and slow.scheme in there:
            gain, low, high = _cautious(slow, there[slow.scheme])
            arm, times = facts.get(slow.scheme), (slow.time_per_token, there[slow.scheme].time_per_token)
            assumed = next((time.assumed for time in times if time and time.assumed), "")
            yield Remedy(
                group.setting, slow.scheme, _title(change), gain, low, high, None, price,
                "both settings measured in this run", code(arm, (change,), batch), _keeps(change, arm, 1.0),
                assumed=assumed,
            )  # fmt: skip

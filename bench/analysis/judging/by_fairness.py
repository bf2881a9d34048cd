"""Whether the arms were alike beyond their schemes: by what the records say that really ran, and by the SM clock under
load, which may have been lower for a scheme than for the reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bench.record.origin import block_of
from bench.record.schema import Record
from bench.record.setups import part_of
from bench.schemes.variants import compiles

from ..conditions import Condition, conditions, mixed
from ..grouping import Group, groups, pooled, reference_of
from ..statistics import Estimate
from ..statistics.pairing import ratio_between, taking
from ..statistics.runs import run_of
from ..statistics.several import faster_among
from .rules import Evidence, Found, Judgement, chance_of_seen, not_tested

# Told of the whole run, by ``mixed``.
_OF_THE_RUN = ("versions", "commit")
# NVML's clock event reasons that slow a GPU down: power cap, hardware slowdown, thermal (nvml.h).
_SLOWING = 0x4 | 0x8 | 0x20 | 0x40 | 0x80
# A clock under this share of the reference's is lower by more than the margin.
_CLOCK, _LOWER = "gpu_clock_sm", 0.98


def unfair(e: Evidence) -> Found:
    """H13: what differs between an arm and the reference besides the scheme. Refuted only where compilation,
    attention, dtypes and token counts are recorded on both sides: what is not recorded may have differed."""
    timed = [record for record in e.records if record.instrument == "generation" and record.status == "ok"]
    compared = list(_compared(timed, e.reference))
    if not compared:
        return not_tested("no scheme was timed beside the reference")
    found = [text for group, *sides in compared for text in _differences(sides)]
    short = [f"{row.scheme} made fewer tokens than asked for" for g in e.generation for row in g.rows if row.short]
    differing = tuple(dict.fromkeys((*found, *short, *(finding.evidence for finding in mixed(timed)))))
    if differing:
        return Found("supported", differing)
    unknown = tuple(dict.fromkeys(name for _, *sides in compared for side in sides for name in _unknown(side)))
    if unknown:
        return Found("ambiguous", (f"not recorded: {', '.join(unknown)}; all that is recorded is alike",))
    return Found("refuted", (_arms_text([side for _, *sides in compared for side in sides]),))


_Compared = tuple[Group, Sequence[Record], Sequence[Record]]


def _compared(timed: Sequence[Record], wanted: str) -> Iterator[_Compared]:
    """(group, the reference's records, an arm's records)."""
    for group in groups(timed, "generation"):
        reference = reference_of(group.schemes, wanted)
        for scheme, records in group.schemes.items():
            if reference and scheme != reference:
                yield group, group.schemes[reference], records


def _differences(sides: Sequence[Sequence[Record]]) -> Iterator[str]:
    """Conditions in which a scheme and the reference differ, then what either does that its name does not say."""
    reference, scheme = (side[0].case.scheme for side in sides)
    for item in conditions([(sides[0], sides[1])], one_run=True):
        if item.alike is False and item.name not in _OF_THE_RUN:
            yield _text(item, reference, scheme)
    for record in (record for side in sides for record in side):
        yield from _of_arm(record)


def _text(item: Condition, reference: str, scheme: str) -> str:
    return f"{item.name}: {reference} {item.a} ≠ {scheme} {item.b}"


def _of_arm(record: Record) -> Iterator[str]:
    arm, name = part_of(record.setup, "arm"), record.case.scheme
    if _compiles(record) and not compiles(name):
        yield f"{name} was compiled"
    if arm.get("compute_dtype") not in (None, "", arm.get("dtype")):
        yield f"{name} computes in {arm.get('compute_dtype')} on a {arm.get('dtype')} model"


def _compiles(record: Record) -> bool | None:
    """Whether the model was called compiled, as seen after the calls, or else by their option; None where neither is
    recorded."""
    seen = record.setup.get("compiled")
    if seen is not None:
        return bool(seen)
    off = part_of(record.setup, "generate").get("disable_compile")
    return None if off is None else not off


def _unknown(side: Sequence[Record]) -> Iterator[str]:
    scheme = side[0].case.scheme
    told = {
        "compilation": all(_compiles(record) is not None for record in side),
        "dtype": all(part_of(record.setup, "arm").get("dtype") for record in side),
        "attention": all(part_of(record.setup, "model").get("attention") for record in side),
        "tokens": all(record.values("tokens_generated") for record in side),
    }
    yield from (f"{name} of {scheme}" for name, known in told.items() if not known)


def _arms_text(sides: Sequence[Sequence[Record]]) -> str:
    """What ran, in its own words."""
    records = [record for side in sides for record in side]
    attention = " and ".join(sorted({str(part_of(record.setup, "model").get("attention")) for record in records}))
    versions = {name: records[0].environment.packages.get(name) for name in ("torch", "transformers", "bitsandbytes")}
    but = " but what is called so" if any(compiles(record.case.scheme) for record in records) else ""
    text = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    return (
        f"as recorded of {len(set(map(_process, records)))} processes: nothing compiled{but}, attention {attention} "
        f"on every arm, compute dtypes those of the models, as many tokens on each" + (f"; {text}" if text else "")
    )


def _process(record: Record) -> tuple[object, ...]:
    """What the Records of one process have in common: it may have measured several Cases, one after the other."""
    case, several = record.case, "place_in_process" in part_of(record.setup, "options")
    arm = (case.model, case.device, case.dropped_layers, case.scheme)
    return run_of(record), record.argv, block_of(record), record.repeat, arm, None if several else case


@dataclass(frozen=True)
class _Clocks:
    """A scheme beside the reference in one setting; Hz of each sample. ``ratio``: over the reference's, by process."""

    scheme: str
    reference: str
    own: tuple[float, ...]
    base: tuple[float, ...]
    slowed: int
    base_slowed: int
    ratio: Estimate

    @property
    def text(self) -> str:
        mhz, against = (float(np.mean(values)) * 1e-6 for values in (self.own, self.base))
        clocks = f"SM clock {mhz:.0f} MHz, {self.reference}'s {against:.0f} MHz"
        return f"{self.scheme}: {clocks}; {self.slowed} samples throttled, {self.base_slowed} of {self.reference}'s"

    def lower(self, sure: bool) -> bool:
        """``sure``: lower than the reference's, of all schemes together. Where processes are too few to show how they
        differ, only if every sample is lower and most of them were held back, none of the reference's."""
        if self.ratio.assumed:
            held = 2 * self.slowed >= len(self.own) and not self.base_slowed
            return held and max(self.own) < _LOWER * min(self.base)
        return sure and self.ratio.value < _LOWER and self.ratio.high is not None and self.ratio.high < 1.0

    @property
    def as_high(self) -> bool:
        """Nowhere lower by more than the margin."""
        surely = not self.ratio.assumed and self.ratio.low is not None and self.ratio.low >= _LOWER
        return surely or min(self.own) >= _LOWER * max(self.base)


def clocks(e: Evidence) -> Found:
    """H12: the SM clock under load, and how often something slowed it."""
    if not e.on_gpu:
        return not_tested("clocks, power and temperature are the GPU's")
    found = list(_clocks(e))
    if not found:
        return not_tested("clocks were not sampled for the reference and a scheme")
    evidence = tuple(one.text for one in found)
    together = faster_among([one.ratio for one in found])
    lower = any(one.lower(sure) for one, sure in zip(found, together, strict=True))
    verdict: Judgement = "supported" if lower else "refuted" if all(one.as_high for one in found) else "ambiguous"
    return Found(verdict, evidence, chance_of_seen([one.ratio.inverse() for one in found]))


def _clocks(e: Evidence) -> Iterator[_Clocks]:
    for group in groups(e.records, "energy"):
        having = {name: own for name, own in group.schemes.items() if pooled(own, _CLOCK)}
        reference = reference_of(having, e.reference) or ""
        base = having.pop(reference, ())
        for scheme, own in having.items():
            between = ratio_between(own, base, taking(_CLOCK))
            if between is not None:
                values = pooled(own, _CLOCK), pooled(base, _CLOCK)
                yield _Clocks(scheme, reference, *values, _slowed(own), _slowed(base), between)


def _slowed(records: Sequence[Record]) -> int:
    return sum(int(mask) & _SLOWING != 0 for mask in pooled(records, "gpu_throttle_reasons"))

"""What does not fit between two traces, or between a trace and its time."""

from __future__ import annotations

import filecmp
import re
from collections.abc import Sequence
from pathlib import Path

from bench.analysis.machines import differences
from bench.record import causes as c
from bench.record.codes import distinct
from bench.record.errors import UsageError
from bench.record.schema import Finding

from ..explain import UNEXPLAINED
from ..ledger.closure import Closed
from ..ledger.uniform import SHARE_GPU, uniform_factor
from ..replay.diagnosis import Diagnosis
from ..timeline import Analysis
from .doubts import GPU_UNSEEN, LOST, MIXED, WHOLE_GRAPHS
from .kinds import KINDS
from .recorded import Origin, Recorded
from .sizes import template
from .times import StepTime

# A given time under this share of the GPU's work in a step is not that step's; a time this much over the recorded step
# is not either, since recording only adds.
_LEAST, _MOST = 0.8, 1.25


_TIMES = re.compile(r"^\d+ × ")
UNLIKE, ONE_FILE = "unlike", "one-file"
# What says of what the numbers are, and stands before them.
FIRST = (ONE_FILE, UNLIKE, KINDS, LOST, MIXED, GPU_UNSEEN, WHOLE_GRAPHS)


def _facts(analyses: Sequence[Analysis]) -> list[str]:
    """Hardware and versions that both files tell and that differ."""
    one, other = (dict(analysis.timeline.facts) for analysis in analyses)
    told = [
        f"{what}: {one[what]} and {other[what]}"
        for what in one
        if what in other and _uncounted(one[what]) != _uncounted(other[what])
    ]
    platforms = [_platform(analysis) for analysis in analyses]
    if all(platforms) and platforms[0] != platforms[1]:
        told.append(f"platform: {platforms[0]} and {platforms[1]}")
    used = [len(analysis.devices) for analysis in analyses]
    return told + ([f"GPUs that work: {used[0]} and {used[1]}"] if used[0] != used[1] else [])


# By the first letters of the calls that ask for GPU work.
_PLATFORMS = {"CUDA": re.compile(r"cu(da)?[A-Z]"), "HIP": re.compile("hip[A-Z]"), "SYCL": re.compile("(ur|pi|ze)[A-Z]")}


def _platform(analysis: Analysis) -> str:
    """Such as "CUDA"; "" where no call tells."""
    timeline = analysis.timeline
    names = [timeline.strings[name] for name in distinct(timeline.calls.name).tolist()]
    return next((what for what, first in _PLATFORMS.items() if any(map(first.match, names))), "")


def _uncounted(value: str) -> set[str]:
    """The kinds of a fact such as "8 × H100 and A100": a trace names all GPUs that its process sees."""
    return {_TIMES.sub("", kind) for kind in value.split(" and ")}


def _sizes(steps: Sequence[str]) -> list[str]:
    """Names of steps that differ in their numbers only hold other sizes (batch, tokens)."""
    alike = steps[0] != steps[1] and template(steps[0]) == template(steps[1])
    return [f"sizes in the names of the steps: {steps[0]} and {steps[1]}"] if alike else []


def _passes(times: float | None) -> list[str]:
    """A step that holds several forward passes, or another model's."""
    if times is None:
        return []
    name, more = ("candidate", times) if times > 1.0 else ("reference", 1.0 / times)
    return [f"the same kernels run ×{more:.3g} as often in a step of the {name}: give it the range of one step"]


def unlike(
    analyses: Sequence[Analysis], origins: Sequence[Origin | None], steps: Sequence[str], times: float | None
) -> list[Finding]:
    """In what the two differ beside the scheme, as far as it is known: then the difference may be from that. ``steps``:
    what the steps of each are called; ``times``: how many times as many passes the candidate's hold, where not one."""
    tools = [analysis.timeline.source for analysis in analyses]
    told = [f"tool: {tools[0]} and {tools[1]}"] if tools[0] != tools[1] else []
    told += _facts(analyses) + _sizes(steps) + _passes(times)
    known = [origin.record for origin in origins if origin is not None]
    if len(known) == 2:
        one, other = (record.case.coordinates() for record in known)
        told += [
            f"{name.replace('_', ' ')}: {one.get(name)} and {other.get(name)}"
            for name in dict.fromkeys((*one, *other))
            if name not in ("scheme", "seed") and one.get(name) != other.get(name)
        ]
        told += [f"{item.fact}: {' and '.join(value for value, _ in item.values)}" for item in differences(known)]
    if not told:
        return []
    return [
        Finding(
            UNLIKE, "warning", "the two traces are not of the same thing", "; ".join(told),
            "record both on one machine, with one tool, in one setting",
        )
    ]  # fmt: skip


def one_file(reference: Path, candidate: Path) -> list[Finding]:
    """A finding where both are one trace, under one name or two."""
    try:
        same = reference.samefile(candidate) or (
            reference.stat().st_size == candidate.stat().st_size and filecmp.cmp(reference, candidate, shallow=False)
        )
    except OSError:
        return []
    if not same:
        return []
    return [
        Finding(
            ONE_FILE, "warning", "reference and candidate are the same trace", "both files hold the same bytes",
            "give the trace of the other",
        )
    ]  # fmt: skip


def of_times(times: tuple[StepTime, StepTime], alone: Recorded, device: str) -> list[Finding]:
    """Times that do not fit the recorded steps. Raises UsageError for one that the GPU's work alone exceeds."""
    made: list[Finding] = []
    for name, time, wall, floor in zip(("reference", "candidate"), times, alone.wall_ms, alone.floor_ms, strict=True):
        ms = time.seconds * 1e3
        if device == "cuda" and ms < _LEAST * floor:
            told = f"{ms:.4g} ms, is less than the GPU works in one of its recorded steps, {floor:.4g} ms"
            raise UsageError(f"the {name}'s time, {told}: give ms per step, of the steps that were recorded")
        if ms > _MOST * wall:
            message = f"the {name}'s recorded steps are shorter than its time, and recording only adds"
            evidence = f"{wall:.4g} ms recorded, {ms:.4g} ms {time.said}"
            made.append(Finding("unlike-steps", "warning", message, evidence, "record and time the same steps"))
    return made


def of_sample(found: Diagnosis) -> list[Finding]:
    """Which steps of long traces were played again, and whether their causes could be ranked."""
    if found.refused:
        remedy = "record the parts of the trace apart, or fewer steps, and explain these"
        return [Finding("sample-unlike", "warning", "the causes are not ranked", found.refused, remedy)]
    if not found.played:
        return []
    return [Finding("sampled", "info", "not all steps were played again", found.played)]


def left_open(closed: Closed, unit: str, uniform: float | None) -> list[Finding]:
    """What the ledger does not explain, on either side, and whether the machine is the cause. ``uniform``: the factor
    by which everything takes longer, where it does."""
    made: list[Finding] = []
    line = closed.line(c.UNEXPLAINED)
    if line is not None and max(map(abs, (line.reference_ms, line.scheme_ms))) > UNEXPLAINED * closed.reference_ms:
        message = f"{line.delta_ms:+.3g} ms per {unit} of the difference are unexplained"
        evidence = (
            f"{line.reference_ms:+.3g} ms of the reference and {line.scheme_ms:+.3g} ms of the candidate: its recorded "
            "steps took another time than the timed ones, beyond what recording costs"
        )
        remedy = "record and time the same steps, in one process, on a quiet machine"
        made.append(Finding("unexplained", "warning", message, evidence, remedy))
    return made + ([] if uniform is None else [_slower(f"everything takes ×{uniform:.2f}", "a neighbour")])


def of_work(alone: Recorded) -> list[Finding]:
    """Whether all of the GPU's work takes longer, or shorter, by one factor, where no times are known."""
    lines = [line for line in alone.lines if not line.inflated]
    before, after = ({line.cause: getattr(line, side) for line in lines} for side in ("reference_ms", "scheme_ms"))
    factor = uniform_factor(before, after, share=SHARE_GPU)
    return [] if factor is None else [_slower(f"all of the GPU's work takes ×{factor:.2f}", "another batch")]


def _slower(message: str, beside: str) -> Finding:
    return Finding(
        "machine-slower", "warning", f"{message}, as on a machine of another speed",
        f"another GPU, another clock, heat, or {beside}, rather than what the two differ in",
        "look at clocks and load, and record again",
    )  # fmt: skip

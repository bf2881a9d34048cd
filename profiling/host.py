"""Where the host's time goes in the decode loop, from py-spy's samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .flamegraph import render
from .host_classes import DESCRIPTIONS, HostClass, class_of, is_waiting
from .readers.py_spy import Samples, parse_folded, read_samples

# transformers' generation loop, or a loop of this project. py-spy tells the class too where there is one.
DECODE_LOOP = r"(^|\.)(_sample|decode_step|decode_loop)$"


@dataclass(frozen=True)
class HostShares:
    """``shares``: class → share of the samples inside the loop (they add up to 1).

    ``inside``: weight of those samples, ``total``: of all samples, in ``unit``. ``under_bitsandbytes``: share
    of samples with a bitsandbytes layer anywhere on the stack, so with what it called.
    """

    shares: Mapping[HostClass, float]
    under_bitsandbytes: float
    inside: float
    total: float
    unit: str


def host_shares(samples: Samples, loop: str | None = DECODE_LOOP) -> HostShares:
    """Shares of the samples inside functions that ``loop`` matches; of all samples for None.

    Raises RecordError if no sample is inside.
    """
    chosen = samples if loop is None else samples.inside(loop)
    python = [frame.is_python for frame in samples.frames]
    waits = [is_waiting(frame.function, frame.place, frame.is_python) for frame in samples.frames]
    classes = [class_of(frame.function, frame.place, frame.is_python) for frame in samples.frames]
    sums: dict[HostClass, float] = dict.fromkeys(DESCRIPTIONS, 0.0)
    under = 0.0
    for stack, weight in zip(chosen.stacks, chosen.weights, strict=True):
        sums[_class_of_stack(stack, python, waits, classes)] += float(weight)
        under += float(weight) * any(classes[index] == "bitsandbytes" for index in stack)
    inside = float(chosen.weights.sum())
    shares = {name: value / inside for name, value in sums.items()}
    return HostShares(shares, under / inside, inside, float(samples.weights.sum()), samples.unit)


def _class_of_stack(
    stack: tuple[int, ...], python: list[bool], waits: list[bool], classes: list[HostClass | None]
) -> HostClass:
    for place, index in enumerate(reversed(stack)):
        # Beyond the innermost Python frame a synchronising function has already returned.
        if waits[index] and (place == 0 or not python[index]):
            return "waiting"
        if python[index]:
            break
    return next((known for index in reversed(stack) if (known := classes[index]) is not None), "other")


def flamegraph_svg(folded: str, title: str = "Host samples", loop: str | None = None) -> str:
    """A self-contained SVG of folded stacks, coloured by class, readable on light and on dark ground.

    ``loop``: only what is inside functions that it matches. Raises RecordError for text that is not folded
    stacks, or if nothing is inside.
    """
    samples = parse_folded(folded)
    return render(samples if loop is None else samples.inside(loop), title)


def summary(path: Path | str, loop: str | None = DECODE_LOOP) -> HostShares:
    """``host_shares`` of a file. Raises as ``read_samples`` and ``host_shares`` do."""
    return host_shares(read_samples(path), loop)


__all__ = ["DECODE_LOOP", "HostShares", "flamegraph_svg", "host_shares", "read_samples", "summary"]

"""The claims about time, energy and power."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.analysis.statistics import Estimate

from ..published import EIGHT_BIT, FOUR_BIT, ORIGINAL
from .grounds import (
    GPU_ALONE,
    QUANTISED,
    WHOLE_NODE,
    ClaimReading,
    Grounds,
    Judge,
    Ratio,
    above,
    below,
    by_setting,
    name_of,
    overall,
    percent,
    within,
)
from .joules import SettingJoules
from .means import over
from .split import even_share


def slower(arm: str) -> Judge:
    def judge(g: Grounds) -> Iterable[ClaimReading]:
        outcome = overall(above(one.time(arm)) for one in g.settings)
        yield ClaimReading(
            "", outcome, f"time ÷ original, which is fp32: {by_setting(g.settings, SettingJoules.time, arm)}"
        )

    return judge


def eight_against_four(g: Grounds) -> Iterable[ClaimReading]:
    def ratio(one: SettingJoules, _arm: str) -> Estimate:
        return over(one.of(EIGHT_BIT).seconds.runs, one.of(FOUR_BIT).seconds.runs)

    outcome = overall(above(ratio(one, "")) for one in g.settings)
    yield ClaimReading("", outcome, f"8-bit ÷ 4-bit: {by_setting(g.settings, ratio, '')}")


def more_energy(*arms: str) -> Judge:
    """Whether the arms cost more than the fp32 original."""

    def judge(g: Grounds) -> Iterable[ClaimReading]:
        readings: tuple[tuple[str, Ratio, float, str], ...] = (
            (GPU_ALONE, SettingJoules.gpu, g.gpu_nodes, ""),
            (WHOLE_NODE, SettingJoules.corrected, g.all_nodes, _turns(g, arms)),
        )
        for name, ratio, nodes, more in readings:
            outcome = overall(above(ratio(one, arm), nodes) for arm in arms for one in g.settings)
            yield ClaimReading(name, outcome, f"÷ original: {_ratios_text(g, ratio, arms)}{_nodes(nodes)}{more}")

    return judge


def _ratios_text(g: Grounds, ratio: Ratio, arms: Sequence[str]) -> str:
    return "; ".join(f"{arm} {by_setting(g.settings, ratio, arm)}" for arm in arms)


def _nodes(nodes: float) -> str:
    return f". Between two nodes one arm differs by ×{nodes:.2f}"


def _turns(g: Grounds, arms: Sequence[str]) -> str:
    """From which share of the node's host on the sign turns."""
    known = [(arm, one, even_share(one, arm)) for arm in arms for one in g.settings]
    evidence = [
        f"{arm} {name_of(one.model, one.tokens)} {percent(share)}" for arm, one, share in known if share is not None
    ]
    return f". The sign turns at this share of the node's CPUs and DRAM: {', '.join(evidence)}" if evidence else ""


def size(arm: str) -> Judge:
    def judge(g: Grounds) -> Iterable[ClaimReading]:
        range_ = g.published.range_of(arm)
        assert range_ is not None
        readings = {"CodeCarbon as written": SettingJoules.written, GPU_ALONE: SettingJoules.gpu}
        if arm == EIGHT_BIT:  # no run of 4-bit needs a wrap
            readings["CodeCarbon, wraps put back"] = SettingJoules.corrected
        for name, ratio in readings.items():
            found = [ratio(one, arm) for one in g.settings]
            evidence = "over the original: " + ", ".join(f"{100 * (value.value - 1):+.0f} %" for value in found)
            more = _of_the_larger(found) if ratio is SettingJoules.written else ""
            yield ClaimReading(name, overall(within(one, range_.low, range_.high) for one in found), evidence + more)

    return judge


def _of_the_larger(found: Sequence[Estimate]) -> str:
    shares = [1 - 1 / value.value for value in found]
    text = f"{percent(min(shares))} to {percent(max(shares))}"
    return f". What is printed is near (quantised − original) ÷ quantised, {text} (inferred)"


def less_power(g: Grounds) -> Iterable[ClaimReading]:
    for name, ratio, nodes in ((GPU_ALONE, _gpu_power, g.gpu_nodes), (WHOLE_NODE, _whole_power, g.all_nodes)):
        answers = [below(ratio(one, arm), nodes) for arm in QUANTISED for one in g.settings]
        yield ClaimReading(
            name, overall(answers), f"power ÷ original: {_ratios_text(g, ratio, QUANTISED)}{_nodes(nodes)}"
        )


def _gpu_power(one: SettingJoules, arm: str) -> Estimate:
    own, base = ([run.run.gpu / run.run.seconds for run in one.of(name).runs] for name in (arm, ORIGINAL))
    return over(own, base)


def _whole_power(one: SettingJoules, arm: str) -> Estimate:
    own, base = ([(run.total or 0.0) / run.run.seconds for run in one.of(name).known] for name in (arm, ORIGINAL))
    return over(own, base)


JUDGES: dict[str, Judge] = {
    "4bit-slower": slower(FOUR_BIT),
    "8bit-slower": slower(EIGHT_BIT),
    "8bit-slower-than-4bit": eight_against_four,
    "4bit-more-energy": more_energy(FOUR_BIT),
    "8bit-more-energy": more_energy(EIGHT_BIT),
    "energy-always": more_energy(*QUANTISED),
    "4bit-energy-size": size(FOUR_BIT),
    "8bit-energy-size": size(EIGHT_BIT),
    "energy-less-than-time": less_power,
    "guess 4": more_energy(*QUANTISED),
}

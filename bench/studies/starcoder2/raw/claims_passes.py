"""The claims about pass@1 and about removed layers."""

from __future__ import annotations

from collections.abc import Iterable

from bench.quality.analysis.passing import wilson

from ..published import EIGHT_BIT, FOUR_BIT
from . import passes
from .grounds import CANNOT, GPU_ALONE, ClaimReading, Grounds, Judge, Outcome, below, overall, times


def setup_valid(g: Grounds) -> Iterable[ClaimReading]:
    """A set-up is validated only by a model that its fault would show in."""
    star, phi = (g.raw.continues[name]["as-is"] for name in ("StarCoder2", "Phi-2"))
    first, other = (g.raw.samples[name]["begins_with_def"].count("1") for name in ("3b_128", "Phi2_128"))
    shown = star.count("1") < len(star) / 2 < phi.count("1")
    evidence = (
        f"the prompt's tokens begin those of prompt + solution in {star.count('1')} of {len(star)} tasks for "
        f"StarCoder2, in {phi.count('1')} for Phi-2: only StarCoder2's vocabulary joins the last newline with what "
        f"follows. What is written begins with a new function in {first} (3B/128) and {other} (Phi-2): Phi-2 cannot "
        "show the fault"
    )
    yield ClaimReading("", "falls" if shown else CANNOT, evidence)


def pass_lower(g: Grounds) -> Iterable[ClaimReading]:
    known = ", ".join(f"{cell.arm} {cell.benchmark} p = {cell.test.p:.2f}" for cell in g.cells if cell.test)
    largest, least = max(abs(cell.change) for cell in g.cells), min(cell.least_p for cell in g.cells)
    evidence = (
        f"3B/128, exact McNemar: {known}. In all {len(g.cells)} cells the totals differ by at most {largest} of "
        f"{g.published.tasks} tasks: p ≥ {least:.3f} whichever tasks changed; {passes.fewest_for_a_sign()} changed one "
        "way are the fewest that show a difference. Nor do equal totals show equal models"
    )
    yield ClaimReading("", "stands" if all(cell.readable for cell in g.cells) else CANNOT, evidence)


def barely(arm: str) -> Judge:
    def judge(g: Grounds) -> Iterable[ClaimReading]:
        margin, key = g.published.largest_change, f"3b_128_{arm.replace('-', '')}"
        found = {name: passes.change(g.raw, "3b_128", key, name) for name in passes.TESTS}
        inside = all(-margin <= one.low and one.high <= margin for one in found.values())
        outside = any(one.high < -margin or one.low > margin for one in found.values())
        outcome: Outcome = "stands" if inside else "falls" if outside else CANNOT
        evidence = ", ".join(
            f"{name} {100 * one.value:+.1f} points [{100 * one.low:+.1f}, {100 * one.high:+.1f}]"
            for name, one in found.items()
        )
        more = "the tasks of the other settings are not among the data carried"
        yield ClaimReading("", outcome, f"3B/128, programs kept: {evidence}; {more}")

    return judge


def pruned_to_zero(g: Grounds) -> Iterable[ClaimReading]:
    (point,) = (one for one in g.pruned if (one.model, one.removed) == ("StarCoder2-3B", 3))
    passed, tasks = point.passed or (0, 0), g.published.tasks
    low, high = wilson(passed[1], tasks)
    evidence = f"{passed[1]} of {tasks} pass, judged again [{100 * low:.1f}, {100 * high:.1f} %]"
    yield ClaimReading("StarCoder2-3B", "stands" if passed[1] == 0 else "falls", evidence)
    yield ClaimReading("StarCoder2-7B", CANNOT, "its programs are not among the data carried")


def pruned_phi2(_g: Grounds) -> Iterable[ClaimReading]:
    yield ClaimReading("", CANNOT, "the programs of the pruned Phi-2 are not among the data carried")


def pruned_energy(g: Grounds) -> Iterable[ClaimReading]:
    last = [one for one in g.pruned if one.removed == 6]
    for name, what, nodes in (
        (GPU_ALONE, "gpu_ratio", g.gpu_nodes),
        ("CodeCarbon's total", "total_ratio", g.all_nodes),
    ):
        found = {one.model: getattr(one, what) for one in last}
        evidence = ", ".join(f"{model} {times(value)}" for model, value in found.items())
        outcome = overall(below(value, nodes) for value in found.values())
        yield ClaimReading(
            name, outcome, f"six layers less ÷ whole: {evidence}. Between two nodes one arm differs by ×{nodes:.2f}"
        )


JUDGES: dict[str, Judge] = {
    "setup-valid": setup_valid,
    "pass-lower": pass_lower,
    "4bit-pass": barely(FOUR_BIT),
    "8bit-pass": barely(EIGHT_BIT),
    "pruned-to-zero": pruned_to_zero,
    "pruned-phi2": pruned_phi2,
    "pruned-energy": pruned_energy,
}

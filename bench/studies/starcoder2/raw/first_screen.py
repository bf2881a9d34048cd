"""The first screen: what changed and why, for a reader who knows only the paper's abstract."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from bench.record.suggested import command
from bench.report.content import Answer, FigureSpec, Headline, Point

from ..published import EIGHT_BIT, FOUR_BIT, ORIGINAL
from . import figures as draw
from . import tables_passes
from .facts import busy_span, carried, gpu_of_four_bit, span, wrap_facts
from .grounds import Grounds, RawClaim
from .passes import fewest_for_a_sign


def answer(g: Grounds) -> Answer:
    time = [one.time(arm).value for one in g.settings for arm in (FOUR_BIT, EIGHT_BIT)]
    costs = [one.corrected(EIGHT_BIT).value for one in g.settings]
    sentence = (
        f"Slower, yes: quantised, StarCoder2 took {span(time, 1)} the time of its fp32 original. But 8-bit needs "
        f"{span(costs, 1)} the energy, not 19 to 75 % more; on the GPU alone, 4-bit of 7B needs less; no loss of "
        "accuracy can be read; and the guessed causes cannot carry the slowdown."
    )
    return Answer(sentence, "unsure", _ratios(g), _causes(g), _actions(), _note(g))


def _causes(g: Grounds) -> tuple[Point, ...]:
    star, phi = (g.raw.continues[name]["as-is"].count("1") for name in ("StarCoder2", "Phi-2"))
    one, facts = g.raw.samples["3b_128"], wrap_facts(g)
    repeated = sum(one["repeated"]) / sum(one["tokens"])
    largest = max(abs(cell.change) for cell in g.cells)
    return (
        Point(
            "8-bit: the CPU's counter wrapped unseen",
            f"CodeCarbon read it at the ends of a run only; it had wrapped up to {facts.most} times. Put back, "
            f"{facts.fitted} of {facts.runs} runs meet the node's own meter to {facts.largest:.1f} W; the other is "
            "left out.",
        ),
        Point(
            "4-bit: the extra joules are the node's",
            f"The GPU alone needs {gpu_of_four_bit(g, 'StarCoder2-7B')} (7B) or {gpu_of_four_bit(g, 'StarCoder2-3B')} "
            "(3B, about what two nodes differ by); the rest is both CPUs of a shared node, for longer.",
        ),
        Point(
            "pass@1 was low: most likely the prompt's last newline",
            f"StarCoder2's tokens of the prompt lead into a solution in {star} of 164 tasks (Phi-2's in {phi}; "
            f"stripped, all). {one['begins_with_def'].count('1')} of 164 outputs begin a new function; "
            f"{100 * repeated:.0f} % of the tokens repeat the prompt. What that costs needs a GPU.",
        ),
        Point(
            "Accuracy: 164 tasks are too few",
            f"No cell of Table III differs by more than {largest} tasks; {fewest_for_a_sign()}, all one way, are the "
            "fewest that can be told from chance.",
        ),
        Point(
            "The slowdown is not the GPU's work",
            f"Busy {busy_span(g, (FOUR_BIT, EIGHT_BIT))} when quantised, {busy_span(g, (ORIGINAL,))} in the 7B "
            f"original: look-ups, integer products and all carry at most {carried(g, 'StarCoder2-7B')} of it in 7B.",
        ),
        Point("The cache misses are the CPU's", "Counted beside the CPU's cycles, they mostly rose with them."),
    )


def _actions() -> tuple[Point, ...]:
    return (
        Point(
            "Check your own joules",
            "CodeCarbon's file, against a power that you know:",
            command("energy check emissions.csv --cpu-power 240-310"),
        ),
        Point("Strip the prompt", "Before a model goes on from it:", "tokenizer(prompt.strip())"),
        Point(
            "Compare with fp16, as the study did not",
            "Time, energy, causes and scores on your GPU:",
            command("run --preset paper --model bigcode/starcoder2-3b"),
        ),
        Point(
            "Or run what the study ran",
            "fp32, fp4 with bfloat16 compute, int8, prompts as they are:",
            command("run --preset paper-compat --model bigcode/starcoder2-3b"),
        ),
    )


def _note(g: Grounds) -> str:
    return (
        f"Two arms ran on two nodes. Between two nodes one arm's GPU joules differ by ×{g.gpu_nodes:.2f}, all parts "
        f"by ×{g.all_nodes:.2f}: less than that settles nothing."
    )


def headlines(found: Sequence[RawClaim]) -> tuple[Headline, ...]:
    """Claims whose readings all end alike, by outcome; then those that depend on the reading."""
    made = []
    for outcome, tone in tables_passes.TONES.items():
        texts = [claim.statement.text for claim in found if {one.outcome for one in claim.readings} == {outcome}]
        made.append(Headline("", outcome.upper(), f"{len(texts)} of {len(found)} claims: {'; '.join(texts)}.", tone))
    mixed = [claim for claim in found if len({one.outcome for one in claim.readings}) > 1]
    texts = [f"{claim.statement.text} ({_readings(claim)})" for claim in mixed]
    made.append(Headline("", "DEPENDS ON THE READING", f"{len(mixed)} claims: {'; '.join(texts)}.", "unsure"))
    return tuple(made)


def _readings(claim: RawClaim) -> str:
    short = {"cannot be told from these data": "cannot be told"}
    return ", ".join(f"{one.name}: {short.get(one.outcome, one.outcome)}" for one in claim.readings)


def _ratios(g: Grounds) -> FigureSpec:
    caption = (
        "Each quantised arm's energy over its fp32 original's. Hollow: as CodeCarbon wrote it. Filled: with the CPU's "
        "wraps put back. Triangle: the GPU alone."
    )
    title = "What changed: energy over the original's"
    return FigureSpec("study-energy-ratios", title, caption, partial(draw.ratios, g))

"""How the study was run, and what of that its raw data can put a figure to."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ..published import EIGHT_BIT, ORIGINAL
from .data import ARMS, Raw, key_of
from .grounds import QUANTISED, Grounds, name_of, percent

Known = Literal["measured", "bounded", "not in these data"]


@dataclass(frozen=True)
class RawConfound:
    """``touches``: time, energy or pass@1. ``share``: what it carries, with its evidence in ``told``."""

    name: str
    touches: str
    known: Known
    share: str
    told: str


def confounds(g: Grounds) -> tuple[RawConfound, ...]:
    return tuple(made for make in _ALL for made in make(g))


def early_stop_share(raw: Raw, arm: str, ratio: float) -> float:
    """The share of log(time ratio) that unlike numbers of written tokens carry, at 3B/128; below 0 it hides some."""
    own, base = (sum(raw.samples[key_of("StarCoder2-3B", 128, one)]["tokens"]) for one in (arm, ORIGINAL))
    return math.log(own / base) / math.log(ratio)


def hidden_by_wraps(written: float, corrected: float) -> float:
    """The share of log(corrected ratio) that the lost wraps hid."""
    return 1 - math.log(written) / math.log(corrected)


def _original(g: Grounds) -> Iterable[RawConfound]:
    text = f"StarCoder2-7B in float32 {_busy(g.raw, 'StarCoder2-7B')}, Phi-2 in float16 {_busy(g.raw, 'Phi-2')}"
    yield RawConfound(
        "the original is fp32", "time, energy", "not in these data", "–",
        f"loaded without a dtype. GPU busy: {text}: an fp16 original need not have been GPU-bound",
    )  # fmt: skip
    yield RawConfound(
        "4-bit is fp4 with bfloat16 compute", "time, pass@1", "not in these data", "–",
        "load_in_4bit with a compute dtype and no quant type: casts in each Linear of a float16 model",
    )  # fmt: skip


def _busy(raw: Raw, model: str) -> str:
    shares = [100 * run.ear.gpu_busy for run in raw.arm(model, 128, ORIGINAL).runs if run.ear]
    return f"{min(shares):.0f} to {max(shares):.0f} %"


def _early_stop(g: Grounds) -> Iterable[RawConfound]:
    setting = g.settings[0]
    shares = [f"{arm} {100 * early_stop_share(g.raw, arm, setting.time(arm).value):+.1f} %" for arm in QUANTISED]
    ended = [f"{arm} {g.raw.samples[key_of('StarCoder2-3B', 128, arm)]['ended'].count('1')}" for arm in ARMS]
    yield RawConfound(
        "early stop", "time", "measured", ", ".join(shares) + " of the gap",
        f"3B/128, outputs that ended before 128 tokens: {', '.join(ended)} of {g.published.tasks}",
    )  # fmt: skip
    yield RawConfound("no warm-up", "time", "not in these data", "–", "single calls were not timed")


def _wraps(g: Grounds) -> Iterable[RawConfound]:
    hidden = []
    for one in g.settings:
        share = hidden_by_wraps(one.written(EIGHT_BIT).value, one.corrected(EIGHT_BIT).value)
        hidden.append(f"{name_of(one.model, one.tokens)} {percent(share)}")
    scheduler = g.raw.jobs["scheduler"]
    yield RawConfound(
        "CodeCarbon read the CPU's counter at the edges only", "energy", "measured",
        f"8-bit: hides {', '.join(hidden)} of the gap",
        f"{scheduler['warned']} of {scheduler['runs']} runs warn that its scheduler did not run for as long as the run",
    )  # fmt: skip


def _node(g: Grounds) -> Iterable[RawConfound]:
    low, high = g.raw.package_powers
    yield RawConfound(
        "each job on a node of its own", "energy", "bounded", f"GPU ×{g.gpu_nodes:.2f}, all parts ×{g.all_nodes:.2f}",
        f"one arm on two nodes; CPU packages drew {low:.0f} to {high:.0f} W from job to job",
    )  # fmt: skip
    cores = g.raw.jobs["cores"]
    used = [cpu / wall for cpu, wall in cores["used"].values()]
    yield RawConfound(
        "the whole node is charged to the run", "energy", "measured",
        f"{min(used):.2f} to {max(used):.2f} cores of {cores['of_node']} used",
        "CPU and DRAM joules are those of all who were on the node; only the GPU was the run's own",
    )  # fmt: skip
    dram = [step.dram_power for step in g.raw.steps if not step.job.startswith("pruning")]
    yield RawConfound(
        "DRAM is a constant", "energy", "measured", f"45 W against {min(dram):.0f} to {max(dram):.0f} W",
        "CodeCarbon's constant for the memory size; EAR's figure is the whole node's",
    )  # fmt: skip
    clocks = [step.cpu_frequency / 1e9 for step in g.raw.steps]
    yield RawConfound(
        "clocks", "time", "measured", f"CPU {min(clocks):.3f} to {max(clocks):.3f} GHz", "EAR, mean of each job step",
    )  # fmt: skip


def _programs(g: Grounds) -> Iterable[RawConfound]:
    star = g.raw.continues["StarCoder2"]["as-is"]
    yield RawConfound(
        "the prompt's last newline", "pass@1", "measured", f"{star.count('0')} of {len(star)} tasks",
        "in so many, StarCoder2's tokens of the prompt do not begin those of prompt + solution; how many points that "
        "costs needs a GPU",
    )  # fmt: skip
    altered = g.raw.samples["3b_128"]["prompt_altered"].count("1")
    yield RawConfound(
        "decode() cleaned up spaces", "pass@1", "measured", f"{altered} of {len(star)} programs altered",
        "transformers' clean_up_tokenization_spaces, on by default then, takes spaces before , . ! ? ' out of code too",
    )  # fmt: skip
    results = {key: one for key, one in g.raw.jobs["results"].items() if isinstance(one, dict)}
    other = [f"{key} {one['other_programs']} tasks" for key, one in results.items() if one["other_programs"]]
    days = sorted(one["judged"] for one in results.values())
    yield RawConfound(
        "verdicts of an earlier generation", "pass@1", "measured", ", ".join(other),
        f"all cells were judged from {days[0]} to {days[-1]}, before the runs whose energy is printed: EvalPlus took "
        "up the earlier result files; in these tasks they hold another program",
    )  # fmt: skip


_ALL = (_original, _early_stop, _wraps, _node, _programs)

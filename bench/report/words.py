"""The words for verdicts, settings, models and machines: one place, so that every page says it alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from bench.analysis.generation import GenerationRow
from bench.analysis.grouping import Coordinates
from bench.analysis.ledger.closure import Line
from bench.analysis.statistics import Basis, Estimate
from bench.analysis.statistics.verdict import MOST as MOST_PROCESSES
from bench.analysis.statistics.verdict import Verdict, processes_needed, verdict
from bench.record.schema import Case, Environment, Record
from bench.record.setups import partly_quantised

from .content import Cell, Tone
from .units import ASSUMED_NOTE, percent, ratio

TONES: dict[Verdict, Tone] = {"SLOWER": "bad", "FASTER": "good", "SAME": "same", "AMBIGUOUS": "unsure"}
# The same verdict about joules or bytes instead of seconds.
AMOUNTS: dict[Verdict, str] = {"SLOWER": "MORE", "FASTER": "LESS", "SAME": "SAME", "AMBIGUOUS": "AMBIGUOUS"}
_BASES: dict[Basis, str] = {
    "between processes": "bootstrap over repeats (fresh processes), then calls; widened for few repeats",
    "between nodes": "bootstrap over nodes, each with all its processes; widened for few nodes",
    "between runs": "bootstrap over runs, each with all its processes; widened for few runs",
    "in turns": "bootstrap over bursts of arms that took turns in one process; other processes are NOT in it",
    "within one process": "bootstrap over the calls of one process",
    "paired blocks": "Student's t over nodes, from pairs of arms in one block on one node",
    "paired blocks, one node": "Student's t over paired blocks of one node; variation between nodes is NOT in it",
    "one value": "none where there is one value only and nothing is assumed",
}
CPU_LABEL = "Measured on a CPU: CPU timings say nothing about a GPU."
_LABELS = {
    "memorised": "Memorised smoke checkpoint: the speed figures describe this tiny model only.",
    "random weights": "Random weights at exact shapes: timings hold for these shapes; the text produced means nothing.",
}


def interval_text(estimates: Iterable[Estimate | None], what: str = "calls") -> str:
    """What the bounds of these figures are, by what their variation was drawn over."""
    bases = dict.fromkeys(item.basis for item in estimates if item is not None)
    bases_text = " / ".join(_BASES[basis].replace("calls", what) for basis in _BASES if basis in bases)
    return f"[low, high]: 95 % interval ({bases_text or 'none here'})"


def assumed_bars(estimates: Iterable[Estimate | Line | None]) -> str:
    """For a caption: that a part of the drawn intervals was not seen; "" where all was."""
    if not any(item.assumed for item in estimates if item is not None and item.low is not None):
        return ""
    return f" Part of the bars is {ASSUMED_NOTE}"


def scheme_text(row: GenerationRow) -> str:
    """The scheme's name, with the share that it quantised where that is far from all: "nf4 (11 % of the weights
    quantised)"."""
    if not partly_quantised(row.quantised):
        return row.scheme
    return f"{row.scheme} ({percent(row.quantised)} of the weights quantised)"


def verdict_cell(value: Verdict | None, *, amounts: bool = False) -> Cell:
    """A verdict as a coloured word; "reference" where there is none to give."""
    if value is None:
        return Cell("–", "muted")
    return Cell(AMOUNTS[value] if amounts else value, TONES[value])


def chance_note(comparisons: Iterable[tuple[str, Estimate | None, Verdict | None]]) -> str:
    """Of (scheme, ratio, verdict): which the interval alone would tell apart from the reference; "" where none."""
    names = [
        s
        for s, ratio, comparisons in comparisons
        if ratio and comparisons == "AMBIGUOUS" and verdict(ratio) in ("SLOWER", "FASTER")
    ]
    if not names:
        return ""
    return f" {', '.join(names)}: the interval leaves 1 out, but of so many schemes chance makes one do that."


def what_tells(ratio: Estimate | None) -> str:
    """How many processes would tell, where this ratio does not."""
    needed = processes_needed(ratio) if ratio else None
    if needed is None and ratio and not ratio.assumed:
        return "What was seen often enough still does not tell: more of it, or a quieter machine, may."
    if needed is None:
        units = "runs" if ratio and "runs" in ratio.assumed else "processes"
        return f"Three {units} of each show how {units} differ; five are better."
    many = f"more than {MOST_PROCESSES}" if needed > MOST_PROCESSES else f"about {needed}"
    return f"Estimated, if the ratio is what it seems: {many} processes of each would tell."


def ratio_cell(value: Estimate | None, is_reference: bool) -> Cell:
    return Cell("reference", "muted") if is_reference else Cell(ratio(value))


_QUIET = ("revision", "seed")


def setting_text(setting: Coordinates, only: Iterable[str] | None = None) -> str:
    """A setting in words: "smoke · cpu · batch 1 · humaneval prompts · 32 new tokens · dynamic cache". Revision and
    seed are left out: they are told where they differ, and under the environment."""
    shown = None if only is None else set(only)
    parts = [_coordinate(name, value) for name, value in setting if (name in shown if shown else name not in _QUIET)]
    return " · ".join(part for part in parts if part)


def _coordinate(name: str, value: Any) -> str:
    words = {
        "workload": "",
        "revision": f"revision {str(value)[:12]}",
        "seed": f"seed {value}",
        "batch_size": f"batch {value}",
        "prompts": "a prompt of the user's own" if str(value).startswith("text-") else f"{value} prompts",
        "prompt_tokens": f"{value} prompt tokens",
        "new_tokens": f"{value} new tokens",
        "cache": f"{value} cache",
        "dropped_layers": f"less layers {value}",
        "prompt_style": f"{value} prompt",
        "stop": "stops at end-of-text" if value == "eos" else "",
        "layer": str(value),
        "op": "" if value == "linear" else str(value).replace("_", " "),
        "m": f"m={value}",
        "n": f"n={value}",
        "k": f"k={value}",
    }
    return words.get(name, str(value))


def varying(settings: Sequence[Coordinates]) -> tuple[str, ...]:
    """The names of the coordinates in which the settings differ."""
    names = dict.fromkeys(name for setting in settings for name, _ in setting)
    return tuple(name for name in names if len({dict(setting).get(name) for setting in settings}) > 1)


def short_labels(settings: Sequence[Coordinates]) -> dict[Coordinates, str]:
    """For each setting only what tells it from the others; "" where there is one setting."""
    names = varying(settings)
    return {setting: _setting_label(setting, names) for setting in settings}


def _setting_label(setting: Coordinates, names: Sequence[str]) -> str:
    known = dict(setting)
    if known.get("prompts") == "humaneval":
        known.setdefault("prompt_style", "as-is")  # Cases of before name none
    parts = [_coordinate(name, known[name]) or f"{name} {known[name]}" for name in names if name in known]
    return " · ".join(parts)


def machine_text(environment: Environment) -> str:
    """The machine in one line: GPUs, CPU, cores, system."""
    cpu = environment.cpu
    cores = cpu.get("usable_cores")
    gpus = [str(gpu.get("name", "unnamed GPU")) for gpu in environment.gpus]
    parts = [
        " + ".join(gpus) if gpus else "no GPU",
        str(cpu.get("model") or "unknown CPU"),
        f"{cores} usable cores" if cores else "",
        environment.os,
    ]
    return " · ".join(part for part in parts if part)


def case_text(case: Case, other_scheme: str = "") -> str:
    """A Case in few words, without what every Case of its kind has in common."""
    scheme = case.scheme if other_scheme in ("", case.scheme) else f"{other_scheme} → {case.scheme}"
    if case.layer is not None:
        coordinates = ("op", "residency", "m", "device")
        return f"{scheme} · {case.layer} {case.n}×{case.k} · " + setting_text(_coordinates(case), coordinates)
    return f"{scheme} · " + setting_text(
        _coordinates(case), ("device", "batch_size", "prompt_tokens", "new_tokens", "cache")
    )


def _coordinates(case: Case) -> Coordinates:
    return tuple(case.coordinates().items())


def model_labels(records: Sequence[Record]) -> tuple[str, ...]:
    """What a reader must know before any figure: what the models are, and that a CPU is not a GPU."""
    labels: dict[str, None] = {}
    for record in records:
        model = record.setup.get("model")
        label = model.get("label") if isinstance(model, dict) else None
        for start, text in _LABELS.items():
            if str(label or "").startswith(start):
                labels[text] = None
    if any(record.case.device == "cpu" for record in records):
        labels[CPU_LABEL] = None
    return tuple(labels)


def span(values: Iterable[int]) -> str:
    """ "3", or "2 to 3" where they differ."""
    ordered = sorted(set(values))
    if not ordered:
        return "0"
    return str(ordered[0]) if len(ordered) == 1 else f"{ordered[0]} to {ordered[-1]}"


def cut_short(text: str, most: int) -> str:
    """The text, or its first letters and "…": ``most`` letters in all."""
    return text if len(text) <= most else f"{text[: most - 1]}…"

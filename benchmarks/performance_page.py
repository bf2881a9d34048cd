"""docs/performance.md, of the records that benchmarks.performance, .first_report and .evaluation write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import evaluation, first_report, growth, late_change
from .measured import ratio

Row = Mapping[str, Any]


def page(result: Row, first: Row | None, judging: Row | None) -> str:
    """All of it. ``first``: what the first report took, ``judging``: what judging programs took; None where nobody
    measured it."""
    parts = (
        _head(result), _works(result["works"]), _first(first) if first else (), _judging(judging) if judging else (),
        _growth(result["growth"]), _late_change(result["late_change"]),
    )  # fmt: skip
    return "\n".join(line for part in parts for line in part)


def _head(result: Row) -> Sequence[str]:
    known, loads = result["machine"], _loads(result)
    left_out = (
        " The trace of 3 million kernels, and three of nsys' reports, were left out (`--short`)."
        if result["short"]
        else ""
    )
    return (
        "# What reading, explaining and reporting cost",
        "",
        "Made by `python -m benchmarks.performance`; the figures are those of `benchmarks/results/performance.json`.",
        "",
        f"Processor time (user and system) and peak memory of fresh processes, medians of {result['rounds']} rounds in "
        f"which everything ran once, in an order of its own. {known['cores']} cores ({known['cpu']}), Python "
        f"{known['python']}. The load was {min(loads):.1f} to {max(loads):.1f} when a run began, of which the "
        "measuring itself is about 1: processor time grows with other work, because two threads share a core and its "
        "caches."
        f"{left_out}",
        "",
    )


def _loads(result: Row) -> list[float]:
    rows = result["works"]
    runs = [run for row in rows for each in (row, *row["beside"].values()) for run in each["runs"]]
    return [run["load_average"] for run in runs]


def _works(rows: Sequence[Row]) -> Sequence[str]:
    found = [
        "| work | processor time | goal | memory | beside it | takes so many times as long, 95 % interval |",
        "|---|---:|---:|---:|---|---:|",
    ]
    for row in rows:
        cells = f"| {row['work']} | {_seconds(row['cpu_s'])} | {_goal(row)} | {row['peak_bytes'] / 1e6:.0f} MB "
        beside = [(f"{name}: {_seconds(each['cpu_s'])}", _times(each["ratio"])) for name, each in row["beside"].items()]
        first, *more = beside or [("", "")]
        found.append(f"{cells}| {first[0]} | {first[1]} |")
        found += [f"| | | | | {name} | {ratio} |" for name, ratio in more]
    return (
        *found,
        "",
        "A ratio is over the row's own time, taken round by round; its interval is Student's t over the rounds. "
        "*SQLite's own scan* goes over every row of the three tables that a summary needs and hands none of them over: "
        "the least that reading takes by way of SQLite. *before*: the same command of an earlier version.",
        "",
    )


def _first(first: Row) -> Sequence[str]:
    known, loads = first["machine"], first["load_average"]
    wall, peak = first["wall_s"], first["peak_bytes"]
    wall_goal, peak_goal = first_report.GOAL_S, first_report.GOAL_BYTES
    return (
        "## The first report",
        "",
        "Made by `python -m benchmarks.first_report`, once; the figures are those of "
        "`benchmarks/results/first_report.json`. It measures the preset smoke and reports it, as `make bench` does "
        f"where there is no GPU: {known['cores']} cores ({known['cpu']}), Python {known['python']}; load "
        f"{loads[0]:.1f} before and {loads[1]:.1f} after.",
        "",
        f"It took {wall:.0f} s (goal: ≤ {wall_goal:g} s, {'met' if wall <= wall_goal else 'missed'}), "
        f"{first['cpu_s']:.0f} s of processor time, and at most {peak / 1e9:.2f} GB in all its processes together "
        f"(goal: ≤ {peak_goal / 1e9:g} GB, {'met' if peak <= peak_goal else 'missed'}).",
        "",
        "| what, with what stands before it in its process | s |",
        "|---|---:|",
        *(f"| {name} | {seconds:.1f} |" for name, seconds in first["seconds"].items()),
        "",
    )


_STATES = {"first": "nothing kept", "kept": "the right answers kept"}


def _judging(judging: Row) -> Sequence[str]:
    known, loads = judging["machine"], [run["load_average"] for run in judging["runs"]]
    told = f"evalplus {judging['evalplus']}"
    count = len({run["round"] for run in judging["runs"]})
    return (
        "## Judging programs",
        "",
        "Made by `python -m benchmarks.evaluation`; the figures are those of `benchmarks/results/evaluation.json`. "
        f"{judging['samples']} programs, the 164 solutions of HumanEval+ and broken ones, by `evaluate` with "
        f"{judging['workers']} workers and by {told} with as many. Wall time, which is what a user waits for, medians "
        f"of {count} rounds, in turns: {known['cores']} cores{_of_cpu(known)}, Python {known['python']}; load "
        f"{min(loads):.1f} to {max(loads):.1f} before a run, of which the run before it is a part.",
        "",
        f"| with | `evaluate` | goal | {told} | takes so many times as long, 95 % interval |",
        "|---|---:|---:|---:|---:|",
        *(_judged(judging, state) for state in _STATES),
        "",
        f"Verdicts differ on {', '.join(judging['disagree']) or 'no task'}; a ratio as above.",
        "",
    )


def _of_cpu(known: Row) -> str:
    return f" ({known['cpu']})" if "cpu" in known else ""


def _judged(judging: Row, state: str) -> str:
    ours, theirs = (evaluation.walls(judging["runs"], tool, state) for tool in ("ours", "evalplus"))
    wall, goal = judging[f"ours_{state}_wall_s"], evaluation.GOALS_S.get(state)
    met = "" if goal is None else f"≤ {goal:g} s: {'met' if wall <= goal else 'missed'}"
    cells = (_STATES[state], _seconds(wall), met, _seconds(judging[f"evalplus_{state}_wall_s"]))
    return f"| {' | '.join(cells)} | {_times(ratio(theirs, ours))} |"


def _goal(row: Row) -> str:
    met = "met" if row["cpu_s"] <= row["goal_cpu_s"] else "missed"
    text = f"≤ {row['goal_cpu_s']:g} s: {met}"
    if row["goal_bytes"]:
        text += f"; ≤ {row['goal_bytes'] / 1e9:g} GB: {'met' if row['peak_bytes'] <= row['goal_bytes'] else 'missed'}"
    return text


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value < 10 else f"{value:.0f} s"


def _times(ratio: Row) -> str:
    return f"×{ratio['times']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]"


def _growth(rows: Sequence[Row]) -> Sequence[str]:
    kinds = {kind: [row for row in rows if row["kind"] == kind] for kind in growth.LABELS}
    powers = "; ".join(
        f"of a{'n' * (kind == 'nsys')} {growth.LABELS[kind]} the time grows by the power "
        f"{growth.exponent(found, 'cpu_s'):.2f} of the kernels, memory by {growth.exponent(found, 'peak_bytes'):.2f}"
        for kind, found in kinds.items()
    )
    return (
        "## Growth",
        "",
        "![Processor time and memory of a summary by the trace's size](pictures/growth.svg)",
        "",
        f"From 100,000 kernels on {powers} (1 is linear).",
        "",
        "| kernels | " + " | ".join(f"{growth.LABELS[kind]} | memory" for kind in kinds) + " |",
        "|---:|" + "---:|" * 2 * len(kinds),
        *(_grown(size, kinds.values()) for size in sorted({row["kernels"] for row in rows})),
        "",
    )


def _grown(size: int, kinds: Any) -> str:
    cells = []
    for rows in kinds:
        row = next((row for row in rows if row["kernels"] == size), None)
        cells += ["", ""] if row is None else [_seconds(row["cpu_s"]), f"{row['peak_bytes'] / 1e6:.0f} MB"]
    return f"| {size:,} | " + " | ".join(cells) + " |"


def _late_change(rows: Sequence[Row]) -> Sequence[str]:
    played = "; ".join(dict.fromkeys(row["played"] for row in rows if row["played"]))
    return (
        "## A change late in a trace",
        "",
        f"Two generated traces of each size: from {late_change.SHARE:.0%} of the steps on, each gemm kernel of the "
        f"second takes {late_change.LONGER_NS / 1000:g} µs longer. In ms per step, what was planted, and what each of "
        "them says of gemm (a first step that is unlike the others is left out, which shows where there are few):",
        "",
        "| kernels | planted | as recorded | ledger | causes | predicted saving | `whatif` "
        "| `explain` of both took | memory | `whatif` took | memory |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
        *(
            f"| {row['kernels']:,} | {row['planted_ms']:.3f} | {row['recorded_ms']:.3f} | {row['ledger_ms']:.3f} "
            f"| {row['cause_ms']:.3f} | {row['saving_ms']:.3f} | {row['whatif_ms']:.3f} "
            f"| {_seconds(row['explain']['cpu_s'])} | {row['explain']['peak_bytes'] / 1e6:.0f} MB "
            f"| {_seconds(row['whatif']['cpu_s'])} | {row['whatif']['peak_bytes'] / 1e6:.0f} MB |"
            for row in rows
        ),
        "",
        "The saving and `whatif` may be less than the line, where the host is busy meanwhile: a kernel that is shorter "
        "then saves nothing. Of long traces not all steps are played again, and this is said: "
        f"{played or 'here all were'}.",
        "",
    )

"""The tables of docs/sweep-simulation.md, from the result's figures alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

NOISES = {1.0: "as recorded", 0.1: "a tenth of it"}
ANALYSES = {
    "nodes": "t over nodes (the tool's)",
    "components": "variance components",
    "blocks": "t over blocks, nodes forgotten",
}


def fill(page: Path, document: dict[str, Any]) -> None:
    """Write the tables between their marks."""
    page.write_text(filled(page.read_text(encoding="utf-8"), document), encoding="utf-8")


def filled(text: str, document: dict[str, Any]) -> str:
    """``text`` with the tables of ``document``. Raises ValueError where a mark is missing."""
    return marked(text, {name: make(document) for name, make in TABLES.items()})


def marked(text: str, tables: Mapping[str, Iterable[str]]) -> str:
    """``text`` with these lines between the marks of their names. Raises ValueError where a mark is missing."""
    for name, lines in tables.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        if begin not in text or end not in text:
            raise ValueError(f"the page has no mark for its table {name!r}")
        body = begin + "\n".join(lines) + "\n" + end
        text = re.sub(re.escape(begin) + ".*?" + re.escape(end), lambda _, body=body: body, text, flags=re.DOTALL)
    return text


def _designs(document: dict[str, Any]) -> Iterable[str]:
    head = ("Variation", "Blocks", "Design", "Coverage of 95 %", "Lowest, highest", "Bias", "RMS error", "± half-width")
    rows = (
        (
            NOISES[row["noise"]],
            str(row["blocks"]),
            row["title"],
            _coverage(row),
            f"{row['lowest']:.1%}, {row['highest']:.1%}",
            f"{row['bias']:+.2%} ± {row['bias_error']:.2%}",
            f"{row['rms_error']:.1%}",
            f"{row['half_width']:.1%}",
        )
        for row in document["designs"]
    )
    return table(head, 3, rows)


def _few(document: dict[str, Any]) -> Iterable[str]:
    head = ("Variation", "Blocks", "Nodes", "Interval", "Coverage of 95 %", "± half-width")
    rows = (
        (
            NOISES[row["noise"]],
            str(row["blocks"]),
            str(row["nodes"]),
            ANALYSES[row["t over"]],
            _coverage(row),
            f"{row['half_width']:.1%}",
        )
        for row in document["few"]
    )
    return table(head, 4, rows)


def _scale(document: dict[str, Any]) -> Iterable[str]:
    found = document["scale"]
    low, high = found["pairs"]
    rows = (
        ("Records", f"{found['records']:,} ({found['megabytes']:.0f} MB)"),
        ("Written, each synced", f"{found['write_s']:.0f} s ({found['write_cpu_s']:.0f} s of CPU time)"),
        ("Loaded", f"{found['load_s']:.1f} s ({found['load_cpu_s']:.1f} s)"),
        ("Summarised", f"{found['summarise_s']:.1f} s ({found['summarise_cpu_s']:.1f} s)"),
        ("Peak memory of loading and summarising", f"{found['peak_megabytes']:.0f} MB"),
        ("Comparisons whose interval holds the truth", f"{found['inside']} of {found['comparisons']}"),
        ("Pairs in a comparison", f"{low} to {high}"),
        ("Median ± half-width", f"{found['half_width']:.1%}"),
        ("Finding *unpaired*", found["finding"]),
    )
    return table(("", ""), 1, rows)


def _effects(document: dict[str, Any]) -> Iterable[str]:
    effects, deviations = document["effects"], document["deviations"]
    rows = (
        ("Nodes", str(effects["nodes"])),
        ("Speed of a node, all arms alike (standard deviation)", f"{effects['speed']:.0%}"),
        ("One node is slower by", f"{effects['slow']:.0%}"),
        ("Speed of a node's host, felt by an arm's host share", f"{effects['host']:.0%}"),
        ("An arm on a node, beyond that", f"{effects['own']:.0%}"),
        ("Rate of a node's clock", f"{effects['clock'] * 1e6:.0f} ppm"),
        (
            "Warming up of a node (mean), approached over",
            f"{effects['warming']:.0%}, {effects['warming_cases']:.0f} Cases",
        ),
        ("Processes, recorded (standard deviation of ln time)", f"{deviations['processes']:.3f}"),
        ("Calls in a process, recorded", f"{deviations['calls']:.3f}"),
        ("Calls per process", str(effects["calls"])),
    )
    return table(("Effect", "Size"), 1, rows)


def _sources(document: dict[str, Any]) -> Iterable[str]:
    sources = document["sources"]
    yield "- *Ratios* to fp16 of the eight schemes, in five settings: " + "; ".join(sources["ratios"]) + "."
    yield f"- *Host share* of an arm: {sources['host share']}."
    yield f"- *Variation* of processes and calls: {sources['deviations']}."


def _coverage(row: dict[str, Any]) -> str:
    return f"{row['coverage']:.1%} ± {row['coverage_error']:.1%}"


def table(head: Sequence[str], texts: int, rows: Iterable[Sequence[str]]) -> list[str]:
    """``texts``: how many columns are words; the others are figures."""
    marks = ["---"] * texts + ["---:"] * (len(head) - texts)
    return [f"| {' | '.join(cells)} |" for cells in (head, marks, *rows)]


TABLES: dict[str, Callable[[dict[str, Any]], Iterable[str]]] = {
    "sources": _sources,
    "effects": _effects,
    "designs": _designs,
    "few": _few,
    "scale": _scale,
}

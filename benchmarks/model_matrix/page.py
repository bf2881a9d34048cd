"""The matrix as docs/models.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_WORDS = {"refused": "no", "library": "library", "fault": "FAULT"}


def page(document: Mapping[str, Any]) -> str:
    """Markdown of the raw results ({"versions", "schemes", "cells", "refused", "unmade"})."""
    notes = _Notes()
    cells = {(cell["model"], cell["scheme"]): cell for cell in document["cells"]}
    models = list(dict.fromkeys(cell["model"] for cell in document["cells"]))
    schemes = document["schemes"]
    rows = [[name, *(_text(cells.get((name, scheme)), notes) for scheme in schemes)] for name in models]
    rows += [[name, *[notes.reference("no", line)] * len(schemes)] for name, line in document["refused"].items()]
    table = "\n".join([_row(["Architecture", *schemes]), _row(["---"] * (len(schemes) + 1)), *map(_row, rows)])
    unmade = "".join(f"\n- {name}: {line}" for name, line in document["unmade"].items())
    left = f"\n\nThis transformers cannot make, and so nothing is said of:\n{unmade}" if unmade else ""
    return f"{_head(document)}\n\n{table}\n\n{notes.text()}{left}\n"


def _head(document: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    cells = document["cells"]
    counts = {state: sum(cell["state"] == state for cell in cells) for state in ("ok", "refused", "library", "fault")}
    floats = [cell for cell in cells if cell["share"] is None and cell["same_tokens"] is not None]
    compared = [cell for cell in cells if cell["same_tokens"] is not None]
    return (
        "# Models and schemes\n\n"
        "Made by `make models`, which makes a tiny random checkpoint of each architecture, loads it in each scheme as "
        "the benchmark does, checks that the model is what the scheme is called, and generates. The raw results are in "
        f"`benchmarks/results/models.json`. On a CPU, {versions}.\n\n"
        f"**{counts['ok']} cells are measured as what they are called, {counts['refused']} are refused with a line, in "
        f"{counts['library']} plain transformers fails alike, {counts['fault']} are faults.** "
        f"Greedy tokens equal those of plain transformers in {sum(c['same_tokens'] for c in floats)} of {len(floats)} "
        f"unquantised cells, and in {sum(c['same_tokens'] for c in compared)} of all {len(compared)} that transformers "
        "can load by itself.\n\n"
        "- **ok**: all weights outside embedding and head are quantised (of an unquantised scheme: in its dtype).\n"
        "- **ok, 11 %**: so much of them is; a run says so in its headline and as a finding.\n"
        "- **no**: refused or skipped, with the line under the table.\n"
        "- **library**: plain transformers fails in the same way."
    )


def _text(cell: Mapping[str, Any] | None, notes: _Notes) -> str:
    if cell is None:
        return "–"
    if cell["state"] == "ok":
        share = cell["share"]
        return "ok" if share is None or share >= 0.9995 else f"ok, {share:.0%}"
    return notes.reference(_WORDS[cell["state"]], cell["line"])


class _Notes:
    """The lines under the table, each once."""

    def __init__(self) -> None:
        self._lines: dict[str, int] = {}

    def reference(self, word: str, line: str) -> str:
        return f"{word} ({self._lines.setdefault(line, len(self._lines) + 1)})"

    def text(self) -> str:
        return "\n".join(f"{number}. {line}" for line, number in self._lines.items())


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"

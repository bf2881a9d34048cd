"""Which arm comes first for which weights, and the map of where quantising lowers joules."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from bench.analysis.grouping import scheme_rank
from bench.quality.tradeoff.signmap import Place, Spot
from bench.quality.tradeoff.tradeoff import Tradeoff
from bench.report.figures import as_grid, panels
from bench.report.palette import BAND, GRID, INK, LESS, MORE, PAPER, colour

from .tables import model_text, place_labels

_NARROW = 0.09
_HATCHES = ("", "//", "..", "\\\\", "xx")


def reaches(item: Tradeoff) -> Any:
    """A strip for each two criteria, from all weight on the first to all on the second, parted by who wins."""
    names = [row.arm.label for row in item.rows]

    def draw(figure: Any, axes: Any) -> None:
        panel = axes[0, 0]
        seen: dict[str, Any] = {}
        for place, pair in enumerate(item.pairs):
            for reach in pair.reaches:
                first = reach.arms[0]
                width = reach.high - reach.low
                bar = panel.barh(
                    place, width, left=reach.low, height=0.62, color=_shade(first, names), alpha=0.42,
                    edgecolor=PAPER.light, hatch=_HATCHES[_twins(first, names) % len(_HATCHES)],
                )  # fmt: skip
                text = " = ".join(reach.arms)
                seen.setdefault(first, bar)
                if width > max(_NARROW, 0.024 * len(text)):
                    middle = (reach.low + reach.high) / 2
                    panel.annotate(text, (middle, place), ha="center", va="center", fontsize=8.5, color=INK.light)
            panel.annotate(pair.second, (1.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=8.5)
        panel.set_yticks(range(len(item.pairs)), [pair.first for pair in item.pairs])
        panel.set_ylim(len(item.pairs) - 0.4, -0.6)
        panel.set_xlim(0, 1)
        panel.set_xticks([0, 0.25, 0.5, 0.75, 1])
        panel.grid(False, axis="y")
        panel.tick_params(axis="y", length=0)
        panel.set_xlabel("weight of the criterion on the right")
        panel.set_title("Who comes first, by weight")
        figure.legend(seen.values(), seen.keys(), loc="outside lower center", ncols=3, handlelength=1.8)

    return panels(1, 1, 0.34 * len(item.pairs) + 1.5, draw)


def _scheme(label: str) -> str:
    """The scheme in an arm's label, as in "fp16 less 4-5"."""
    return label.partition(" less ")[0].rpartition(" ")[2]


def _shade(label: str, names: Sequence[str]) -> str:
    return colour(_scheme(label), list(dict.fromkeys(_scheme(name) for name in names)))


def _twins(label: str, names: Sequence[str]) -> int:
    """How many arms of the same colour come before this one: they are told apart by hatching."""
    return sorted(name for name in names if _scheme(name) == _scheme(label)).index(label)


def heat(spots: Sequence[Spot]) -> Any:
    """A row per place under its name, a cell per scheme: the ratio, coloured and marked where its sign is known."""
    labels = place_labels([spot.place for spot in spots])
    places = list(labels)
    schemes = sorted({spot.scheme for spot in spots}, key=scheme_rank)
    most = max(abs(math.log(spot.ratio.value)) for spot in spots) or 1.0
    several = len({place.machine for place in places}) > 1

    def draw(_figure: Any, axes: Any) -> None:
        panel = axes[0, 0]
        for row, place in enumerate(places):
            text = _label(place, labels[place], several)
            panel.annotate(text, (-0.48, row - 0.3), va="center", fontsize=8, color=INK.light)
        for spot in spots:
            _cell(panel, schemes.index(spot.scheme), places.index(spot.place), spot, most)
        as_grid(panel, schemes)
        panel.set_ylim(len(places) - 0.45, -0.5)
        panel.set_yticks([])

    return panels(1, 1, 0.55 * len(places) + 0.6, draw)


def _label(place: Place, setting: str, several: bool) -> str:
    machine = place.machine.removeprefix("NVIDIA ").partition(" @ ")[0]
    return (f"{machine}, " if several else "") + f"{model_text(place)}, {setting}"


def _cell(panel: Any, column: int, row: int, spot: Spot, most: float) -> None:
    from matplotlib.patches import Rectangle

    size = abs(math.log(spot.ratio.value)) / most
    shade, mark = {
        "lower": (LESS.light, "↓ "),
        "higher": (MORE.light, "↑ "),
        "the same": (BAND.light, "= "),
        "cannot tell": (BAND.light, "? "),
    }[spot.sign]
    alpha = 0.2 + 0.5 * size if spot.sign in ("lower", "higher") else 1.0
    panel.add_patch(
        Rectangle((column - 0.48, row - 0.1), 0.96, 0.5, facecolor=shade, alpha=alpha, edgecolor=GRID.light)
    )
    text = f"{mark}×{spot.ratio.value:.2f}{' est.' if spot.estimated else ''}"
    panel.annotate(text, (column, row + 0.15), ha="center", va="center", fontsize=7.5, color=INK.light)

"""The study's figures from its raw data: five runs, Student's t beside the study's whisker, wraps put back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.quality.analysis.passing import wilson
from bench.report.figures import legend_below, panels, ratio_ticks
from bench.report.palette import INK, MORE, PAPER, SOFT, colour, marker

from ..published import FOUR_BIT, ORIGINAL, PrunedPoint
from .data import WH
from .grounds import QUANTISED, Grounds, name_of
from .joules import ArmJoules, SettingJoules
from .means import Mean
from .pruned import PrunedRaw

_COLOURS = {ORIGINAL: "fp32", FOUR_BIT: "4bit-study"}
_PARTS = ("GPU", "CPU", "DRAM")
_SHAPES = ("D", "s", "o")


def shade(arm: str) -> str:
    name = _COLOURS.get(arm, "int8")
    return colour(name, [name])


def ratios(g: Grounds) -> Any:
    """Energy over the original's: as written, with the wraps back, and the GPU alone."""
    rows = [(setting, arm) for arm in QUANTISED for setting in g.settings]

    def draw(figure: Any, axes: Any) -> None:
        panel = axes[0, 0]
        for place, (setting, arm) in enumerate(rows):
            _ratio_row(panel, place, setting, arm)
        panel.set_xscale("log")
        panel.axvline(1.0, color=SOFT.light, linewidth=1.0, zorder=1)
        row_names(panel, [f"{name_of(s.model, s.tokens)} {arm}" for s, arm in rows])
        panel.set_xlim(0.7, 9.0)
        ratio_ticks(panel)
        panel.set_title("Energy ÷ original (fp32)")
        legend_below(figure, panel, columns=3)

    return panels(1, 1, 3.5, draw)


def _ratio_row(panel: Any, place: int, setting: SettingJoules, arm: str) -> None:
    written, corrected, gpu = setting.written(arm), setting.corrected(arm), setting.gpu(arm)
    panel.plot([written.value, corrected.value], [place, place], color=SOFT.light, linewidth=0.8, zorder=1)
    for value, label, style in (
        (written, "as written", {"marker": "D", "markerfacecolor": PAPER.light, "color": SOFT.light}),
        (corrected, "CPU's wraps put back", {"marker": "o", "color": MORE.light}),
        (gpu, "GPU alone", {"marker": "^", "color": INK.light}),
    ):
        panel.plot([value.value], [place], linestyle="none", markersize=6.5, label=label, zorder=3, **style)
    text = f"×{written.value:.2f} → ×{corrected.value:.2f}; GPU ×{gpu.value:.2f}"
    panel.annotate(text, (1.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=7.5)


def prompts(g: Grounds) -> Any:
    """In how many of 164 tasks a prompt's tokens begin those of prompt + solution."""
    styles = {"as-is": "as it is\n(the study)", "evalplus": "EvalPlus:\nstrip(), newline", "stripped": "stripped"}
    names = list(g.raw.continues)

    def draw(figure: Any, axes: Any) -> None:
        panel = axes[0, 0]
        for offset, name in zip((-0.19, 0.19), names, strict=True):
            counts = [g.raw.continues[name][style].count("1") for style in styles]
            places = [place + offset for place in range(len(styles))]
            panel.barh(places, counts, height=0.34, color=colour(name, names), label=name)
            for place, count in zip(places, counts, strict=True):
                panel.annotate(f"{count}", (count, place), xytext=(4, 0), textcoords="offset points", va="center",
                               fontsize=8.5)  # fmt: skip
        row_names(panel, list(styles.values()))
        panel.set_xlim(0, 190)
        panel.set_title("Tasks of 164 that the prompt's tokens lead into")
        legend_below(figure, panel)

    return panels(1, 1, 2.7, draw)


def energy(setting: SettingJoules) -> Any:
    """One of the figures 3 to 6: stacked parts, as written and with the wraps put back."""
    bars = [(arm, back) for arm in setting.arms for back in (False, True)]

    def draw(figure: Any, axes: Any) -> None:
        panel = axes[0, 0]
        for place, (arm, back) in enumerate(bars):
            _stack(panel, place, arm, back)
        row_names(panel, [f"{arm.arm.arm}, {'wraps back' if back else 'as written'}" for arm, back in bars])
        panel.set_xlabel("Wh")
        panel.set_title(f"{setting.model}, {setting.tokens} tokens")
        legend_below(figure, panel)

    return panels(1, 1, 3.2, draw)


def _stack(panel: Any, place: int, arm: ArmJoules, back: bool) -> None:
    runs = arm.known if back else arm.runs
    total = arm.corrected if back else arm.total
    cpu = [(run.cpu if back else run.run.cpu) or 0.0 for run in runs]
    parts = ([run.run.gpu for run in runs], cpu, [run.run.dram for run in runs])
    left = 0.0
    for name, values in zip(_PARTS, parts, strict=True):
        width = sum(values) / len(values) / WH
        panel.barh(place, width, left=left, height=0.62, color=colour(name, _PARTS), label=name)
        left += width
    _whiskers(panel, place, total)
    text = f"{total.value / WH:.1f}"
    panel.annotate(text, (1.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=8.5)


def _whiskers(panel: Any, place: float, value: Mean) -> None:
    low, high = (value.value - value.whisker) / WH, (value.value + value.whisker) / WH
    panel.plot([low, high], [place, place], color=INK.light, linewidth=0.8, zorder=4)
    panel.plot([value.low / WH, value.high / WH], [place, place], color=INK.light, linewidth=2.6, zorder=4,
               solid_capstyle="butt")  # fmt: skip


def busy(g: Grounds) -> Any:
    """GPU utilisation by EAR, job step by job step."""
    rows: list[tuple[str, str, list[float]]] = []
    for arm in (one for setting in g.settings for one in setting.arms):
        shares = [100 * run.run.ear.gpu_busy for run in arm.runs if run.run.ear]
        rows.append((f"{name_of(arm.arm.model, arm.arm.tokens)} {arm.arm.arm}", arm.arm.arm, shares))
    phi = [100 * run.ear.gpu_busy for run in g.raw.arm("Phi-2", 128, ORIGINAL).runs if run.ear]
    rows.append(("Phi-2/128 fp16", ORIGINAL, phi))

    def draw(_figure: Any, axes: Any) -> None:
        panel = axes[0, 0]
        for place, (_, arm, shares) in enumerate(rows):
            if shares:
                panel.barh(place, sum(shares) / len(shares), height=0.62, color=shade(arm))
            text = f"{min(shares):.0f}–{max(shares):.0f} %" if shares else "EAR was off"
            panel.annotate(text, (1.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=8.0)
        row_names(panel, [name for name, _, _ in rows])
        panel.set_xlim(0, 100)
        panel.set_title("GPU busy, % of the job step")

    return panels(1, 1, 3.6, draw)


def pruned_passes(found: Sequence[PrunedRaw], printed: Sequence[PrunedPoint]) -> Any:
    """Figure 7: pass@1 on HumanEval+ over removed layers."""

    def draw(figure: Any, axes: Any) -> None:
        panel = axes[0, 0]
        for place, model in enumerate(dict.fromkeys(point.model for point in printed)):
            own = [point for point in printed if point.model == model]
            panel.plot([p.removed - 0.06 for p in own], [100 * p.passed_plus for p in own], linestyle="none",
                       marker=_SHAPES[place % 3], markerfacecolor="none", color=SOFT.light, markersize=6 + 2 * place,
                       label=f"{model}, printed (text only)")  # fmt: skip
        for model in dict.fromkeys(one.model for one in found if one.passed):
            own_raw = [(one.removed, one.passed[1]) for one in found if one.model == model and one.passed]
            shares = [100 * n / 164 for _, n in own_raw]
            bounds = [tuple(100 * bound for bound in wilson(n, 164)) for _, n in own_raw]
            errors = [[s - low for s, (low, _) in zip(shares, bounds, strict=True)],
                      [high - s for s, (_, high) in zip(shares, bounds, strict=True)]]  # fmt: skip
            panel.errorbar([x for x, _ in own_raw], shares, yerr=errors, capsize=3, color=_line(model),
                           marker=marker(model), label=f"{model}, judged again")  # fmt: skip
        over_layers(figure, panel, "pass@1 on HumanEval+, %")
        panel.set_ylim(bottom=-1.0)

    return panels(1, 1, 3.2, draw)


def pruned_energy(found: Sequence[PrunedRaw]) -> Any:
    """Figure 8: Wh over removed layers, GPU and CodeCarbon's total."""

    def draw(figure: Any, axes: Any) -> None:
        for panel, what, title in ((axes[0, 0], "total", "CodeCarbon's total, Wh"), (axes[1, 0], "gpu", "GPU, Wh")):
            for model in dict.fromkeys(one.model for one in found):
                own = [(one.removed, getattr(one, what)) for one in found if one.model == model]
                panel.plot([x for x, _ in own], [v.value / WH for _, v in own], color=_line(model),
                           marker=marker(model), label=model)  # fmt: skip
                for x, value in own:
                    panel.plot([x, x], [value.low / WH, value.high / WH], color=_line(model), linewidth=2.4)
            panel.set_ylim(bottom=0)
            panel.set_title(title)
        axes[1, 0].set_xlabel("layers removed")
        legend_below(figure, axes[1, 0])

    return panels(2, 1, 4.6, draw)


def _line(model: str) -> str:
    return colour(model, ("StarCoder2-3B", "StarCoder2-7B", "Phi-2"))


def over_layers(figure: Any, panel: Any, title: str) -> None:
    """The panel's axis of removed layers, its title and its legend."""
    from matplotlib.ticker import MaxNLocator

    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.set_xlabel("layers removed")
    panel.set_title(title)
    legend_below(figure, panel, columns=1)


def row_names(panel: Any, names: Sequence[str]) -> None:
    """A row of the panel for each name, the first at the top."""
    panel.set_yticks(range(len(names)), list(names))
    panel.set_ylim(len(names) - 0.4, -0.6)
    panel.grid(False, axis="y")
    panel.tick_params(axis="y", length=0)

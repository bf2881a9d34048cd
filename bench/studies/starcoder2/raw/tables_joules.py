"""Tables of time, joules, power and the GPU's and the CPU's part in the slowdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.report import units
from bench.report.content import Cell, Column, Table, table

from ..published import EIGHT_BIT, ORIGINAL
from .data import WH
from .grounds import QUANTISED, Grounds, name_of, percent
from .joules import ArmJoules, SettingJoules
from .means import Mean
from .split import PARTS, Part, even_share, split

ROW = ("Setting", "Arm")


def columns_of(*names: str) -> tuple[Column, ...]:
    """Columns by their names: with > they are set to the right, with ~ before it left out of a narrow terminal."""
    return tuple(
        Column(name.lstrip("~>"), right=name.lstrip("~").startswith(">"), detail=name.startswith("~")) for name in names
    )


def wh(value: Mean) -> str:
    return f"{value.value / WH:.1f} [{value.low / WH:.1f}, {value.high / WH:.1f}]"


def _place(setting: SettingJoules, arm: str) -> tuple[str, str]:
    return name_of(setting.model, setting.tokens), arm


def times(g: Grounds) -> Table:
    """Table IV from the runs that were kept."""
    columns = columns_of(
        *ROW, ">Printed s (sd)", ">From the runs: s (sd)", ">t, 95 %", "~>1.96 sd", "~>tok/s", ">÷ original",
        "Same?",
    )  # fmt: skip
    rows = [_time(g, setting, arm) for setting in g.settings for arm in setting.arms]
    behind = {
        one.arm.key: printed for setting in g.settings for one in setting.arms if (printed := _what_was_printed(g, one))
    }
    apart = "; ".join(f"{key}: printed are mean and sd of {printed['what']}" for key, printed in behind.items())
    note = (
        "Five runs each. t: where the mean lies (Student, n = 5). 1.96 sd: the study's whisker, which says where "
        f"single runs lie. Not the same: {apart}."
    )
    return table("Table IV: time", columns, rows, note)


def _what_was_printed(g: Grounds, arm: ArmJoules) -> Any:
    """What the printed mean was made of where it is not that of the runs kept."""
    return g.raw.jobs["runs_behind_the_printed_mean"].get(arm.arm.key)


def _time(g: Grounds, setting: SettingJoules, arm: ArmJoules) -> tuple[Cell | str, ...]:
    name, seconds = arm.arm.arm, arm.seconds
    row = g.published.row(setting.model, setting.tokens, name)
    same = (round(seconds.value, 1), round(seconds.sd, 1)) == (row.time, row.time_sd)
    return (
        *_place(setting, name), f"{row.time} ({row.time_sd})", f"{seconds.value:.1f} ({seconds.sd:.1f})",
        f"[{seconds.low:.1f}, {seconds.high:.1f}]", f"±{seconds.whisker:.1f}",
        f"{g.published.tasks * setting.tokens / seconds.value:.1f}",
        "1" if name == ORIGINAL else units.ratio(setting.time(name)),
        Cell("yes", "good") if same else Cell("no", "unsure"),
    )  # fmt: skip


def joules(g: Grounds) -> Table:
    """Figures 3 to 6 as figures."""
    columns = columns_of(
        *ROW, ">GPU", ">CPU as written", ">CPU, wraps back", "~>DRAM constant", "~>DRAM by EAR", ">Total as written",
        ">Total, wraps back",
    )  # fmt: skip
    rows = [_joules(setting, arm) for setting in g.settings for arm in setting.arms]
    note = (
        "Wh, mean of the runs, [t interval]. CPU: both packages of the node. Left out, because several numbers of "
        f"wraps fit and EAR did not watch it: {left_out(g)}; its GPU joules count."
    )
    return table("Figures 3 to 6: energy", columns, rows, note)


def ratios(g: Grounds) -> Table:
    """What the energy is over the original's, before and after."""
    columns = columns_of(*ROW, ">Time", ">Energy as written", ">Energy, wraps back", ">GPU alone")
    rows = [
        (*_place(setting, arm), *(units.ratio(of(arm)) for of in
                                  (setting.time, setting.written, setting.corrected, setting.gpu)))
        for setting in g.settings
        for arm in QUANTISED
    ]  # fmt: skip
    note = "÷ the fp32 original. As written: less the run whose wraps are not known, so that both are of the same runs."
    return table("Over the original", columns, rows, note)


def left_out(g: Grounds) -> str:
    """The runs whose wraps are not known, named with what each number would mean."""
    texts = []
    for arm in (arm for setting in g.settings for arm in setting.arms):
        for run in arm.left_out:
            fits = range(run.wraps.fewest, run.wraps.most + 1)
            powers = ", ".join(f"{n} → {run.wraps.with_wraps(n).watts:.1f} W" for n in fits)
            texts.append(f"row {run.run.row} of {arm.arm.key} ({powers})")
    return "; ".join(texts) or "none"


def _joules(setting: SettingJoules, arm: ArmJoules) -> tuple[Cell | str, ...]:
    written = sum(run.run.cpu for run in arm.runs) / len(arm.runs) / WH
    dram = sum(run.run.dram for run in arm.runs) / len(arm.runs) / WH
    return (
        *_place(setting, arm.arm.arm), wh(arm.gpu), f"{written:.1f}", f"{arm.cpu_corrected.value / WH:.1f}",
        f"{dram:.1f}", f"{arm.dram_measured.value / WH:.1f}" if arm.dram_measured else Cell("not watched", "muted"),
        wh(arm.total), wh(arm.corrected),
    )  # fmt: skip


def wraps(g: Grounds) -> Table:
    """The runs of 8-bit, one by one."""
    columns = columns_of(
        "Run", ">s", ">W as written", ">Wraps", ">W then", ">W by EAR, same step", ">Apart", ">Next number at",
    )  # fmt: skip
    rows: list[Sequence[Cell | str]] = []
    for arm in (setting.of(EIGHT_BIT) for setting in g.settings):
        for run in arm.runs:
            fit, ear = run.wraps.fit, run.run.ear
            rows.append((
                f"{arm.arm.key}, row {run.run.row}", f"{run.run.seconds:,.1f}", f"{run.run.cpu / run.run.seconds:.1f}",
                str(fit.wraps) if fit else Cell(f"{run.wraps.fewest} to {run.wraps.most} fit", "unsure"),
                f"{fit.watts:.2f}" if fit else "–", f"{ear.package_power:.2f}" if ear else Cell("not watched", "muted"),
                f"{run.off:+.2f}" if run.off is not None else "–", f"±{run.wraps.step:.1f} W",
            ))  # fmt: skip
    note = "A counter of 262,143.33 J that wraps n times unseen loses n × 262,143.33 J; n is of both packages together."
    return table("8-bit: wraps put back", columns, rows, note)


def splits(g: Grounds) -> Table:
    """ΔE = P̄·Δt + t·ΔP̄."""
    columns = columns_of(
        *ROW, "Of", ">W: original → arm", ">Longer time", ">Other power", ">Difference", ">Sign turns at",
    )  # fmt: skip
    rows = [_split(one, arm, part) for one in g.settings for arm in QUANTISED for part in PARTS]
    note = (
        "Wh. Longer time: the original's power × the seconds more; other power: the arm's seconds × the watts less. "
        "Sign turns at: the share of the node's CPUs and DRAM from which on the arm costs more."
    )
    return table("Why the joules differ: ΔE = P·Δt + t·ΔP", columns, rows, note)


def _split(setting: SettingJoules, arm: str, part: Part) -> tuple[str, ...]:
    one = split(setting, arm, part)
    share = even_share(setting, arm) if part != "GPU" else None
    low, high = ((bound or 0.0) / WH for bound in (one.delta.low, one.delta.high))
    return (
        *_place(setting, arm), part, f"{one.powers[0]:.0f} → {one.powers[1]:.0f}", f"{one.longer / WH:+.1f}",
        f"{one.power / WH:+.1f}", f"{one.delta.value / WH:+.1f} [{low:+.1f}, {high:+.1f}]",
        percent(share) if share is not None else "–",
    )  # fmt: skip


def host(g: Grounds) -> Table:
    columns = columns_of(
        *ROW, ">GPU busy by EAR", ">GPU W", ">Busy s of a run", ">Busy s, original", ">s more",
        ">GPU work carries at most",
    )  # fmt: skip
    rows = [
        (name_of(one.model, one.tokens), one.arm, f"{100 * one.own.shares[0]:.0f} to {100 * one.own.shares[1]:.0f} %",
         f"{one.own.power:.0f}", f"{one.own.least:.0f} to {one.own.most:.0f}",
         f"{one.original.least:.0f} to {one.original.most:.0f}" if one.original else Cell("not watched", "muted"),
         f"{one.slowdown:.0f}", percent(one.at_most))
        for one in g.host
    ]  # fmt: skip
    note = (
        "Busy: some kernel ran. Bounds put the rounding and the loading of the model where GPU work explains most; "
        "where EAR did not watch the original, it counts as idle."
    )
    return table("How long the GPU was busy, in the authors' own job records", columns, rows, note)


def caches(g: Grounds) -> Table:
    columns = columns_of(
        "Job steps", ">CPU cycles", ">Instructions ÷ cycle", ">L1 ÷ cycle", ">L1 ÷ instruction", ">L2 ÷ cycle",
        ">L2 ÷ instruction",
    )  # fmt: skip
    rows = [
        (one.name, f"{one.cycles:.3g}", f"{one.instructions / one.cycles:.2f}",
         *(f"{one.rate(level, per):.4f}" for level in ("L1", "L2") for per in ("cycle", "instruction")))
        for one in g.misses
    ]  # fmt: skip
    note = "EAR's L1 and L2 misses stand beside its CYCLES and CPI: they are the CPU cores'. Loading included."
    return table("Cache misses of the CPU", columns, rows, note)

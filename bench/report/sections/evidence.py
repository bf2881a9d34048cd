"""What the hardware and the host did: timelines, counters, host stacks and flamegraphs. What was not collected is a row
with its reason, never an empty figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.analysis.dispatch import DispatchRow
from bench.analysis.evidence import HOST_CLASSES, CounterRow, Drawn, EvidenceRow, HostRow, StepRow, TopRow
from bench.analysis.grouping import Coordinates
from bench.report import units
from bench.report.analysed import Analysed
from bench.report.content import Column, FigureSpec, Row, Section, Table, drop_uniform, table
from bench.report.svg import is_svg
from bench.report.words import cut_short, short_labels

from .common import SCHEME, SETTING

MOST_FLAMEGRAPHS = 6
_TOOL = Column("Tool")
_LONGEST_NAME, _LONGEST_REASON = 90, 200

# (column, metric, unit, left out where the width is small)
_STEP = (
    ("Launches", "launches_per_step", "1", False),
    ("Syncs", "syncs_per_step", "1", False),
    ("Copies", "copies_per_step", "1", False),
    ("Kernels", "kernels_per_step", "1", True),
    ("GPU busy", "gpu_busy_per_step", "s", False),
    ("GPU idle", "gpu_idle_per_step", "s", False),
    ("of it: host waits", "sync_stall_per_step", "s", True),
    ("of it: host busy", "host_busy_per_step", "s", True),
    ("of it: tail", "gpu_tail_per_step", "s", True),
    ("Operators", "operators_per_step", "1", False),
    ("In operators", "operators_busy_per_step", "s", False),
    ("Step, observed", "observed_step_time", "s", False),
)


def section(analysed: Analysed) -> Section | None:
    """None where nothing was observed."""
    seen, issued = analysed.observed, dispatch_table(analysed.dispatch)
    if issued is None and not seen.any:
        return None
    found: tuple[Table | None, ...] = (
        steps_table(seen.steps), counters_table(seen.counters), host_table(seen.host), issued, top_table(seen.top),
    )  # fmt: skip
    text = (
        "One observer per run, apart from the timed runs: a profiler slows the host down, so no time here is a timing.",
        *missing((*seen.steps, *seen.host)),
    )
    tables = tuple(item for item in found if item)
    title = "What the hardware and the host did"
    return Section("evidence", title, text, flamegraphs(seen.drawn), tables, files_only=True)


def flamegraphs(drawn: Sequence[Drawn]) -> tuple[FigureSpec, ...]:
    """A figure for each drawing of the decode loop's stacks."""
    found = [item for item in drawn if is_svg(item.artifact)]
    return tuple(_flamegraph(item, place) for place, item in enumerate(found))[:MOST_FLAMEGRAPHS]


def _flamegraph(item: Drawn, place: int) -> FigureSpec:
    case = item.case
    title = f"Host stacks in the decode loop: {case.scheme}"
    caption = (
        f"Measured: py-spy samples of {case.model} in {case.scheme}, batch {case.batch_size}, on "
        f"{case.device}. Width: share of samples. Point at a box for its name. File: {item.artifact.path}."
    )
    return FigureSpec(f"flamegraph-{place}", title, caption, _drawn, item.artifact)


def _drawn() -> None:
    raise AssertionError("this figure is an artifact of the run")


def steps_table(rows: Sequence[StepRow]) -> Table | None:
    """Launches, waits, copies, and where the time of a decode step went; None where no timeline is there."""
    good = [row for row in rows if not row.reason]
    if not good:
        return None
    shown = [item for item in _STEP if any(item[1] in row.medians for row in good)]
    columns = (SETTING, SCHEME, _TOOL, *(Column(name, right=True, detail=detail) for name, _, _, detail in shown))
    labels = _labels(good)
    body = [
        (labels[row.setting], row.scheme, row.instrument, *(_step(row, name, unit) for _, name, unit, _ in shown))
        for row in good
    ]
    taken = sorted({row.steps for row in good})
    note = (
        f"Median over {' or '.join(map(str, taken))} steady decode steps, with the observer's disturbance in it: "
        "compare the shares, not the times, with the timed runs. "
        f"{_why_absent(good, [name for _, name, _, _ in shown])}"
    )
    return drop_uniform(table("The decode step, observed", columns, body, note.strip()), "Setting")


def _step(row: StepRow, name: str, unit: str) -> str:
    value = row.medians.get(name)
    return _count(value) if unit == "1" else units.si(value, unit)


def _count(value: float | None) -> str:
    """A count is exact; the median of two may lie half-way."""
    return units.ABSENT if value is None else f"{value:g}" if value < 1e5 else units.number(value, 6)


def _why_absent(rows: Sequence[StepRow], shown: Sequence[str]) -> str:
    titles = {name: title.removeprefix("of it: ") for title, name, _, _ in _STEP}
    why: dict[str, dict[str, None]] = {}
    for row in rows:
        for name, reason in row.not_collected.items():
            if name in titles and name not in shown:
                why.setdefault(reason, {})[titles[name]] = None
    return " ".join(f"Not collected: {', '.join(names)} ({reason})." for reason, names in why.items())


def counters_table(rows: Sequence[CounterRow]) -> Table | None:
    """Cache hit rates and memory traffic, cold and warm; None where counters were not asked for."""
    if not rows:
        return None
    columns = (
        SETTING,
        SCHEME,
        Column("Caches"),
        Column("L1 hits", right=True),
        Column("L2 hits", right=True),
        Column("DRAM read", right=True),
        Column("DRAM written", right=True, detail=True),
        Column("Modelled, Linears", right=True, detail=True),
        Column("Kernels' time", right=True, detail=True),
        Column("Launches", right=True, detail=True),
        Column("Not collected"),
    )
    labels = _labels(rows)
    body = [(labels[row.setting], row.scheme, row.caches, *_counter(row), "") for row in rows if not row.reason]
    body += [
        (label, schemes, row.caches, *_counter(row), reason)
        for label, schemes, row, reason in _grouped_by_reason(rows, labels)
    ]
    note = (
        "One decode step, all launches summed; hit rates from summed hits and misses. Cold: all caches flushed before "
        "each kernel, which is then seen alone. Warm: caches as the program left them. Clocks were not touched."
    )
    full = drop_uniform(table("Caches and memory traffic of a decode step", columns, body, note), "Setting")
    return full if any(row.reason for row in rows) else drop_uniform(full, "Not collected")


def _grouped_by_reason(
    rows: Sequence[CounterRow], labels: Mapping[Coordinates, str]
) -> list[tuple[str, str, CounterRow, str]]:
    """Rows that are empty for one reason, as one: its setting, the schemes, the first of them and the reason."""
    alike: dict[tuple[Coordinates, str, str], list[CounterRow]] = {}
    for row in rows:
        if row.reason:
            alike.setdefault((row.setting, row.caches, row.reason), []).append(row)
    return [
        (labels[setting], ", ".join(dict.fromkeys(row.scheme for row in found)), found[0], _not_collected_text(reason))
        for (setting, _, reason), found in alike.items()
    ]


def _counter(row: CounterRow) -> Row:
    modelled = units.bounds(*row.modelled, "B") if row.modelled else units.ABSENT
    return (
        units.percent(row.l1_hit_rate),
        units.percent(row.l2_hit_rate),
        units.si(row.dram_read, "B"),
        units.si(row.dram_written, "B"),
        modelled,
        units.si(row.kernel_time, "s"),
        _count(row.launches),
    )


def dispatch_table(rows: Sequence[DispatchRow]) -> Table | None:
    """What issuing the Linears takes the host, beside the measured difference; None where no dispatch was timed."""
    if not rows:
        return None
    columns = (
        SETTING,
        SCHEME,
        Column("Linears", right=True),
        Column("Their dispatch", right=True),
        Column("Over the reference's", right=True),
        Column("Step over the reference's", right=True),
        Column("Share", right=True),
    )
    labels = short_labels(list(dict.fromkeys(row.setting for row in rows)))
    body = [(labels[row.setting], row.scheme, *_dispatch(row)) for row in rows]
    note = (
        "No profiler: the host time of issuing each Linear, measured alone, times how often a decode step has it, and "
        f"what a step takes more than {rows[0].reference}'s. Share: how much of that the Linears' dispatch accounts "
        "for, if the host decides how long a step takes."
    )
    return drop_uniform(table("The host's way to the Linears, without a profiler", columns, body, note), "Setting")


def _dispatch(row: DispatchRow) -> Row:
    share = units.percent(row.predicted / row.measured) if row.measured * row.predicted > 0 else units.ABSENT
    more = [f"{units.fixed(gain * 1e3, 2)} ms" for gain in (row.predicted, row.measured)]
    return str(row.linears), units.si(row.time, "s"), *more, share


_LOOKS = {"py-spy-python": "Python's own work", "py-spy-everything": "everything"}


def host_table(rows: Sequence[HostRow]) -> Table | None:
    """Shares of the decode loop's samples by class; None where no samples are there."""
    good = [row for row in rows if row.samples]
    if not good:
        return None
    present = [name for name in HOST_CLASSES if any(row.shares.get(name) for row in good)]
    classes = tuple(Column(name.capitalize(), right=True) for name in present)
    columns = (
        SETTING,
        SCHEME,
        Column("Look"),
        *classes,
        Column("Under bitsandbytes", right=True),
        Column("Samples", right=True, detail=True),
    )
    labels = _labels(good)
    body = [(labels[row.setting], row.scheme, *_host(row, present)) for row in good]
    lags = [row.behind for row in good if row.behind > 1]
    late = f" py-spy lagged by up to {units.si(max(lags), 's')} in some: their shares are less sure." if lags else ""
    note = (
        "Share of py-spy's samples inside the decode loop, prefill left out, by what the innermost known frame is part "
        "of. Python's own work: only threads that hold the interpreter's lock. Everything: native frames and waiting "
        "too. Under bitsandbytes: one of its Python layers is anywhere on the stack." + late
    )
    return drop_uniform(table("Where the host is in the decode loop", columns, body, note), "Setting")


def _host(row: HostRow, present: Sequence[str]) -> Row:
    shares = (units.percent(row.shares.get(name, 0.0)) for name in present)
    return _LOOKS[row.instrument], *shares, units.percent(row.under_bitsandbytes), _count(row.samples)


def top_table(rows: Sequence[TopRow]) -> Table | None:
    """The kernels, or operators, that take longest; None where there are none."""
    if not rows:
        return None
    what = {"kernels": "Kernel", "operators": "Operator"}
    name = " / ".join(dict.fromkeys(what.get(row.of, "Name") for row in rows))
    right = (Column("Calls per step", right=True), Column("Time per step", right=True))
    columns = (SETTING, SCHEME, Column(name), *right, Column("Tool", detail=True))
    labels = _labels(rows)
    body = [
        (labels[row.setting], row.scheme, cut_short(row.name, _LONGEST_NAME), _count(row.calls),
         units.si(row.seconds, "s"), row.instrument)
        for row in rows
    ]  # fmt: skip
    own = " Operators: own time, that of the operators they call left out." if "Operator" in name else ""
    return drop_uniform(table("What takes longest", columns, body, "Mean per observed decode step." + own), "Setting")


def missing(rows: Sequence[EvidenceRow]) -> tuple[str, ...]:
    """One line per instrument and reason, with the schemes that it is about."""
    why: dict[tuple[str, str], dict[str, None]] = {}
    for row in rows:
        if row.reason:
            why.setdefault((row.instrument, row.reason), {})[row.scheme] = None
    return tuple(
        f"{tool} ({', '.join(schemes)}): {_not_collected_text(reason)}." for (tool, reason), schemes in why.items()
    )


def _not_collected_text(reason: str) -> str:
    """Every reason says so in the same words: a failed tool has collected nothing either."""
    text = reason if reason.startswith("not collected") else f"not collected: {reason}"
    return cut_short(text, _LONGEST_REASON)


def _labels(rows: Sequence[EvidenceRow]) -> Mapping[Coordinates, str]:
    return short_labels(list(dict.fromkeys(row.setting for row in rows)))

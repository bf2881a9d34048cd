"""``python -m bench energy check FILE.csv``: can the joules that CodeCarbon wrote down be right?"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from functools import partial
from pathlib import Path

from bench.analysis.energy.codecarbon import EmissionsCheck, RowCheck, check
from bench.commandline import JOULES
from bench.instruments.emissions_file import read_emissions
from bench.record.errors import UsageError
from bench.report.documents import emissions_document
from bench.report.units import plural
from bench.report.visible import dumps
from bench.verbs.shared_options import add_verbose

_RANGE = re.compile(r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)")
_ABOUT = re.compile(r"(\d+(?:\.\d+)?)(?:±|\+-)(\d+(?:\.\d+)?)")


EXAMPLES = """
energy check emissions.csv
energy check emissions.csv --cpu-power 240-310
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this verb."""
    add = parser.add_argument
    add("action", choices=("check",), help="what to do with the file")
    add("file", type=Path, metavar="FILE.csv", help="emissions.csv of CodeCarbon 2 or 3")
    add("--cpu-power", metavar="W-W", help="what the node's CPU packages drew together, from another source: 240-310")
    add("--range", type=JOULES, metavar="J", help="what the counter counts to (default: by the CPU's maker)")
    add("--json", action="store_true", help="as JSON")
    add_verbose(parser)


def main(options: argparse.Namespace) -> int:
    """Print a line for each run and what is odd; 1 where something is amiss."""
    if options.range is not None and not 0 < options.range < 1e9:
        raise UsageError(f"--range is {options.range:g} J: give what the counter counts to, such as 262143.33")
    found = check(read_emissions(options.file), power(options.cpu_power), options.range)
    if options.json:
        print(dumps(emissions_document(found), indent=1))
    else:
        _print(found, bool(options.cpu_power), verbose=options.verbose)
    return 1 if found.amiss else 0


def power(text: str | None) -> tuple[float, float] | None:
    """ "240-310" or "275±35" (or "275+-35") as W from … to. Raises UsageError for what is neither."""
    if text is None:
        return None
    if found := _RANGE.fullmatch(text.replace(" ", "")):
        low, high = float(found[1]), float(found[2])
    elif found := _ABOUT.fullmatch(text.replace(" ", "")):
        middle, reach = float(found[1]), float(found[2])
        low, high = max(0.0, middle - reach), middle + reach
    else:
        raise UsageError(f"--cpu-power is {text!r}: give a range of watts, such as 240-310 or 275+-35")
    if not low <= high:
        raise UsageError(f"--cpu-power is {text!r}: the lower power comes first")
    return low, high


def _print(found: EmissionsCheck, asked: bool, *, verbose: bool) -> None:
    from bench.report.console import console as make_console
    from bench.report.short import SAME_WITH_V, Passage, line, print_parts
    from bench.report.terminal import print_finding_line

    verdict = "something is amiss, or cannot be told" if found.amiss else "nothing is amiss"
    counts = Counter(one.answer for one in found.rows)
    answers = ", ".join(f"{answer} ({count})" for answer, count in counts.most_common())
    parts = [line(f"{verdict}: of {plural(len(found.rows), 'run')}, the CPU's joules: {answers}".rstrip(": "))]
    if asked:
        parts.append(line("Wraps put back are as sure as the power given: where that is wrong, so are they."))
    ordinary = min(counts, key=lambda answer: (-counts[answer], answer), default="")
    parts += [Passage(partial(print_finding_line, each), 1, each.severity) for each in found.findings]
    parts += [line(_line(one), 3 if one.answer == ordinary else 2, "run") for one in found.rows]
    print_parts(parts, make_console(), f"Every run and finding: {SAME_WITH_V}", whole=verbose)


def _line(one: RowCheck) -> str:
    row = one.row
    text = f"line {row.place}: {row.seconds:,.1f} s, CPU {_energy(row.joules['cpu'])} ({one.watts:.1f} W): "
    if one.answer == "wraps put back" and one.fit and one.total:
        text += f"{one.fit.wraps} wraps put back: {one.fit.joules / 1e3:,.1f} kJ ({one.fit.watts:.1f} W), "
        text += f"all parts {row.joules['total'] / 1e3:,.1f} → {one.total / 1e3:,.1f} kJ"
    else:
        text += one.answer
    return f"{text}; {one.why}"


def _energy(joules: float) -> str:
    """In J below a kJ: a short run did not use 0.0 kJ."""
    return f"{joules / 1e3:,.1f} kJ" if abs(joules) >= 1e3 else f"{joules:.3g} J"

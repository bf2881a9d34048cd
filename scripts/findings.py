"""What README.md and docs/findings.md show of committed runs, copied again from their reports.

usage: python scripts/findings.py [--check]    --check: write nothing, exit code 1 where something would change

Copied are the rows of tables (from report.md), what 'bitledger explain' answers, and the waterfall as a picture
for light and for dark pages. Reports themselves are made by 'bitledger report'.
"""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from itertools import count
from pathlib import Path
from unittest.mock import patch

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "README.md", ROOT / "docs/findings.md")
PICTURES = ROOT / "docs/pictures"
_REPORT = re.compile(r"reports/runs/([\w.-]+)/report\.md")
_DIAGNOSIS = re.compile(r"(<!-- diagnosis: (\S+) -->\n```text\n).*?(```\n<!-- /diagnosis -->)", re.DOTALL)
_PICTURE = re.compile(r"<!-- picture: (\S+) (\S+) -->")

Table = list[str]


def cells(row: str) -> list[str]:
    """The cells of a Markdown row."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]]


def tables(text: str) -> Iterator[Table]:
    """Every table: header, rule, rows."""
    rows: Table = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            rows.append(line)
        elif rows:
            yield rows
            rows = []


def like(table: Table, others: Sequence[Table]) -> Table:
    """The table with the columns of ``table``, or most of them; ValueError where there is none."""
    wanted = cells(table[0])
    shared = [len(set(wanted) & set(cells(other[0]))) for other in others]
    most = max(shared, default=0)
    if most <= len(wanted) // 2:
        raise ValueError(f"no report has a table like: {table[0]}")
    fitting = [other for other, number in zip(others, shared, strict=True) if number == most]
    return max(fitting, key=lambda other: len({cells(row)[0] for row in other} & {cells(row)[0] for row in table}))


def again(table: Table, source: Table) -> Table:
    """The rows of ``table`` as they stand in ``source``; rows are known by their first cells."""
    width = next(w for w in count(1) if len({tuple(cells(row)[:w]) for row in source}) == len(source))
    by_key = {tuple(cells(row)[:width]): row for row in source[2:]}
    keys = [tuple(cells(row)[:width]) for row in table[2:]]
    return [*source[:2], *(by_key[key] for key in keys if key in by_key)]


def page(text: str) -> str:
    """A page with its tables from the reports named above them, and its diagnosis."""
    text = _DIAGNOSIS.sub(lambda found: f"{found[1]}{diagnosis(ROOT / found[2])}{found[3]}", text)
    before, mark, rest = text.partition("<!-- findings")
    findings, end, after = rest.partition("<!-- /findings -->")
    at = 0
    for table in list(tables(findings)):
        block = "\n".join(table)
        place = findings.index(block, at)
        named = _REPORT.findall(findings[:place])
        report = (ROOT / "reports/runs" / named[-1] / "report.md").read_text()
        made = "\n".join(again(table, like(table, list(tables(report)))))
        findings = findings[:place] + made + findings[place + len(block) :]
        at = place + len(made)
    return before + mark + findings + end + after


def diagnosis(run: Path) -> str:
    """What explain answers at 80 columns, without the two lines about findings and where the rest is."""
    from bench import cli

    text = io.StringIO()
    with patch.dict(os.environ, {"COLUMNS": "80"}), redirect_stdout(text):
        cli.main(["explain", str(run)])
    lines = [line.rstrip() for line in text.getvalue().splitlines()]
    end = next(at for at, line in enumerate(lines) if line.startswith("What may be wrong"))
    return "\n".join(lines[:end]) + "\n"


def pictures(text: str) -> dict[Path, str]:
    """File → SVG of the waterfall that a page names, for light and for dark pages."""
    found = _PICTURE.search(text)
    return _waterfall(ROOT / found[1], found[2]) if found else {}


def _waterfall(run: Path, scheme: str) -> dict[Path, str]:
    from bench.analysis.grouping import REFERENCE
    from bench.record.store import load
    from bench.report import svg
    from bench.report.analysed import analyse
    from bench.report.palette import ROLES
    from bench.report.sections.ledger_figure import waterfall

    loaded = load(run)
    analysed = analyse(loaded.records, loaded.findings, reference=REFERENCE)
    pair = next(pair for pair in analysed.explanation.pairs if pair.scheme == scheme)
    light = svg.rendered(waterfall(pair), f"{scheme}-waterfall")
    dark = light
    for role in ROLES:
        dark = dark.replace(role.light, role.dark)
    name = f"{run.name.split('-')[0]}-{scheme}"
    return {PICTURES / f"{name}-light.svg": light, PICTURES / f"{name}-dark.svg": dark}


def main(check: bool) -> int:
    """0; with ``check`` 1 where a file is not what it would be made to."""
    made = {file: page(file.read_text()) for file in PAGES} | pictures(PAGES[0].read_text())
    changed = [file for file, text in made.items() if not file.exists() or file.read_text() != text]
    for file in changed:
        print(file.relative_to(ROOT))
        if not check:
            file.parent.mkdir(exist_ok=True)
            file.write_text(made[file])
    return int(check and bool(changed))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main("--check" in sys.argv[1:]))

"""Every arm exactly as it was loaded and run, and the outlier columns that int8 met."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bench.analysis.grouping import scheme_rank
from bench.analysis.outliers import OutlierRow
from bench.record.schema import Record
from bench.record.setups import quantised_modules, quantised_share
from bench.report import units
from bench.report.analysed import Analysed
from bench.report.content import Column, Section, Table, table
from bench.report.units import plain_text
from bench.report.words import setting_text

from .common import SCHEME, SETTING

_QUANTISED = "weights_quantised"


def section(analysed: Analysed) -> Section | None:
    """The setup of each arm, as its records hold it, and what int8 kept in half precision."""
    found = tuple(one for one in (arms_table(analysed.records), outliers_table(analysed.outliers)) if one)
    return Section("arms", "Arms exactly as run", tables=found, folded=True, files_only=True) if found else None


def arms_table(records: Sequence[Record]) -> Table | None:
    """Every arm exactly as it ran; two rows where one scheme ran in two ways."""
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for record in records:
        arm = record.setup.get("arm")
        if isinstance(arm, Mapping) and record.case.workload != "machine":
            known = found.setdefault(json.dumps(arm, sort_keys=True, default=str), (record.case.scheme, dict(arm)))
            _add_share(known[1], record)
    ordered = sorted(found.values(), key=lambda item: scheme_rank(item[0]))
    names = list(dict.fromkeys(name for _, arm in ordered for name in arm if name not in ("name", "description")))
    rows = [
        (scheme, plain_text(arm.get("description")), *(plain_text(arm.get(name)) for name in names))
        for scheme, arm in ordered
    ]
    columns = (SCHEME, Column("What"), *(Column(name.replace("_", " "), detail=True) for name in names))
    return table("Arms as run", columns, rows) if rows else None


def _add_share(arm: dict[str, Any], record: Record) -> None:
    """What share of which model's weights the arm quantised; of several models each, where they differ."""
    share, modules = quantised_share(record.setup), quantised_modules(record.setup)
    if share is None:
        return
    text = f"{units.percent(share)} in {modules} modules"
    known = arm.get(_QUANTISED, ())
    arm[_QUANTISED] = [*known, *([text] if text not in known else [])]


def outliers_table(found: Sequence[OutlierRow]) -> Table | None:
    """How many columns of its input each call of an int8 Linear kept in half precision; None where nobody counted."""
    columns = (
        SETTING, SCHEME, Column("Calls", right=True), Column("With outliers", right=True),
        Column("Columns, median", right=True), Column("Columns, most", right=True),
    )  # fmt: skip
    rows = [
        (
            setting_text(row.setting, ("model", "batch_size", "device")), row.scheme, str(row.calls),
            units.percent(row.with_any), f"{row.median:g}", f"{row.most:.0f}",
        )
        for row in found
    ]  # fmt: skip
    note = "Input columns with a magnitude at or over LLM.int8()'s threshold, in one prefill and a few decode steps."
    return table("Outlier columns per call of a Linear", columns, rows, note) if rows else None

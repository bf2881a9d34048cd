"""Tables about the run as a whole: the arms, what failed, and the cost of annotation. Plain data, shared by Markdown,
HTML and the terminal, as are those of the sibling modules."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bench.analysis.annotation import AnnotationRow
from bench.analysis.grouping import scheme_rank
from bench.record.quantised import modules_of, share_of
from bench.record.schema import Record
from bench.report import units
from bench.report.content import Cell, Column, Table, table
from bench.report.words import setting_text, verdict_cell

from .environment import plain

Row = tuple[Cell | str, ...]
_SCHEME = Column("Scheme")
_QUANTISED = "weights_quantised"


def annotation(rows: Sequence[AnnotationRow]) -> Table:
    """The cost of NVTX ranges."""
    columns = (Column("Setting"), _SCHEME, Column("Annotated ÷ plain", right=True), Column("Verdict"), Column("Pairs"))
    body = [
        (
            setting_text(row.setting, ("model", "batch_size", "device")),
            row.scheme,
            units.ratio(row.time_ratio),
            verdict_cell(row.verdict),
            str(row.pairs),
        )
        for row in rows
    ]
    return table("Cost of annotation", columns, body, "The same call without and with NVTX ranges, in pairs.")


def arms(records: Sequence[Record]) -> Table | None:
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
        (scheme, plain(arm.get("description")), *(plain(arm.get(name)) for name in names)) for scheme, arm in ordered
    ]
    columns = (_SCHEME, Column("What"), *(Column(name.replace("_", " "), detail=True) for name in names))
    return table("Arms as run", columns, rows) if rows else None


def _add_share(arm: dict[str, Any], record: Record) -> None:
    """What share of which model's weights the arm quantised; of several models each, where they differ."""
    share, modules = share_of(record.setup), modules_of(record.setup)
    if share is None:
        return
    told = f"{units.percent(share)} in {modules} modules"
    known = arm.get(_QUANTISED, ())
    arm[_QUANTISED] = [*known, *([told] if told not in known else [])]


def troubles(records: Sequence[Record]) -> Table | None:
    """Failed and skipped Cases, one row per instrument and reason; None where all went well."""
    alike: dict[tuple[str, str, str], list[Record]] = {}
    for record in records:
        if record.status != "ok":
            alike.setdefault((record.status, record.instrument, record.reason), []).append(record)
    rows: list[Row] = [
        (Cell(status, "bad" if status == "failed" else "unsure"), instrument, *_which(found), reason)
        for (status, instrument, reason), found in alike.items()
    ]
    columns = (Column("Status"), Column("Instrument"), _SCHEME, Column("Case"), Column("Reason"))
    return table("Failed and skipped", columns, rows) if rows else None


def _which(records: Sequence[Record]) -> tuple[str, str]:
    schemes = ", ".join(dict.fromkeys(record.case.scheme for record in records))
    if len(records) == 1:
        return schemes, setting_text(tuple(records[0].case.coordinates().items()), _TOLD)
    return schemes, units.plural(len({record.case_id for record in records}), "Case")


_TOLD = (
    "model",
    "device",
    "batch_size",
    "prompts",
    "prompt_tokens",
    "prompt_style",
    "new_tokens",
    "cache",
    "layer",
    "op",
    "m",
    "n",
    "k",
)

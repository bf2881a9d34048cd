"""Tables of what is measured beside the comparison: outlier columns of the activations, and what recording costs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.analysis.grouping import groups, pooled
from bench.record.schema import Record

from .. import units
from ..content import Column, Table, table
from ..words import setting_text

_SETTING = Column("Setting")
_SCHEME = Column("Scheme")
_NAMED = ("model", "batch_size", "device")
_EVENTS = (("An operator", "operator_event_cost"), ("A range", "range_event_cost"), ("A CUDA call", "call_event_cost"))


def outliers(records: Sequence[Record]) -> Table | None:
    """How many columns of its input each call of an int8 Linear kept in half precision; None where nobody counted."""
    columns = (
        _SETTING, _SCHEME, Column("Calls", right=True), Column("With outliers", right=True),
        Column("Columns, median", right=True), Column("Columns, most", right=True),
    )  # fmt: skip
    rows = []
    for group in groups(records, "generation"):
        for scheme, found in group.schemes.items():
            if counts := pooled(found, "outlier_columns"):
                share = units.percent(float(np.mean(np.asarray(counts) > 0)))
                middle, most = f"{np.median(counts):g}", f"{max(counts):.0f}"
                rows.append((setting_text(group.setting, _NAMED), scheme, str(len(counts)), share, middle, most))
    note = "Input columns with a magnitude at or over LLM.int8()'s threshold, in one prefill and a few decode steps."
    return table("Outlier columns per call of a Linear", columns, rows, note) if rows else None


def recording(records: Sequence[Record]) -> Table | None:
    """What recording one event costs the host, by the loops beside each timeline; None where nothing was recorded."""
    costs = [(what, values) for what, name in _EVENTS if (values := pooled(records, name))]
    rows = [(what, units.si(float(np.median(values)), "s"), str(len(values))) for what, values in costs]
    columns = (Column("Recorded"), Column("Costs", right=True), Column("Samples", right=True, detail=True))
    note = "Kineto, in short loops beside each timeline; median. What its own steps show is what a ledger takes off."
    return table("Cost of recording an event", columns, rows, note) if rows else None

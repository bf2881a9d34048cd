"""Tables and sentences of two traces: what differs looks different, what is inflated is in no order, shares fit."""

from __future__ import annotations

from bench.analysis.ledger.pairs import SourceLine
from bench.analysis.traces.recorded import Recorded, RecordedLine
from bench.record import causes as c
from bench.report import traces
from bench.report.lines import sources_table


def test_idle_lines_that_differ_look_different_at_any_width():
    """One operator launches a product and, later, a memset: the gaps before the two are two lines."""
    parts = [
        SourceLine(c.HOST_GAP, "", "aten::addmm", c.MEMCPY, 0.2, 0.1),
        SourceLine(c.HOST_GAP, "", "aten::addmm", c.GEMM, 0.5, 0.6),
        SourceLine(c.HOST_GAP, "", "", c.GEMM, 0.1, 0.1),
        SourceLine(c.HOST_GAP, "(end of step)", "", "", 0.1, 0.1),
    ]
    table = sources_table("Idle time", parts)
    shown = [index for index, column in enumerate(table.columns) if not column.detail]
    labels = [tuple(row[index].text for index in shown[:3]) for row in table.rows]
    assert len(set(labels)) == len(parts)
    assert (c.HOST_GAP, "(outside modules)", "aten::addmm (memcpy)") in labels


def test_what_is_inflated_comes_last_and_has_no_difference():
    lines = (
        RecordedLine(c.HOST_GAP, 39.0, 28.0, None, None, inflated=True),
        RecordedLine(c.NORM, 0.9, 1.0, -0.1, 0.3, inflated=False),
        RecordedLine(c.GEMM, 2.8, 2.2, -0.9, -0.3, inflated=False),
    )
    table = traces.recorded_table(Recorded((43.0, 31.0), (4.0, 3.0), lines, 0.07, 7.7, None))
    assert [row[0].text for row in table.rows] == [c.GEMM, c.NORM, c.HOST_GAP, "recorded step"]
    assert [row[3].text for row in table.rows] == ["-0.6000", "+0.1000", *[traces.INFLATED] * 2]
    assert [row[3].tone for row in table.rows] == ["good", "", "muted", "muted"]

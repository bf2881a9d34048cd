"""Chart, list, headline and JSON are one account of one difference, over the committed runs and made-up ledgers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given

from bench.analysis.explain import Explanation, explain, narrowed
from bench.analysis.ledger.accounting import account
from bench.analysis.ledger.closure import close
from bench.analysis.ledger.pairs import Pair
from bench.analysis.ledger.sharing import NOTICED
from bench.record import causes as c
from bench.record.store import load
from bench.report import units
from bench.report.answer import answer, caption
from bench.report.lines import MOST
from bench.report.sections.ledger import causes_table
from bench.report.sections.ledger_figure import bars
from bench.report.sections.order import explanation_document
from bench.report.visible import dumps
from tests.analysis.ledger.test_accounting import sides

RUNS = Path(__file__).parents[2] / "reports" / "runs"
NAMES = sorted(path.name for path in RUNS.iterdir() if path.is_dir())


def told_of(title):
    """(what, ms, its shares as (per cent, of what)) of a point."""
    found = re.match(r"(?P<what>.+): (?P<ms>[+-][\d.e+-]+) ms per token(?:, (?P<shares>.+))?", title)
    assert found is not None, title
    shares = re.findall(r"(\d+) % of (the [^%]+?)(?= and \d|$)", found["shares"] or "")
    return found["what"], float(found["ms"]), [(int(percent), of) for percent, of in shares]


def agree(explanation, pair):
    """The first screen of one pair, in all its forms."""
    told = answer(explanation)
    assert told is not None
    read = json.loads(dumps(explanation_document(explanation)))
    causes, delta = read["answer"]["causes"], read["answer"]["delta_ms"]
    assert sum(cause["delta_ms"] for cause in causes) == delta == pair.closed.delta.delta_ms
    assert read["pairs"][0]["causes"] == causes
    lost, won = (read["answer"][name] for name in ("lost_ms", "won_ms"))
    assert (read["pairs"][0]["lost_ms"], read["pairs"][0]["won_ms"]) == (lost, won)
    assert (lost if causes else won) - won == delta
    for side, ms in (("lost", lost), ("won", won)):
        mine = [cause for cause in causes if cause["share_of"] == side]
        assert sum(abs(cause["delta_ms"]) for cause in mine) == ms
        assert sum(cause["share_percent"] for cause in mine) == (100 if ms else 0)
        assert all(0 <= cause["share_percent"] <= 100 for cause in mine)

    shown = bars(pair.causes)
    assert pair.closed.reference_ms + sum(bar.ms for bar in shown) == pair.closed.scheme_ms
    listed = [told_of(point.title) for point in told.causes] if causes else []
    assert sum(ms for _, ms, _ in listed) == pytest.approx(delta, abs=0.006 * sum(abs(ms) for _, ms, _ in listed))
    totals: dict[str, int] = {}
    for percent, of in (share for *_, shares in listed for share in shares):
        totals[of] = totals.get(of, 0) + percent
    cancels = min(lost, won) > NOTICED * max(lost, won)
    assert list(totals.values()) == [100] * (2 if cancels else 1 if causes else 0)
    for place, (what, ms, shares) in enumerate(listed[:MOST]):
        cause = causes[place]
        assert what.lower() == c.LABELS[cause["cause"]].lower()
        drawn = shown[place].label.lower() if place < len(shown) else ""
        assert drawn == what.lower() or "small causes" in shown[-1].label
        assert f"{ms:.3g}" == f"{float(units.signed(cause['delta_ms'])):.3g}"
        assert [percent for percent, _ in shares] in ([cause["share_percent"]], [])
        assert shares or not cancels
    if causes:
        table = causes_table(pair)
        told_shares = [row[-1].text for row in table.rows if row[-1].text.endswith(" %")]
        assert sum(int(text.removesuffix(" %")) for text in told_shares) == (400 if cancels else 200)
    if causes and "largest" in told.sentence:
        assert units.signed(causes[0]["delta_ms"]) in told.sentence
        assert c.LABELS[causes[0]["cause"]] in told.sentence
    if cancels:
        for ms in (lost, won):
            assert f"{units.number(ms)} ms" in told.sentence
            assert f"{units.number(ms)} ms" in caption(pair)
    return told, causes


@pytest.fixture(scope="module", params=NAMES)
def explained(request):
    return explain(load(RUNS / request.param).records)


def test_the_committed_runs(explained):
    observed = [pair for pair in explained.pairs if pair.instrument]
    assert observed
    for pair in observed:
        one = narrowed(explained, {"scheme": pair.scheme})
        told, causes = agree(one, pair)
        assert "largest" in told.sentence
        pushing = [cause["delta_ms"] for cause in causes if cause["delta_ms"] * pair.closed.delta.delta_ms > 0]
        assert abs(causes[0]["delta_ms"]) == max(map(abs, pushing))


@given(sides(), sides())
def test_made_up_ledgers(reference, scheme):
    closed = close(reference, scheme)
    setting = (("workload", "generation"), ("model", "made-up"), ("device", "cpu"), ("batch_size", 1))
    pair = Pair(
        setting, "made-up", "cpu", "fp16", "nf4", closed, account(reference, scheme, closed), instrument="kineto"
    )
    explanation = Explanation((pair,), (), (), (), (), (), (), {}, (setting,), ())
    if closed.reference_ms:
        agree(explanation, pair)


def test_no_share_is_over_a_hundred_and_what_cancels_is_said(explained):
    """An H100's nf4 had a cause of 172 %: its causes cancel each other in part."""
    for pair in (pair for pair in explained.pairs if pair.instrument):
        told = answer(narrowed(explained, {"scheme": pair.scheme}))
        said = [told.sentence, *(point.title for point in told.causes)]
        assert max(map(int, re.findall(r"(\d+) %", " ".join(said))), default=0) <= 100
        lost = sum(cause.delta_ms for cause in pair.causes if cause.delta_ms > 0)
        won = -sum(cause.delta_ms for cause in pair.causes if cause.delta_ms < 0)
        assert ("lost," in told.sentence or "won," in told.sentence) == (min(lost, won) > NOTICED * max(lost, won))

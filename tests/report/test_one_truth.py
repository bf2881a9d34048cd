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
from bench.record import causes as c
from bench.record.store import load
from bench.report import units
from bench.report.answer import answer
from bench.report.figure_ledger import bars
from bench.report.points import MOST
from bench.report.visible import dumps
from bench.verbs.explain import document
from tests.analysis.ledger.test_accounting import sides

RUNS = Path(__file__).parents[2] / "reports" / "runs"
NAMES = sorted(path.name for path in RUNS.iterdir() if path.is_dir())


def told_of(title):
    """(what, ms, share in per cent or None) of a point."""
    found = re.match(r"(?P<what>.+): (?P<ms>[+-][\d.e+-]+) ms per token(?:, (?P<share>-?\d+) %)?", title)
    assert found is not None, title
    return found["what"], float(found["ms"]), None if found["share"] is None else int(found["share"])


def agree(explanation, pair):
    """The first screen of one pair, in all its forms."""
    told = answer(explanation)
    assert told is not None
    read = json.loads(dumps(document(explanation)))
    causes, delta = read["answer"]["causes"], read["answer"]["delta_ms"]
    assert sum(cause["delta_ms"] for cause in causes) == delta == pair.closed.delta.delta_ms
    assert read["pairs"][0]["causes"] == causes
    shares = [cause["share_percent"] for cause in causes]
    assert sum(shares) == 100 if causes and None not in shares else not any(shares)

    shown = bars(pair.causes)
    assert pair.closed.reference_ms + sum(bar.ms for bar in shown) == pair.closed.scheme_ms
    listed = [told_of(point.title) for point in told.causes] if causes else []
    assert sum(ms for _, ms, _ in listed) == pytest.approx(delta, abs=0.006 * sum(abs(ms) for _, ms, _ in listed))
    if None not in shares:
        assert sum(share for _, _, share in listed) == (100 if causes else 0)
    for place, (what, ms, share) in enumerate(listed[:MOST]):
        cause = causes[place]
        assert what.lower() == c.LABELS[cause["cause"]].lower()
        assert shown[place].label.lower() == what.lower() or "small causes" in shown[-1].label
        assert f"{ms:.3g}" == f"{float(units.signed(cause['delta_ms'])):.3g}"
        assert share == cause["share_percent"]
    if causes and "largest" in told.sentence:
        assert units.signed(causes[0]["delta_ms"]) in told.sentence
        assert c.LABELS[causes[0]["cause"]] in told.sentence
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

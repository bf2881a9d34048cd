"""The explanation as a whole: findings and remedies."""

from __future__ import annotations

import pytest

from bench.analysis.explain import explain
from bench.analysis.ledger.classes import rules_said
from bench.analysis.user_code import code
from bench.record import causes as c
from tests import factories as make

FP16 = {c.GEMM: 0.006, c.HOST_GAP: 0.004}


def run(lines, schemes=("fp16", "int8"), extra=(), plain=None):
    records = list(extra)
    for repeat in range(4):
        for scheme in schemes:
            found = FP16 if scheme == "fp16" else lines
            records += [
                make.generation(scheme, repeat),
                make.kineto(scheme, repeat, lines=found, plain=plain if scheme != "fp16" else None),
            ]
    return records


@pytest.fixture(autouse=True)
def lines_of_todays_table(monkeypatch):
    """What is invented here holds lines, as older records do, and none of them is about that."""
    monkeypatch.setattr("bench.analysis.held_lines.THEN", rules_said())


def codes(records):
    return [finding.code for finding in explain(records).findings]


def test_what_stays_unexplained_is_a_finding():
    # int8 takes 17 ms unprofiled; its observed processes say 12.
    lines = {c.GEMM: 0.006, c.HOST_GAP: 0.006}
    found = [finding for finding in explain(run(lines, plain=0.012)).findings if finding.code == "unexplained"]
    assert "int8" in found[0].message
    assert found[0].evidence
    assert found[0].remedy


def test_a_closed_ledger_has_nothing_to_warn_about():
    assert codes(run({c.GEMM: 0.006, c.HOST_GAP: 0.0112}, plain=0.0172)) == []


def test_missing_timelines_are_a_finding():
    records = [make.generation(scheme, repeat) for scheme in ("fp16", "nf4") for repeat in range(2)]
    assert codes(records) == ["no-ledger"]


def test_everything_slower_alike_is_the_machine():
    records = []
    reference = {c.GEMM: 0.004, c.HOST_GAP: 0.003, c.ATTENTION: 0.002, c.NORM: 0.001}
    for repeat in range(4):
        for scheme, factor in (("fp16", 1.0), ("nf4", 1.31)):
            lines = {name: value * factor for name, value in reference.items()}
            records += [make.generation(scheme, repeat), make.kineto(scheme, repeat, lines=lines)]
    found = explain(records).findings
    assert [finding.code for finding in found] == ["machine-slower"]
    assert "×1.3" in found[0].message


def test_remedies_are_ranked_with_their_price_and_code():
    extra = [
        make.intervention("int8", name, repeat, step=step)
        for repeat in range(4)
        for name, step in (("none", 0.020), ("threshold-0", 0.0165), ("plain-linears", 0.010))
    ]
    found = explain(run({c.GEMM: 0.006, c.HOST_GAP: 0.0112}, extra=extra)).remedies
    of_int8 = [item for item in found if item.scheme == "int8"]
    titles = [item.title for item in of_int8]
    assert "dequantise the weights once, if memory allows" in titles
    assert "use fp16 instead" in titles
    threshold = next(item for item in of_int8 if "outlier" in item.title)
    assert "llm_int8_threshold=0.0" in threshold.code
    assert threshold.sure
    assert threshold.price == "the output is the same"
    # It keeps the memory saving; the larger gains of the others give quantisation up.
    assert titles[0] == threshold.title
    assert {item.keeps for item in of_int8[1:]} == {"nothing"}


def test_no_remedy_for_what_is_not_slower():
    assert explain([make.generation("fp16", repeat) for repeat in range(3)]).remedies == ()


@pytest.mark.parametrize(
    ("scheme", "text"),
    [("fp16", "dtype=torch.float16"), ("int8", "llm_int8_threshold=6.0"), ("nf4-dq", "bnb_4bit_use_double_quant=True")],
)
def test_the_code_of_an_arm(scheme, text):
    assert text in code(make.arm(scheme))

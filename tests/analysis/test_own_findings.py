import pytest

from bench.analysis import annotation, findings, generation, matmul
from bench.record.schema import Finding
from tests import factories as make


def codes(records: list[make.Record]) -> set[str]:
    return {finding.code for finding in findings.of_generation(generation.summarise(records))}


def test_one_repeat_is_warned_about() -> None:
    assert "one-repeat" in codes([make.generation("fp16")])
    assert "one-repeat" not in codes([make.generation("fp16", repeat) for repeat in range(3)])


def test_a_missing_reference_is_warned_about() -> None:
    assert "no-reference" in codes([make.generation("nf4")])
    assert "no-reference" not in codes([make.generation("fp16")])


def test_missing_tokens_are_warned_about() -> None:
    item = make.record("generation", make.case(new_tokens=32), {"tokens_generated": [20]})
    assert "tokens-missing" in codes([item]) and "tokens-missing" not in codes([make.generation("fp16")])


def test_a_costly_harness_is_warned_about() -> None:
    assert "harness-overhead" in codes([make.generation("fp16", step=1e-5)])
    assert "harness-overhead" not in codes([make.generation("fp16")])


def test_what_noise_hides_is_told() -> None:
    records = [make.generation(scheme, repeat) for scheme in ("fp16", "bf16") for repeat in range(2)]
    assert "cannot-tell" in codes(records)


def test_timings_that_ended_early_are_counted() -> None:
    early = make.record("matmul", make.matmul().case, {"forward_time": [1e-5, 2e-5]}, setup={"stop": "time limit"})
    found = findings.of_matmul(matmul.summarise([early, make.matmul("nf4")]))
    assert [item.evidence for item in found] == ["1 of 2 timings"]


@pytest.mark.parametrize(("cost", "expected"), [(1.10, ["annotation-cost"]), (1.0, [])])
def test_costly_annotation_is_warned_about(cost: float, expected: list[str]) -> None:
    rows = annotation.summarise([make.annotation(repeat=repeat, cost=cost) for repeat in range(3)])
    assert rows[0].time_ratio.value == pytest.approx(cost)
    assert [item.code for item in findings.of_annotation(rows)] == expected


def test_a_finding_is_told_once_worst_first() -> None:
    error = Finding("broken", "error", "it broke")
    merged = findings.merged(make.troubles(), [error])
    assert [(item.code, count, where) for item, count, where in merged] == [
        ("broken", 1, ""),
        ("machine-busy", 2, "int8-planted, bf16"),
    ]

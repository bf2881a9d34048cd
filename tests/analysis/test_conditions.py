"""Two sides that differ in more than what is compared are refused, and every condition is listed."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.analysis.comparison import Comparison, compare
from bench.analysis.conditions import NAMES, mixed
from bench.record.errors import UsageError
from bench.record.schema import Finding, Record
from bench.record.store import load
from tests import factories as make

ROOT = Path(__file__).resolve().parents[2]
Change = Callable[[Record], Record]


def side(scheme: str = "nf4", change: Change = lambda record: record, **coordinates: Any) -> list[Record]:
    return [change(make.generation(scheme, repeat, **coordinates)) for repeat in range(3)]


def of_setup(**changes: Any) -> Change:
    return lambda record: replace(record, setup={**record.setup, **changes})


def of_arm(**changes: Any) -> Change:
    return lambda record: replace(record, setup={**record.setup, "arm": {**record.setup["arm"], **changes}})


def of_environment(**changes: Any) -> Change:
    return lambda record: replace(record, environment=replace(record.environment, **changes))


def told(code: str) -> Change:
    return lambda record: replace(record, findings=(Finding(code, "warning", "so it was"),))


def ended_early(record: Record) -> Record:
    metrics = [
        replace(m, values=(20.0,) * len(m.values)) if m.name == "tokens_generated" else m for m in record.metrics
    ]
    return replace(record, metrics=tuple(metrics))


NEWER = {**make.CPU.packages, "bitsandbytes": "0.51.0"}
DIRTY = {"commit": "0123456789abcdef", "dirty": True}
ONE = {"OMP_NUM_THREADS": "1"}
BUSY = {**make.CPU.before, "busy_others_cores": 1.5}
CHANGES: list[tuple[str, str, Change]] = [
    ("threads", "threads: 1 ≠ 8", of_setup(threads=8)),
    ("dtype", "dtype: float16 ≠ bfloat16", of_arm(dtype="bfloat16")),
    ("tokens", "tokens: 32 ≠ 20", ended_early),
    ("arm", "arm: compute_dtype float16 ≠ compute_dtype float32", of_arm(compute_dtype="float32")),
    ("arm", "arm: blocksize 64 ≠ blocksize 128", of_arm(blocksize=128)),
    ("arm", "arm: attention none ≠ attention eager", of_setup(model={**make.MODEL, "attention": "eager"})),
    ("throttling", "throttling: none ≠ in 3 of 3 records", told("gpu-throttled")),
    ("other processes", "other processes: none ≠ in 3 of 3 records", told("cpu-busy")),
    ("pauses", "pauses: none ≠ in 3 of 3 records", told("process-stopped")),
    ("other processes", "other processes: none ≠ in 3 of 3 records", of_environment(before=BUSY)),
    ("variables", "variables: OMP_NUM_THREADS none ≠ OMP_NUM_THREADS 1", of_environment(variables=ONE)),
    ("versions", "bitsandbytes 0.50.2 ≠ bitsandbytes 0.51.0", of_environment(packages=NEWER)),
    ("versions", "Python 3.11.2 ≠ Python 3.12.0", of_environment(python="3.12.0")),
    ("commit", "commit: 0123456789ab ≠ fedcba987654", of_environment(source={"commit": "fedcba9876543210"})),
    ("commit", "commit: 0123456789ab ≠ 0123456789ab with changes", of_environment(source=DIRTY)),
    ("host", "host: testhost ≠ otherhost", of_environment(hostname="otherhost")),
]  # fmt: skip


def both(change: Change) -> tuple[list[Record], list[Record]]:
    one = of_setup(threads=1, model={**make.MODEL, "attention": "none"})
    return side(change=one), side(change=lambda record: make.other_run(change(one(record))))


@pytest.mark.parametrize(("name", "text", "change"), CHANGES, ids=[f"{n}-{i}" for i, (n, _, _) in enumerate(CHANGES)])
def test_what_differs_is_refused_in_one_line_that_says_what_to_do(name: str, text: str, change: Change) -> None:
    with pytest.raises(UsageError) as refused:
        compare(*both(change))
    assert text in str(refused.value) and "\n" not in str(refused.value)
    assert f"--allow '{name}'" in str(refused.value) and "--force" in str(refused.value)


@pytest.mark.parametrize(("name", "text", "change"), CHANGES, ids=[f"{n}-{i}" for i, (n, _, _) in enumerate(CHANGES)])
def test_what_is_the_question_or_forced_is_a_finding(name: str, text: str, change: Change) -> None:
    allowed = compare(*both(change), allow=(name,))
    assert [(item.code, item.severity) for item in allowed.findings] == [("unlike-conditions", "warning")]
    assert text in allowed.findings[0].evidence and allowed.rows
    assert [item.severity for item in compare(*both(change), force=True).findings] == ["error"]
    others = tuple(other for other in NAMES if other != name)
    with pytest.raises(UsageError):
        compare(*both(change), allow=others)


def test_every_condition_is_listed() -> None:
    found = compare(*both(lambda record: record))
    assert tuple(item.name for item in found.conditions) == NAMES and found.findings == ()
    texts = {item.name: item.text for item in found.conditions}
    assert texts["threads"] == "threads: 1" and texts["tokens"] == "tokens: 32" and "torch 2.13.0" in texts["versions"]


def test_what_a_side_does_not_tell_is_unknown_and_no_reason_to_refuse() -> None:
    found = compare(side(), side(change=of_setup(threads=4)))
    assert next(item for item in found.conditions if item.name == "threads").text == "threads: unknown ≠ 4"
    assert found.findings == ()


def test_what_does_not_apply_to_a_case_is_told_by_the_others() -> None:
    run = [*side(), make.matmul("nf4")]
    texts = [item.text for item in compare(run, run).conditions]
    assert "tokens: 32" in texts


def compared(a: str, b: str, change: Change = lambda record: record) -> Comparison:
    return compare(side(a), side(b, change), scheme_a=a, scheme_b=b)


def test_what_the_schemes_decide_is_the_question() -> None:
    for a, b in (("fp16", "nf4"), ("fp16", "int8"), ("int8", "int8-thr0"), ("fp32", "bf16")):
        assert compared(a, b).findings == ()


def test_a_quantised_scheme_in_another_dtype_than_its_reference_is_refused() -> None:
    with pytest.raises(UsageError, match="dtype: float16 ≠ bfloat16"):
        compared("fp16", "nf4", of_arm(dtype="bfloat16"))
    with pytest.raises(UsageError, match="dtype: float32 ≠ float16"):
        compared("fp32", "int8")


def test_a_compiled_arm_beside_one_that_is_not_is_refused() -> None:
    with pytest.raises(UsageError, match="compiled False ≠ compiled True"):
        compared("fp16", "nf4", of_arm(disable_compile=False))


def test_a_compiled_arm_that_is_called_so_is_what_is_asked_about() -> None:
    assert compared("fp16", "fp16+compile", of_arm(disable_compile=False)).findings == ()


def test_a_moment_of_other_work_in_one_of_three_repeats_is_not_refused() -> None:
    def once(record: Record) -> Record:
        return told("cpu-busy")(record) if record.repeat == 0 else record

    found = compare(side(), side(change=once))
    assert next(item for item in found.conditions if item.name == "other processes").b == "in 1 of 3 records"
    assert found.findings == ()


def test_one_case_that_differs_is_enough() -> None:
    many = [*side(), *side(batch_size=8)]
    changed = [*side(), *side(batch_size=8, change=of_arm(blocksize=128))]
    with pytest.raises(UsageError, match="blocksize 64 ≠ blocksize 128"):
        compare(many, changed)


def test_an_unknown_condition_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="threads, dtype, tokens"):
        compare(side(), side(), allow=("weather",))


def test_a_run_of_mixed_versions_is_told_with_how_many_records_of_each() -> None:
    newer = of_environment(packages=NEWER)
    (found,) = mixed([*side("fp16"), *side("nf4", newer)])
    assert found.code == "mixed-versions"
    assert found.evidence == "bitsandbytes 0.50.2 (3 records) and 0.51.0 (3 records)"
    assert mixed(side("fp16")) == ()


@pytest.mark.parametrize("name", ["cpu-smoke-20261126", "h100-starcoder2-3b-20261126"])
def test_committed_runs_compare_within_themselves(name: str) -> None:
    records = load(ROOT / "reports" / "runs" / name).records
    for scheme in ("int8", "nf4"):
        assert compare(records, records, scheme_a="fp16", scheme_b=scheme).rows
    assert mixed(records) == ()
